"""Writing a clip: frames to a video or GIF as they come, the driver's sound beside them, tags that say: synthetic."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import SEEK_CUR
from pathlib import Path
from typing import IO, NamedTuple

import ffmpeg
import numpy as np
import numpy.typing as npt

from pipeline.decode import SOUND_OPTIONS
from pipeline.errors import InputError
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.files import atomic_write

GIF_TAGS = ("title", "comment")
MOST_GIF_FPS = 50.0  # its delays are whole hundredths of a second, and players slow down what is below two


class Format(NamedTuple):
    """How ffmpeg writes one kind of file."""

    muxer: str
    pictures: dict[str, str | int]
    sound: dict[str, str]  # empty where it holds none


_COLOURS: dict[str, str | int] = {
    "pix_fmt": "yuv420p",
    "colorspace": "bt709",
    "color_primaries": "bt709",
    "color_trc": "bt709",
    "color_range": "tv",
}
_H264: dict[str, str | int] = {"vcodec": "libx264", "preset": "medium", "crf": 18, **_COLOURS}
_VP9: dict[str, str | int] = {
    "vcodec": "libvpx-vp9", "crf": 24, "video_bitrate": 0, "deadline": "good", "cpu-used": 4, "row-mt": 1, **_COLOURS
}  # fmt: skip
_AAC = {"acodec": "aac", "audio_bitrate": "192k"}
FORMATS = {
    ".mp4": Format("mp4", {**_H264, "movflags": "+faststart"}, _AAC),
    ".mov": Format("mov", {**_H264, "movflags": "+faststart"}, _AAC),
    ".mkv": Format("matroska", _H264, _AAC),
    ".webm": Format("webm", _VP9, {"acodec": "libopus", "audio_bitrate": "128k"}),
    ".gif": Format("gif", {"vcodec": "gif"}, {}),
}
JUMP_AHEAD, JUMP_BACK = 5.0, 0.05  # seconds between pieces of sound that are a jump of the clock
SOUND_SAMPLES = 256  # in one piece, when sound is cut with the frames that are skipped


@dataclass(frozen=True)
class Sound:
    """Sound to put under a clip.

    Attributes:
        path: a file with sound; one without gives a silent clip.
        start: seconds of that file at which the clip begins.
        parts: (begin, end) seconds of the clip that are kept; None keeps all.
        jumps: of the file's clock: seconds to take out of its times where they jump, in order.
        seconds: of the clip, after which sound is cut off; None keeps all.
    """

    path: Path
    start: float = 0.0
    parts: Sequence[tuple[float, float]] | None = None
    jumps: Sequence[float] = ()
    seconds: float | None = None


@contextmanager
def clip_writer(path: Path, fps: float, sound: Sound | None, tags: dict[str, str]) -> Iterator[Encoder]:
    """Yields what frames are written to; the file has its name only when all of them are in it.

    Args:
        path: ends in a key of `FORMATS`.
        fps: frame rate; a GIF shows at most `MOST_GIF_FPS` of these.
        sound: what is heard; None for a silent clip.
        tags: metadata of the container, such as title and comment; these two are the comment of a GIF.

    Raises:
        InputError: another suffix, no frame was written, or ffmpeg cannot write the file.
    """
    kind = format_of(path)
    with atomic_write(path) as partial, tempfile.TemporaryFile() as log:
        encoder = Encoder(path, lambda size: _command(path, partial, size, fps, sound, tags), log)
        try:
            yield encoder
            encoder.finish()
        finally:
            encoder.stop()
        if kind.muxer == "gif" and tags:  # ffmpeg writes no tags there
            add_gif_comment(partial, "\n".join(tags[name] for name in GIF_TAGS if name in tags))


def format_of(path: Path) -> Format:
    """How a result is written.

    Raises:
        InputError: its suffix is none of `FORMATS`, or it is a folder.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None or path.is_dir():
        raise InputError(f"{path}: the result must be a file ending in {', '.join(FORMATS)}")
    return kind


class Encoder:
    """An ffmpeg that is given frames; made by `clip_writer`.

    Args:
        path: the result, for messages.
        command: the command for frames of a (width, height).
        log: where ffmpeg's words go.
    """

    def __init__(self, path: Path, command: Callable[[tuple[int, int]], list[str]], log: IO[bytes]) -> None:
        self.path, self._command, self._log = path, command, log
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, frame: npt.NDArray[np.uint8]) -> None:
        """Append a frame: (H, W, 3) uint8 RGB, H and W even and the same for all frames.

        Raises:
            InputError: ffmpeg gave up.
        """
        if self._process is None:
            command = self._command((frame.shape[1], frame.shape[0]))
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._log
            )
        try:
            _stdin(self._process).write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            self.finish()
            raise

    def finish(self) -> None:
        """Wait until ffmpeg has written the end of the file.

        Raises:
            InputError: it failed, with its last words; or there was no frame.
        """
        if self._process is None:
            raise InputError(f"{self.path}: there is no frame to write")
        with suppress(BrokenPipeError):  # its status tells more
            _stdin(self._process).close()
        if (status := self._process.wait()) != 0:
            self._log.seek(0)
            words = self._log.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise InputError(f"{self.path}: ffmpeg failed with status {status}: {words[-1]}")

    def stop(self) -> None:
        """End ffmpeg if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None  # it was given PIPE
    return process.stdin


def _command(
    path: Path, partial: Path, size: tuple[int, int], fps: float, sound: Sound | None, tags: dict[str, str]
) -> list[str]:
    # Twelve digits, so that ffmpeg finds 30000/1001 in 29.97002997003.
    pictures = ffmpeg.input(
        "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{size[0]}x{size[1]}", framerate=f"{fps:.12g}"
    )
    kind = format_of(path)
    if kind.muxer == "gif":
        streams = [_in_few_colours(pictures.filter("fps", MOST_GIF_FPS) if fps > MOST_GIF_FPS else pictures)]
    else:
        streams = [pictures.filter("scale", out_color_matrix="bt709", out_range="tv")]
    audible: dict[str, str] = {}
    if sound is not None:
        streams.append(ffmpeg.input(f"file:{sound.path}", **SOUND_OPTIONS)["a?"])
        audible = {**kind.sound, "af": sound_filter(sound)}
    output = ffmpeg.output(
        *streams,
        f"file:{partial}",
        format=kind.muxer,
        map_metadata=-1,
        **kind.pictures,
        **{f"metadata:g:{i}": f"{name}={value}" for i, (name, value) in enumerate(tags.items())},
        **audible,
    )
    # The sound keeps the timestamps of its file, so that it stays beside the pictures that it was recorded with.
    quiet = output.global_args("-nostdin", "-copyts", "-loglevel", "error").overwrite_output()
    command: list[str] = ffmpeg.compile(quiet, cmd=ffmpeg_path())
    return command


def _in_few_colours(pictures: ffmpeg.nodes.FilterableStream) -> ffmpeg.nodes.FilterableStream:
    """Pictures in 256 colours, each with a palette of its own: one palette for all would hold all of them in memory."""
    twice = pictures.filter_multi_output("split")
    palette = twice[0].filter("palettegen", stats_mode="single")
    return ffmpeg.filter([twice[1], palette], "paletteuse", new=1, dither="bayer", bayer_scale=5)


def add_gif_comment(path: Path, text: str) -> None:
    """Put a comment before the first picture of a GIF, where every reader finds it.

    GIF89a: the header (6 bytes), what the screen is like (7, with the size of the palette that follows), and blocks;
    a comment is one of those, in pieces of at most 255 bytes of ASCII.
    """
    words = text.encode("ascii", "backslashreplace")
    pieces = (words[begin : begin + 255] for begin in range(0, len(words), 255))
    block = b"\x21\xfe" + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"
    with path.open("r+b") as file:
        head = file.read(13)
        place = 13 + (3 << (head[10] & 7) + 1 if head[10] & 0x80 else 0)
        file.seek(place)
        if file.read(3) == b"\x21\xff\x0b":  # how often it is repeated: browsers want that block first
            place += 19
        file.seek(place)
        waiting = block
        while piece := file.read(1 << 20):
            file.seek(-len(piece), SEEK_CUR)
            waiting += piece
            file.write(waiting[: len(piece)])
            waiting = waiting[len(piece) :]
        file.write(waiting)


def sound_filter(sound: Sound) -> str:
    """ffmpeg's filters that begin the sound with the clip (silence where it begins later) and cut skipped parts."""
    filters = [_without_jumps(sound.jumps)] if sound.jumps else []
    filters += [
        f"atrim=start={sound.start:.6f}",
        f"asetpts=PTS-{sound.start:.6f}/TB",
        "aresample=async=1:first_pts=0",
    ]
    if sound.seconds is not None:
        filters.append(f"atrim=end={sound.seconds:.6f}")
    if sound.parts is not None:
        kept = "+".join(f"gte(t,{begin:.6f})*lt(t,{end:.6f})" for begin, end in sound.parts)
        filters += [f"asetnsamples=n={SOUND_SAMPLES}:p=0", f"aselect='{kept}'", "asetpts=N/SR/TB"]
    return ",".join(filters)


def _without_jumps(jumps: Sequence[float]) -> str:
    """ffmpeg's filter that closes the jumps of the sound's clock by as much as the video's were: it counts them."""
    step = "T-PREV_INT"
    count = f"st(0,ld(0)+if(isnan(PREV_INT),0,gt({step},{JUMP_AHEAD:g})+lt({step},{-JUMP_BACK:g})))"
    taken_out = "+".join(f"gte(ld(0),{number})*{seconds:.6f}" for number, seconds in enumerate(jumps, 1))
    return f"asetpts='PTS-(0*{count}+{taken_out})/TB'"


def kept_parts(times: npt.NDArray[np.float64], fps: float) -> list[tuple[float, float]]:
    """The intervals that frames at `times` (rising, seconds) cover when each lasts 1/fps."""
    gaps = np.flatnonzero(np.diff(times) > 1.5 / fps)
    begins = times[np.concatenate(([0], gaps + 1))]
    ends = times[np.concatenate((gaps, [len(times) - 1]))] + 1 / fps
    return list(zip(begins.tolist(), ends.tolist(), strict=True))
