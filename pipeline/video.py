"""Decoding video: every frame once, in presentation order, as planar YUV with its number and timestamp (ffmpeg).

ffmpeg writes raw 4:2:0 frames to a pipe, and its `showinfo` filter tells the size, colour and timestamp of each: no
separate probe is needed, and what is known of a frame is what the decoder said of that very frame.
"""

from __future__ import annotations

import contextlib
import queue
import re
import select
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

import ffmpeg
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from pipeline.errors import BuildError, InputError, VideoError
from pipeline.supervise import CRASH_SIGNALS

STALL_SECONDS = 60.0  # an ffmpeg that gives nothing for so long is stopped
MAX_PIXELS = 8192 * 8192  # a larger picture is refused by the decoder, before memory is spent
MAX_FRAMES = 500_000  # more than four hours; a longer video is refused, before its track fills the memory
PIPE_BYTES = 1 << 20
# Containers that hold their own pictures. Playlists and scripts, which make ffmpeg open other files, are left out.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,asf,flv,ogg,dv,mxf,gif,h264,hevc,m4v,ivf,nut,"
    "yuv4mpegpipe,rm,swf,wtv"
)
NO_CODE_RUNS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS, "max_pixels": MAX_PIXELS}

Plane = npt.NDArray[np.uint8]

_FRAME = re.compile(r"n: *(\d+) pts: *(-?\d+|NOPTS) .* cl:(\w+) .* s:(\d+)x(\d+) ")
_COLOUR = re.compile(r"color_range:(\S+) color_space:(\S+)")
_CONFIG = re.compile(r"\] config in time_base: (\d+)/(\d+), frame_rate: (\d+)/(\d+)")
_ERROR = re.compile(r"\[(?:error|fatal|panic)\] ?(.*)")


@dataclass(frozen=True)
class Frame:
    """One decoded frame. The planes are views that stay valid until the next frame is read: copy what you keep."""

    index: int  # in presentation order, from 0: ffprobe's frame number
    pts_seconds: float
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


@dataclass(frozen=True)
class _FrameInfo:
    index: int
    pts_seconds: float
    width: int
    height: int
    colour: Colour


def ffmpeg_path() -> str:
    """The ffmpeg to run: $IMAGEIO_FFMPEG_EXE, else the binary pinned with this package, else the one on the PATH.

    The pinned one comes before the machine's own, so that all hosts of a build decode alike.

    Raises:
        InputError: there is none.
    """
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise InputError("no ffmpeg found: pip install imageio-ffmpeg, or set IMAGEIO_FFMPEG_EXE to one") from error


class VideoReader:
    """A context manager over one video's frames; iterate it once.

    Args:
        path: the file; read through ffmpeg's file protocol only, whatever its name or content says.
        stall_seconds: time without a sign of life from ffmpeg after which the video is given up.

    Raises (while iterating):
        VideoError: `unreadable` where ffmpeg finds no picture in the file, `timeout` where it hangs, `too_long`
            after `MAX_FRAMES` frames, `crashed` where it does.
        BuildError: something outside killed ffmpeg.
    """

    def __init__(self, path: str | Path, stall_seconds: float = STALL_SECONDS) -> None:
        self.path = Path(path)
        self.fps = 0.0  # nominal frame rate, known from the first frame on
        self.width = self.height = 0  # as displayed (after the rotation flag), likewise
        self.errors: list[str] = []  # what ffmpeg complained of, complete once the iteration has ended
        self._stall = stall_seconds
        self._infos: queue.SimpleQueue[_FrameInfo | None] = queue.SimpleQueue()
        self._tail: deque[str] = deque(maxlen=20)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> VideoReader:
        stream = ffmpeg.input("file:", threads=1, copyts=None, **NO_CODE_RUNS)
        stream = stream.video.filter("format", "yuv420p").filter("showinfo", checksum=0)
        command = ffmpeg.output(stream, "pipe:", format="rawvideo", fps_mode="passthrough").global_args(
            "-hide_banner", "-nostdin", "-loglevel", "level+info", "-nostats"
        )
        words = command.compile(cmd=ffmpeg_path())
        words[words.index("file:")] += str(self.path)  # ffmpeg-python cannot take names that are not UTF-8
        self._process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        _widen_pipe(_pipe(self._process.stdout))
        self._listener = threading.Thread(target=self._listen, args=(_pipe(self._process.stderr),), daemon=True)
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is not None:
            process.kill()
            process.wait()
            self._listener.join()
            _pipe(process.stdout).close()
            _pipe(process.stderr).close()
            self._process = None

    def __iter__(self) -> Iterator[Frame]:
        if self._process is None:
            raise ValueError("a VideoReader is iterated inside `with`")
        pictures = _pipe(self._process.stdout)
        poll = select.poll()
        poll.register(pictures, select.POLLIN | select.POLLHUP)
        buffer = np.empty(0, np.uint8)
        seen = 0
        while (info := self._next_info()) is not None:
            if seen == MAX_FRAMES:
                raise VideoError("too_long", f"{self.path}: has more than {MAX_FRAMES} frames; cut it into pieces")
            self.width, self.height = info.width, info.height
            chroma = (info.width + 1) // 2 * ((info.height + 1) // 2)
            luma = info.width * info.height
            if len(buffer) != luma + 2 * chroma:
                buffer = np.empty(luma + 2 * chroma, np.uint8)
            if not self._fill(pictures, poll, buffer.data):
                break
            half = ((info.height + 1) // 2, (info.width + 1) // 2)
            yield Frame(
                index=info.index,
                pts_seconds=info.pts_seconds,
                y=buffer[:luma].reshape(info.height, info.width),
                u=buffer[luma : luma + chroma].reshape(half),
                v=buffer[luma + chroma :].reshape(half),
                colour=info.colour,
            )
            seen += 1
        self._listener.join(self._stall)
        self._see_off(pictures, poll, seen)
        if not seen:
            raise VideoError("unreadable", f"{self.path}: no video frame could be decoded ({self._reason()})")

    def _next_info(self) -> _FrameInfo | None:
        try:
            return self._infos.get(timeout=self._stall)
        except queue.Empty:
            raise self._stalled() from None

    def _fill(self, pictures: IO[bytes], poll: select.poll, view: memoryview) -> bool:
        done = 0
        while done < len(view):
            if not poll.poll(self._stall * 1000):
                raise self._stalled()
            count = pictures.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                return False
            done += count
        return True

    def _see_off(self, pictures: IO[bytes], poll: select.poll, seen: int) -> None:
        """Whether all that ffmpeg decoded was taken, and it ended by itself."""
        assert self._process is not None
        if not poll.poll(self._stall * 1000):
            raise self._stalled()
        if pictures.read(1):
            raise VideoError("unreadable", f"{self.path}: ffmpeg gave more pictures than the {seen} it announced")
        try:
            code = self._process.wait(self._stall)
        except subprocess.TimeoutExpired:
            raise self._stalled() from None
        if -code in CRASH_SIGNALS:
            raise VideoError("crashed", f"{self.path}: ffmpeg crashed (signal {-code}) after {seen} frames")
        if code < 0:
            raise BuildError(
                f"{self.path}: ffmpeg was killed from outside (signal {-code}); if memory ran out, use fewer "
                "--workers; run again to go on"
            )

    def _stalled(self) -> VideoError:
        return VideoError("timeout", f"{self.path}: ffmpeg gave nothing for {self._stall:.0f} s and was stopped")

    def _reason(self) -> str:
        if any("matches no streams" in line for line in self.errors):
            return "it has no video stream"
        lines = self.errors or [line for line in self._tail if line.strip()] or ["ffmpeg said nothing"]
        return re.sub(r"^\[[^]]*\] ", "", lines[0])

    def _listen(self, stderr: IO[bytes]) -> None:
        """Turn ffmpeg's log into frame infos; runs in a thread of its own until ffmpeg closes it.

        A frame's main line is written at once, the colours piece by piece, and what the decoder says at the same time
        may come between the pieces: a frame whose colours are lost that way has those of the frame before.
        """
        time_base, colours = Fraction(0), ("unknown", "unknown")
        frame, count = None, 0
        for raw in stderr:
            line = raw.decode("utf-8", "replace").rstrip()
            if (match := _FRAME.search(line)) and int(match[1]) == count:
                if frame is not None:
                    self._infos.put(_frame_info(frame, colours, time_base))
                frame, count = match, count + 1
            elif match := _COLOUR.search(line):
                colours = (match[1], match[2])
                if frame is not None:
                    self._infos.put(_frame_info(frame, colours, time_base))
                    frame = None
            elif match := _CONFIG.search(line):
                time_base = Fraction(int(match[1]), int(match[2]))
                self.fps = int(match[3]) / max(int(match[4]), 1)
            elif match := _ERROR.search(line):
                self.errors.append(match[1])
            else:
                self._tail.append(line)
        if frame is not None:
            self._infos.put(_frame_info(frame, colours, time_base))
        self._infos.put(None)


def _frame_info(frame: re.Match[str], colours: tuple[str, str], time_base: Fraction) -> _FrameInfo:
    index, pts, siting, width, height = frame.groups()
    colour_range, matrix = colours
    seconds = float("nan") if pts == "NOPTS" else float(int(pts) * time_base)
    return _FrameInfo(
        int(index), seconds, int(width), int(height), Colour(matrix, colour_range in ("pc", "full"), siting != "center")
    )


def read_frames(path: str | Path, stall_seconds: float = STALL_SECONDS) -> Iterator[Frame]:
    """The frames of a video; as `VideoReader`, for callers who need the frames only.

    Raises:
        VideoError: see `VideoReader`.
    """
    with VideoReader(path, stall_seconds) as reader:
        yield from reader


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # Popen was given PIPE
    return stream


def _widen_pipe(stream: IO[bytes]) -> None:
    """Fewer, larger reads. Where the system forbids or lacks it, the default size works as well."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, PIPE_BYTES)  # type: ignore[attr-defined, unused-ignore]
