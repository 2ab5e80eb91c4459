"""A file's sound: whether it can be read, found out before any work is done for it, and the samples themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.logging import Capture

from pipeline.cli import printable
from pipeline.decode.stream import CONTAINERS, OPTIONS
from pipeline.errors import VideoError

Samples = npt.NDArray[np.int16]

SOUND_RATE = 16_000  # samples a second, as speech models take them
LEAD_IN = 1.0  # seconds that are decoded before the part that is wanted: codecs need some to begin with
APART = 0.02  # seconds between a piece's time and the end of the one before, above which the time is believed
SOUND_OPTIONS = {**OPTIONS, "format_whitelist": f"{CONTAINERS},wav,w64,aiff,mp3,aac,flac"}


def has_sound(path: Path) -> bool:
    """Whether a file holds a stream of sound; the first piece of it is decoded to see that it is one.

    Raises:
        VideoError: `unreadable`: ffmpeg cannot open the file, or makes nothing of its sound.
    """
    reason = "ffmpeg gave none"
    with Capture() as lines:
        try:
            with av.open(f"file:{path}", options=SOUND_OPTIONS) as container:
                if not container.streams.audio:
                    return False
                if next(container.decode(container.streams.audio[0]), None) is not None:
                    return True
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
    said = next((text for _, _, text in lines if text.strip()), reason)
    raise VideoError("unreadable", f"{path}: its sound cannot be read ({printable(' '.join(said.split()))})")


def read_sound(path: Path, begin: float, count: int) -> tuple[Samples | None, str]:
    """A part of a file's first sound track, as 16 kHz mono.

    Where the file has no sound for a time (it begins later, ends earlier, or pauses) there is silence. Decoders of
    lossy codecs, and the filter that changes the rate, round by the processor's means: samples may differ by a level or
    so from one kind of processor to another.

    Args:
        begin: time of the first sample on the clock of the file's frames, seconds.
        count: samples.

    Returns:
        (count,) int16, or None where the file has no sound at all; and a warning, "" where there is nothing to say.
    """
    samples, said, heard = np.zeros(count, np.int16), "", 0
    with Capture():
        try:
            with av.open(f"file:{path}", options=SOUND_OPTIONS) as container:
                if not container.streams.audio:
                    return None, ""
                for place, piece in _pieces(container, begin):
                    if place >= count:
                        break
                    first, last = max(place, 0), min(place + len(piece), count)
                    if first < last:
                        samples[first:last] = piece[first - place : last - place]
                        heard = last
        except (av.error.FFmpegError, OSError, ValueError) as error:
            said = f"its sound breaks off ({printable(getattr(error, 'strerror', None) or str(error))})"
    short = (count - heard) / SOUND_RATE
    if not said and short > 2 * APART:
        said = f"its sound ends {short:.2f} s before its pictures do"
    return samples, said


def _pieces(container: Any, begin: float) -> Iterator[tuple[int, Samples]]:
    """Pieces of the first sound track, each with the number of its first sample, counted from `begin` on."""
    stream = container.streams.audio[0]
    if begin > 2 * LEAD_IN:
        container.seek(int((begin - LEAD_IN) / stream.time_base), stream=stream)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SOUND_RATE)
    end: int | None = None  # of what was given, on the same count
    for frame in _decoded(container, stream):
        try:
            pieces = resampler.resample(frame)
        except ValueError:  # the track changes its format: from here on another resampler
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SOUND_RATE)
            pieces = resampler.resample(frame)
        for piece in pieces:
            place = end
            if piece.pts is not None and piece.time_base is not None:
                stated = round((float(piece.pts * piece.time_base) - begin) * SOUND_RATE)
                place = stated if end is None or abs(stated - end) > APART * SOUND_RATE else end
            samples = piece.to_ndarray()[0]
            end = (place or 0) + len(samples)
            yield end - len(samples), samples


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """The track's frames, and None at its end. What the decoder refuses is left out: its time shows the gap."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue
    yield None


def sound_of_frames(samples: Samples, seconds: npt.NDArray[np.float64], fps: float) -> Samples:
    """The sound of frames that are shown one after the other, those dropped between them left out with their sound.

    Args:
        samples: (m,) from the time of the first frame on.
        seconds: (n,) times of the frames.
        fps: at which they are shown from now on.

    Returns:
        (round(n / fps * 16000),) int16.
    """
    wanted = np.arange(round(len(seconds) / fps * SOUND_RATE))
    frame = np.minimum((wanted * fps / SOUND_RATE).astype(np.int64), len(seconds) - 1)
    place = np.rint((seconds[frame] - seconds[0] - frame / fps) * SOUND_RATE + wanted).astype(np.int64)
    return np.where((place >= 0) & (place < len(samples)), samples[np.clip(place, 0, len(samples) - 1)], 0).astype(
        np.int16
    )
