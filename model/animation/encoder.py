"""Writing a clip: frames to H.264 as they come, the driver's sound beside them, and tags that say it is synthetic."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import ffmpeg
import numpy as np
import numpy.typing as npt

from pipeline.decode import CONTAINERS as VIDEO_CONTAINERS
from pipeline.decode import OPTIONS as VIDEO_OPTIONS
from pipeline.errors import InputError
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.files import atomic_write

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
SOUND_INPUT = {**VIDEO_OPTIONS, "format_whitelist": f"{VIDEO_CONTAINERS},wav,w64,aiff,mp3,aac,flac"}
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
        path: .mp4, .mov or .mkv.
        fps: frame rate.
        sound: what is heard; None for a silent clip.
        tags: metadata of the container, such as title and comment.

    Raises:
        InputError: another suffix, no frame was written, or ffmpeg cannot write the file.
    """
    if path.suffix.lower() not in CONTAINERS or path.is_dir():
        raise InputError(f"{path}: the result must be a file ending in {', '.join(CONTAINERS)}")
    with atomic_write(path) as partial, tempfile.TemporaryFile() as log:
        encoder = Encoder(path, lambda size: _command(path, partial, size, fps, sound, tags), log)
        try:
            yield encoder
            encoder.finish()
        finally:
            encoder.stop()


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
    streams = [pictures.filter("scale", out_color_matrix="bt709", out_range="tv")]
    audible: dict[str, str] = {}
    if sound is not None:
        streams.append(ffmpeg.input(f"file:{sound.path}", **SOUND_INPUT)["a?"])
        audible = {"acodec": "aac", "audio_bitrate": "192k", "af": sound_filter(sound)}
    output = ffmpeg.output(
        *streams,
        f"file:{partial}",
        format=CONTAINERS[path.suffix.lower()],
        vcodec="libx264",
        preset="medium",
        crf=18,
        pix_fmt="yuv420p",
        colorspace="bt709",
        color_primaries="bt709",
        color_trc="bt709",
        color_range="tv",
        map_metadata=-1,
        movflags="+faststart",
        **{f"metadata:g:{i}": f"{name}={value}" for i, (name, value) in enumerate(tags.items())},
        **audible,
    )
    # The sound keeps the timestamps of its file, so that it stays beside the pictures that it was recorded with.
    quiet = output.global_args("-nostdin", "-copyts", "-loglevel", "error").overwrite_output()
    command: list[str] = ffmpeg.compile(quiet, cmd=ffmpeg_path())
    return command


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
