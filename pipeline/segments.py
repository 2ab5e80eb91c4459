"""Long videos in pieces: a table for `BuildTable` that cuts videos of a dataset at scene cuts, gaps and pauses.

A piece lies within frames that follow each other without a gap or a leap of the face, and ends where the sound is
faintest or, in a dataset without sound, the mouth most shut. Whoever trains on pieces builds them from the table.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.corpora import clip_of
from pipeline.decode import begin_of
from pipeline.errors import DatasetError, InputError
from pipeline.files import atomic_write
from pipeline.layout import MANIFEST_FILE
from pipeline.manifest import read_rows
from pipeline.report.measures import JUMP, loudness, source_landmarks, steps
from pipeline.shards import Dataset, ShardReader, Video, open_dataset

COLUMNS = ("path", "speaker", "split", "start", "end")
STEADY = 5  # frames that a pause is looked for over: one quiet frame is none
MILLISECOND = 1000

Range = tuple[int, int]


class Segments(NamedTuple):
    """What became of a dataset's videos."""

    pieces: int
    seconds: float  # of all pieces
    left_over: float  # seconds of what is too short for a piece
    cut_before: int  # videos that are pieces themselves, and are left as they are


def write_segments(root: Path, corpus_root: Path, shortest: float, longest: float, table: Path) -> Segments:
    """Write the table.

    Args:
        root: the dataset's folder.
        corpus_root: of the videos that it was built of.
        shortest, longest: seconds of a piece.
        table: the CSV file to write.

    Raises:
        InputError: the lengths cannot be.
        DatasetError: the dataset, or a video of it, cannot be read.
    """
    if not 0 < shortest <= longest or 2 * shortest > longest + 1e-9:
        raise InputError(
            f"--seconds must be SHORTEST..LONGEST, the longest twice the shortest or more, so that what is left of a "
            f"video is long enough too; got {shortest:g}..{longest:g}"
        )
    dataset = open_dataset(root)
    paths = {row["id"]: row["path"] for row in read_rows(root / MANIFEST_FILE)}
    rows: list[tuple[str, ...]] = []
    total = left_over = 0.0
    cut_before = 0
    for video in _videos(dataset):
        if clip_of(video.id) is not None:
            cut_before += 1
            continue
        begin = begin_of(corpus_root / paths[video.id])
        for (start, end), kept in _pieces(video, shortest, longest):
            if not kept:
                left_over += end - start
                continue
            total += end - start
            times = [f"{np.floor((value - begin) * MILLISECOND) / MILLISECOND:.3f}" for value in (start, end)]
            rows.append((paths[video.id], video.speaker, video.split, *times))
    with atomic_write(table) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return Segments(len(rows), total, left_over, cut_before)


def _videos(dataset: Dataset) -> list[Video]:
    return sorted((v for split in dataset.splits for v in dataset.videos(split)), key=lambda video: video.id)


def _pieces(video: Video, shortest: float, longest: float) -> Iterator[tuple[tuple[float, float], bool]]:
    """Begin and end of each piece in seconds, and whether it is long enough."""
    if video.fps <= 0:
        raise DatasetError(f"{video.shard}: {video.id} must have a frame rate; build it again")
    span = slice(video.first_row, video.first_row + video.row_count)
    with ShardReader(video.shard) as reader:
        seconds, numbers, openness = reader.pts_seconds(span), reader.frame_index(span), reader.mouth_openness(span)
        moved = steps(source_landmarks(reader.landmarks(span), reader.crop_transform(span)), numbers)
        samples = reader.audio(video.first_sample, video.sample_count)
    heard = samples is not None and len(samples) > 0
    quiet = loudness(samples, seconds, video.fps) if samples is not None and heard else openness
    kernel = np.ones(STEADY) / STEADY
    quiet = np.convolve(np.pad(quiet.astype(np.float64), STEADY // 2, mode="edge"), kernel, mode="valid")
    # The usual interval tells of gaps: where a build kept 25 of 50 frames, numbers rise by two.
    gaps = np.diff(seconds) > 1.5 / video.fps
    usual = seconds + 1 / video.fps
    ends = np.append(np.where(gaps, usual[:-1], seconds[1:]), usual[-1])
    for first, last in _runs(gaps | (np.nan_to_num(moved) > JUMP)):
        for begin, end in cut(seconds, ends, quiet, (first, last), shortest, longest):
            start, stop = float(seconds[begin]), float(ends[end])
            yield (start, stop), stop - start >= shortest - 0.5 / video.fps


def _runs(broken: npt.NDArray[np.bool_]) -> Iterator[Range]:
    """First and last row of each stretch; `broken` says of each row but the first whether it follows the one before."""
    cuts = np.flatnonzero(broken).tolist()
    yield from zip([0, *(place + 1 for place in cuts)], [*cuts, len(broken)], strict=True)


def cut(
    seconds: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
    quiet: npt.NDArray[np.floating[Any]],
    run: Range,
    shortest: float,
    longest: float,
) -> Iterator[Range]:
    """First and last row of each piece of a run; the last one may be too short.

    Args:
        seconds, ends: (n,) when each row begins and ends.
        quiet: (n,) low where a cut does no harm.
        run: first and last row.
    """
    first, last = run
    while ends[last] - seconds[first] > longest:
        # Not so late that what is left is too short.
        latest = min(seconds[first] + longest, ends[last] - shortest)
        rows = np.arange(first, last)
        fits = rows[(ends[rows] >= seconds[first] + shortest) & (ends[rows] <= latest)]
        if not len(fits):
            return
        best = int(fits[::-1][np.argmin(quiet[fits[::-1]])])
        yield first, best
        first = best + 1
    yield first, last
