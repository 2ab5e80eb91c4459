"""What a build will take, told before it starts: videos, hours, gigabytes, and whether the disk has room for them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.child_process import CrashError, run_in_child, watchdog
from pipeline.clips import stated_length
from pipeline.corpora import Source
from pipeline.errors import FlnetError
from pipeline.shards import FRAME_SIZE

LOOKED_AT = 20  # videos whose headers are read; the others are taken to be as long on average
PATIENCE_SECONDS = 30.0  # with their headers; a build begins without a forecast, too
# kB that a frame of 224 pixels takes on disk, its K codes among them (docs/performance.md; benchmarks/storage.py).
FRAME_KB = {"raw": 157.5, "lz4": 112.9, "zstd": 101.9, "htj2k": 63.2, "gzip": 90.0, "jpeg": 23.7}
FRAMES_A_SECOND = 200  # that one processor prepares of 1080p (docs/performance.md)


class Forecast(NamedTuple):
    """What is to come.

    Attributes:
        videos: to be prepared.
        looked_at: how many of them the rest is estimated from; 0: none said how long it is, and no more is known.
        seconds, frames: of all of them together.
    """

    videos: int
    looked_at: int
    seconds: float
    frames: float

    def gigabytes(self, storage: str, frame_size: int = FRAME_SIZE) -> float:
        """That shards of these frames take."""
        return self.frames * FRAME_KB[storage] * (frame_size / FRAME_SIZE) ** 2 / 1e6


def forecast(root: Path, sources: Sequence[Source]) -> Forecast:
    """Estimate from the headers of a few videos, spread over the list."""
    step = max(1, len(sources) // LOOKED_AT)
    try:
        # What strangers' files do to a decoder shall not end the build.
        lengths = run_in_child(_lengths, root, sources[::step][:LOOKED_AT])
    except (CrashError, FlnetError, OSError):
        lengths = []
    if not lengths:
        return Forecast(len(sources), 0, 0.0, 0.0)
    share = len(sources) / len(lengths)
    seconds, frames = (share * sum(each) for each in zip(*lengths, strict=True))
    return Forecast(len(sources), len(lengths), seconds, frames)


def _lengths(root: Path, sources: Sequence[Source]) -> list[tuple[float, float]]:
    with watchdog(PATIENCE_SECONDS):
        lengths = [stated_length(root / source.path, source.clip) for source in sources]
    return [length for length in lengths if length is not None]


def told(found: Forecast, out: Path, storage: str, frame_size: int = FRAME_SIZE) -> tuple[str, str]:
    """What is to come in a line, and a warning where the disk is too small for it, else ""."""
    free = free_gigabytes(out)
    if not found.looked_at:
        return f"{out}: {found.videos} videos to prepare; {free:.1f} GB are free there", ""
    need = found.gigabytes(storage, frame_size)
    line = (
        f"{out}: {found.videos} videos to prepare, about {_hours(found.seconds)} of them (as estimated from "
        f"{found.looked_at}): some {_hours(found.frames / FRAMES_A_SECOND)} of one processor's work, "
        f"{f'about {need:.1f}' if need >= 0.1 else 'less than 0.1'} GB of the {free:.1f} GB that are free there"
    )
    if need <= free:
        return line, ""
    return line, (
        f"{out}: the disk is too small by about {need - free:.1f} GB: make room, name another --out, or take less with "
        "--storage htj2k (lossless) or jpeg; what is done when the disk is full is kept"
    )


def free_gigabytes(folder: Path) -> float:
    """Room on the disk where a folder is."""
    return shutil.disk_usage(folder).free / 1e9


def _hours(seconds: float) -> str:
    if seconds < 100:
        return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 3600 else f"{seconds / 3600:.1f} hours"
