"""Reading a video's frames, in this process (through ffmpeg's libraries, PyAV).

A frame's planes are looked at where the decoder left them: sending whole pictures through a pipe from an ffmpeg process
costs about as much as decoding half of them does.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import av
from av.codec.hwaccel import HWAccel
from av.logging import Capture

from pipeline.child_process import watchdog
from pipeline.cli import printable
from pipeline.decode.damage import Damage
from pipeline.decode.display import Display
from pipeline.decode.frame import HDR, Colour, Decoded, Frame, colour_of, plane_of
from pipeline.decode.hardware import accelerator, asked_device, is_on_device
from pipeline.decode.stream import OPTIONS, choose_stream, others_than
from pipeline.decode.times import Clock
from pipeline.errors import VideoError

STALL_SECONDS = 60.0  # a decoder that gives nothing for so long is stopped
MAX_FRAMES = 324_000  # three hours; a longer video is refused, before its track fills the memory
AHEAD_BYTES, AHEAD_PICTURES = 24 << 20, 64  # decoded in a row, at most
CENTRED_CHROMA = ("mpeg1video", "mjpeg", "h261", "h263", "flv1")  # codecs that site chroma between the luma columns

T = TypeVar("T")

# Every complaint of ffmpeg's goes to the `Capture` that is open while it works, and nowhere else.
av.logging.set_level(av.logging.ERROR)


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
        self.fps = 0.0  # nominal frame rate; see `pipeline.decode.times`
        self.chosen_fps = 0.0  # at which frames were chosen out of more, complete likewise (`pipeline.decode.clip`)
        self.width = self.height = 0  # as shown, of the first frame, known from that on
        self.notes: list[str] = []  # what was done so that pictures are as shown, complete once the iteration has ended
        self.warnings: list[str] = []  # what is not as it should be, likewise
        self.errors: list[str] = []  # what ffmpeg complained of, likewise
        self._container: Any = None
        self._stream: Any = None
        self._by_processor = ""  # the note where a device was asked for in vain

    def __enter__(self) -> VideoReader:
        self._container = self._opened(asked_device())
        if self._container is None:
            raise self._unreadable()
        stream, missing = choose_stream(self._container)
        if stream is None:
            self.__exit__()
            self.errors.insert(0, missing)
            raise self._unreadable()
        stream.thread_type, stream.thread_count = "NONE", 1  # a build has a worker for each core
        stream.codec_context.options = {"max_pixels": OPTIONS["max_pixels"]}
        self.fps = float(stream.guessed_rate or 0)
        if other := others_than(stream, self._container):
            self.notes.append(other)
        self._stream = stream
        return self

    def _opened(self, device: str) -> Any:
        """The container, its video decoded by a device where that can, else by the processor; None: unreadable."""
        if not device:
            return self._attempt(lambda: _open(self.path))
        container = self._attempt(lambda: _open(self.path, accelerator(device)))
        self._by_processor = f"decoded by the processor, not by {device}"
        if container is None:
            said = len(self.errors)
            container = self._attempt(lambda: _open(self.path))
            if container is not None:  # else it was the file's fault
                self._by_processor += f" ({printable(' '.join(self.errors[0].split()))})"
                del self.errors[:said]
        return container

    def __exit__(self, *_: object) -> None:
        if self._container is not None:
            self._container.close()
            self._container = self._stream = None
            gc.collect()  # PyAV's objects refer to each other: the decoder would keep its pictures till any later time

    def __iter__(self) -> Iterator[Frame]:
        if self._container is None:
            raise ValueError("a VideoReader is iterated inside `with`")
        chroma_left = self._stream.codec_context.name not in CENTRED_CHROMA
        display = Display(self._pixel_shapes(), self._attempt, _once(self.notes), _once(self.warnings))
        index = -1
        for index, item in enumerate(_ahead(display.shown(self._pictures()))):
            if index == MAX_FRAMES:
                raise VideoError("too_long", f"{self.path}: has more than {MAX_FRAMES} frames; cut it into pieces")
            frame = _frame(index, item, chroma_left)
            if index == 0:
                self.height, self.width = frame.y.shape
            yield frame
        if index < 0:
            raise self._unreadable()

    def _pictures(self) -> Iterator[Decoded]:
        """What the decoder gives. As in ffmpeg itself, a packet that it refuses is a complaint, no end."""
        demuxer, codec = self._container.format.name, self._stream.codec_context
        packets = self._container.demux(self._stream)  # the last one is empty, and draws what the decoder held back
        damage, clock = Damage(codec.name, demuxer), Clock(demuxer)

        def decoded(picture: av.VideoFrame) -> Decoded:
            if self._by_processor and not is_on_device(picture):
                _once(self.notes)(self._by_processor)
            corrupt, follows_loss = damage.of(picture)
            return Decoded(picture, clock.seconds(picture), corrupt, bool(picture.key_frame), follows_loss)

        def draw() -> av.Packet[Any] | None:
            return self._attempt(lambda: next(packets, None))

        packet, drained = draw(), False
        while packet is not None and not drained:
            following, said = draw(), len(self.errors)
            pictures = self._attempt(packet.decode)
            damage.note(packet, following, self.errors[said:], refused=pictures is None)
            yield from map(decoded, pictures or ())
            drained = packet.dts is None and not packet.size
            packet = following
        if not drained:  # the file broke off
            yield from map(decoded, self._attempt(codec.decode) or ())
        if damage.missing:
            self.warnings.append(f"{damage.missing} damaged packets gave no picture")

    def _pixel_shapes(self) -> Callable[[], Fraction]:
        """Width over height of a pixel now: as the container says, else as the pictures do, which may change."""
        context, stated = self._stream.codec_context, self._stream.sample_aspect_ratio
        fixed = stated if stated and stated != context.sample_aspect_ratio else None
        return lambda: fixed or context.sample_aspect_ratio or Fraction(1)

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


def _open(path: Path, accelerator: HWAccel | None = None) -> Any:
    return av.open(f"file:{path}", options=OPTIONS, timeout=STALL_SECONDS, hwaccel=accelerator)


def _frame(index: int, item: Decoded, chroma_left: bool) -> Frame:
    picture = item.picture
    if int(picture.color_trc) in HDR:
        from pipeline.decode.hdr import to_sdr  # here: numba is imported where it is used

        planes = to_sdr(picture)
        return Frame(index, item.seconds, *planes, Colour("bt709", False, chroma_left), *item[2:])
    y, u, v = (plane_of(plane) for plane in picture.planes)
    return Frame(index, item.seconds, y, u, v, colour_of(picture, chroma_left), *item[2:])


def _ahead(pictures: Iterator[Decoded]) -> Iterator[Decoded]:
    """The same, several decoded at a time (of 1080p, eight).

    When the decoder and whoever uses its frames take turns less often, each finds more of its data in the processor's
    cache, the landmark model most of all.
    """
    for first in pictures:
        held = sum(plane.buffer_size for plane in first.picture.planes)
        yield from [first, *islice(pictures, min(AHEAD_BYTES // held, AHEAD_PICTURES - 1))]


def _once(sentences: list[str]) -> Callable[[str], None]:
    """Adds a sentence to a list unless it is there."""
    return lambda sentence: None if sentence in sentences else sentences.append(sentence)
