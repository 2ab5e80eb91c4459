"""Decoding video: every frame once, in presentation order, as planar YUV with its number and timestamp.

ffmpeg's libraries decode in this process (through PyAV), so that a frame's planes are looked at where the decoder left
them: sending whole pictures through a pipe from an ffmpeg process costs about as much as decoding half of them does.
"""

from __future__ import annotations

import gc
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.logging import Capture

from pipeline.child_process import watchdog
from pipeline.cli import printable
from pipeline.errors import VideoError

STALL_SECONDS = 60.0  # a decoder that gives nothing for so long is stopped
MAX_PIXELS = 8192 * 8192  # a larger picture is refused by the decoder, before memory is spent
MAX_FRAMES = 324_000  # three hours; a longer video is refused, before its track fills the memory
# Containers that hold their own pictures. Playlists and scripts, which make ffmpeg open other files, are left out.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,asf,flv,ogg,dv,mxf,gif,h264,hevc,m4v,ivf,nut,"
    "yuv4mpegpipe,rm,swf,wtv"
)
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS, "max_pixels": str(MAX_PIXELS)}

AHEAD_BYTES, AHEAD_PICTURES = 24 << 20, 64  # decoded in a row, at most

PLANAR = ("yuv420p", "yuvj420p")  # formats taken as they are; others are converted to the first
MATRICES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}
FULL_RANGE = 2  # AVCOL_RANGE_JPEG
CENTRED_CHROMA = ("mpeg1video", "mjpeg", "h261", "h263", "flv1")  # codecs that site chroma between the luma columns

Plane = npt.NDArray[np.uint8]
T = TypeVar("T")

# Every complaint of ffmpeg's goes to the `Capture` that is open while it works, and nowhere else.
av.logging.set_level(av.logging.ERROR)


@dataclass(frozen=True)
class Frame:
    """One decoded frame. The planes are the decoder's own, not to be written: copy what you keep of them."""

    index: int  # in presentation order, from 0: ffprobe's frame number
    pts_seconds: float  # NaN where the container gives no time
    y: Plane  # (H, W)
    u: Plane  # (ceil(H/2), ceil(W/2))
    v: Plane
    colour: Colour


@dataclass(frozen=True)
class Colour:
    """How a video's YUV is meant."""

    matrix: str  # ffmpeg's name: bt709, smpte170m, ..., unknown
    full_range: bool
    chroma_left: bool  # chroma is sited at the left luma column (MPEG-2, H.264), else half-way between two


class VideoReader:
    """A context manager over one video's frames; iterate it once.

    Args:
        path: the file; read through ffmpeg's file protocol only, whatever its name or content says.

    Raises (on entering and while iterating):
        VideoError: `unreadable` where ffmpeg finds no picture in the file, `too_long` after `MAX_FRAMES` frames.

    A decoder that hangs or crashes takes its process with it: work on files from strangers belongs in
    `child_process.run_in_child`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.fps = 0.0  # nominal frame rate
        self.width = self.height = 0  # as displayed (after the rotation flag), known from the first frame on
        self.errors: list[str] = []  # what ffmpeg complained of, complete once the iteration has ended
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> VideoReader:
        self._container = self._attempt(lambda: av.open(f"file:{self.path}", options=OPTIONS, timeout=STALL_SECONDS))
        if self._container is None:
            raise self._unreadable()
        if not self._container.streams.video:
            self.__exit__()
            self.errors.insert(0, "it has no video stream")
            raise self._unreadable()
        stream = self._container.streams.video[0]
        stream.thread_type, stream.thread_count = "NONE", 1  # a build has a worker for each core
        stream.codec_context.options = {"max_pixels": OPTIONS["max_pixels"]}
        self.fps = float(stream.guessed_rate or 0)
        self._stream = stream
        return self

    def __exit__(self, *_: object) -> None:
        if self._container is not None:
            self._container.close()
            self._container = self._stream = None
            gc.collect()  # PyAV's objects refer to each other: the decoder would keep its pictures till any later time

    def __iter__(self) -> Iterator[Frame]:
        if self._container is None:
            raise ValueError("a VideoReader is iterated inside `with`")
        chroma_left = self._stream.codec_context.name not in CENTRED_CHROMA
        index = -1
        for index, picture in enumerate(_ahead(self._planar(self._pictures()))):
            if index == MAX_FRAMES:
                raise VideoError("too_long", f"{self.path}: has more than {MAX_FRAMES} frames; cut it into pieces")
            self.width, self.height = picture.width, picture.height
            matrix = MATRICES.get(int(picture.colorspace), "unknown")
            full_range = picture.color_range == FULL_RANGE or picture.format.name == "yuvj420p"
            y, u, v = (_plane(plane) for plane in picture.planes)
            yield Frame(index, _seconds(picture), y, u, v, Colour(matrix, full_range, chroma_left))
        if index < 0:
            raise self._unreadable()

    def _pictures(self) -> Iterator[av.VideoFrame]:
        """What the decoder gives. As in ffmpeg itself, a packet that it refuses is a complaint, no end."""
        packets = self._container.demux(self._stream)  # the last one is empty, and draws what the decoder held back
        drained = False
        while not drained and (packet := self._attempt(lambda: next(packets, None))) is not None:
            yield from self._attempt(packet.decode) or ()
            drained = packet.dts is None and not packet.size
        if not drained:  # the file broke off
            yield from self._attempt(self._stream.codec_context.decode) or ()

    def _planar(self, pictures: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Pictures as displayed, in 4:2:0 and of the first one's size; most are already."""
        graph, made_for = None, None
        rotation: int | None = None
        turn: tuple[str, ...] = ()
        size: tuple[int, int] | None = None
        for picture in pictures:
            if picture.rotation != rotation:  # else not looked at: a picture asked for side data is freed late
                rotation, turn = picture.rotation, _turning_filters(picture.side_data.get("DISPLAYMATRIX"))
            on_its_side = any(name.startswith("transpose") for name in turn)
            shown = (picture.height, picture.width) if on_its_side else (picture.width, picture.height)
            size = size or shown
            if not turn and shown == size and picture.format.name in PLANAR:
                yield picture
                continue
            kind = (turn, shown, picture.format.name, picture.colorspace, picture.color_range)
            if kind != made_for:
                scaling = () if shown == size else ("scale={}:{}".format(*size),)
                graph = self._attempt(partial(_graph, picture, (*turn, *scaling, "format=yuv420p")))
                made_for = kind
                if scaling:
                    self.errors.append("the picture's size changes from {}x{} to {}x{}".format(*size, *shown))
            result = None if graph is None else self._attempt(partial(_filtered, graph, picture))
            if result is not None:
                yield result

    def _attempt(self, work: Callable[[], T]) -> T | None:
        """What a call of ffmpeg's gives; None where it failed, with the complaint in `errors`."""
        failure, result = "", None
        with Capture() as lines, watchdog(STALL_SECONDS):
            try:
                result = work()
            except (av.error.FFmpegError, OSError, ValueError) as error:
                failure = getattr(error, "strerror", None) or str(error)
        said = [text.strip() for _, _, text in lines]
        self.errors += said or ([failure] if failure else [])
        return result

    def _unreadable(self) -> VideoError:
        reason = printable(" ".join(self.errors[0].split())) if self.errors else "ffmpeg gave none"
        return VideoError("unreadable", f"{self.path}: no video frame could be decoded ({reason})")


def read_frames(path: str | Path) -> Iterator[Frame]:
    """The frames of a video; as `VideoReader`, for callers who need the frames only.

    Raises:
        VideoError: see `VideoReader`.
    """
    with VideoReader(path) as reader:
        yield from reader


def _ahead(pictures: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """The same, several decoded at a time (of 1080p, eight).

    When the decoder and whoever uses its frames take turns less often, each finds more of its data in the processor's
    cache, the landmark model most of all.
    """
    for first in pictures:
        held = sum(plane.buffer_size for plane in first.planes)
        yield from [first, *islice(pictures, min(AHEAD_BYTES // held, AHEAD_PICTURES - 1))]


def _seconds(picture: av.VideoFrame) -> float:
    stamp = picture.pts if picture.pts is not None else picture.dts
    return float("nan") if stamp is None or picture.time_base is None else float(stamp * picture.time_base)


def _plane(plane: av.video.plane.VideoPlane) -> Plane:
    """A plane without the padding at the end of its rows, as it lies in the decoder's memory."""
    memory: Plane = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    memory.flags.writeable = False
    return memory.reshape(plane.height, plane.line_size)[:, : plane.width]


def _turning_filters(matrix: Any) -> tuple[str, ...]:
    """The filters that do what a display matrix says, chosen as ffmpeg does: quarter turns and mirrors."""
    if matrix is None:
        return ()
    a, b, _, c, d, *_ = struct.unpack("9i", bytes(matrix))
    if abs(b) + abs(c) > abs(a) + abs(d):  # on its side
        mirrored = (b > 0) == (c > 0)
        return (f"transpose={'c' if c > 0 else ''}clock{'_flip' if mirrored else ''}",)
    # `copy` gives a mirrored picture rows that lie from top to bottom again.
    mirrors = tuple(name for name, value in (("hflip", a), ("vflip", d)) if value < 0)
    return (*mirrors, "copy") if mirrors else ()


def _graph(picture: av.VideoFrame, filters: Iterable[str]) -> Graph:
    """A chain of ffmpeg's filters for pictures like this one."""
    source = (
        f"video_size={picture.width}x{picture.height}:pix_fmt={picture.format.name}:time_base={picture.time_base}:"
        f"colorspace={int(picture.colorspace)}:range={int(picture.color_range)}"
    )
    graph = Graph()
    nodes = [graph.add("buffer", source)]
    for text in filters:
        name, _, arguments = text.partition("=")
        nodes.append(graph.add(name, arguments or None))
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph


def _filtered(graph: Graph, picture: av.VideoFrame) -> av.VideoFrame:
    graph.vpush(picture)
    return graph.vpull()
