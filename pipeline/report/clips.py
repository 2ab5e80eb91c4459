"""Clips of a video's crops, small enough to be part of a page: a few seconds, by which one sees how they move."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline import h264, log
from pipeline.report.gather import Entry, Measures
from pipeline.report.pictures import Picture
from pipeline.shards import ShardReader

MOST_BYTES = 200_000  # of a clip
SECONDS = 4.0
MOST_FRAMES = 150
RATES = (1.0, 120.0)  # frames a second that are played as they are
CRFS = (22, 30, 38)  # tried one after the other until a clip is small enough
BATCH_ROWS = 64


class PageClip(NamedTuple):
    """A part of a video, as H.264 in MP4.

    Attributes:
        mp4: base64 of it.
        first, last: numbers of its source frames.
    """

    mp4: str
    first: int
    last: int

    @property
    def bytes(self) -> int:
        """Of the MP4."""
        return len(self.mp4) // 4 * 3 - self.mp4.count("=")


def video_clips(entries: Sequence[Entry], chosen: Sequence[int], progress: bool) -> dict[int, PageClip]:
    """Clips of the chosen videos, by place.

    Args:
        chosen: places of videos.
        progress: show a bar.

    Raises:
        BuildError: ffmpeg failed.
    """
    found = {}
    with tempfile.TemporaryDirectory(prefix="flnet-report-") as folder:
        for place in log.progress(sorted(chosen), "clips", unit="videos", delay=1, disable=not progress):
            measured = entries[place].measures
            if measured is not None:
                found[place] = _clip(measured, entries[place].numbers["fps"], Path(folder) / "clip.mp4")
    return found


def _clip(found: Measures, fps: float, path: Path) -> PageClip:
    """As good as `MOST_BYTES` allow, and of half as many frames where even the worst is too large."""
    rate = min(max(fps, RATES[0]), RATES[1])
    rows = window(found, min(int(SECONDS * rate) + 1, MOST_FRAMES))
    with ShardReader(found.shard) as reader:
        size = (reader.frame_size, reader.frame_size)
        while True:
            for crf in CRFS:
                h264.encode(path, _frames(reader, found.first_row, rows), size, rate, crf=crf)
                if path.stat().st_size <= MOST_BYTES or (crf == CRFS[-1] and len(rows) == 1):
                    index = found.frame_index
                    told = base64.b64encode(path.read_bytes()).decode()
                    return PageClip(told, int(index[rows[0]]), int(index[rows[-1]]))
            rows = rows[: len(rows) // 2]


def window(found: Measures, count: int) -> range:
    """Rows of a video, at most `count` in a row: those around its largest step, where a track that jumps does so."""
    total = len(found.openness)
    first = max(min(found.largest_at - count // 2, total - count), 0)
    return range(first, min(first + count, total))


def _frames(reader: ShardReader, first_row: int, rows: range) -> Iterator[Picture]:
    for begin in range(0, len(rows), BATCH_ROWS):
        part = rows[begin : begin + BATCH_ROWS]
        yield from reader.frames(range(first_row + part[0], first_row + part[-1] + 1))
