"""The figures of a report: one entry a source video, from the manifest, the shards and, where they are left, tracks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas

from pipeline import log
from pipeline.child_process import CrashError, in_children, watchdog
from pipeline.errors import DatasetError
from pipeline.files import is_own_file
from pipeline.layout import MANIFEST_FILE, WORK, track_file
from pipeline.manifest import read_manifest
from pipeline.preparing.scores import sharpness
from pipeline.report import measures
from pipeline.result import DROP_REASONS, SCORE_COLUMNS
from pipeline.settings import digest_of, track_digest
from pipeline.shards import Dataset, ShardReader, VideoEntry
from pipeline.shards.reader import PATIENCE_CPU_SECONDS
from pipeline.shards.schema import MOST_FRAMES
from pipeline.shards.validate import REMEDY
from pipeline.track import Track, load_track

NUMBERS = (
    *("fps", "width", "height", "frames_seen", "frames_kept", "frames_other_faces", "people"),
    *("face_width_px", "scale", "padding"),
    *(f"dropped_{reason}" for reason in DROP_REASONS),
)
MOST_NUMBER = 1e9
LOOK_FRAMES = 3  # of the bank, by which a face is compared: the less open ones, where the mouth says least


@dataclass(frozen=True)
class Measures:
    """What the rows of a video that arrived say; n rows."""

    shard: Path
    first_row: int
    bank: tuple[int, ...]  # rows of the video, counted from its first
    openness: npt.NDArray[np.float32]  # (n,) crop pixels
    loudness: npt.NDArray[np.float32] | None  # (n,) of the sound of each frame, 0 to 1; None where there is none
    frame_index: npt.NDArray[np.int32]  # (n,)
    jitter: float  # per cent of the distance between the outer eye corners
    jumps: int  # steps of the face beyond measures.JUMP
    largest_step: float  # widths of the face from one frame to the next
    largest_at: int  # the row that it leads to
    sharpness: float
    hashes: npt.NDArray[np.int8]  # of the bank's pictures
    look: npt.NDArray[np.float32]  # of the face; length 1


@dataclass(frozen=True)
class Entry:
    """One source video: its row of the manifest and what else is known of it."""

    id: str
    speaker: str
    split: str
    arrived: bool
    error: str
    warning: str
    path: str  # of the source, below the corpus root
    sha256: str
    numbers: Mapping[str, float]  # by the names in NUMBERS
    measures: Measures | None = None  # None where it did not arrive
    score: float | None = None  # of the detector, the lowest tenth of the frames; None without a track

    @property
    def drops(self) -> dict[str, int]:
        """Dropped frames by reason, those that happened."""
        counts = {reason: int(self.numbers[f"dropped_{reason}"]) for reason in DROP_REASONS}
        return {reason: count for reason, count in counts.items() if count}

    @property
    def seconds(self) -> float:
        """Length of what was kept."""
        return self.numbers["frames_kept"] / self.numbers["fps"] if self.numbers["fps"] > 0 else 0.0


@dataclass(frozen=True)
class Gathered:
    """All entries, sorted by id, and whether the work files were there to be read."""

    dataset: Dataset
    entries: list[Entry]
    tracks: int = field(default=0)  # entries whose track is left


def gather(dataset: Dataset, progress: bool = False, jobs: int = 1) -> Gathered:
    """Read the manifest, every shard's small columns and bank pictures, and the tracks that are left in `work/`.

    Args:
        progress: show a bar.
        jobs: processes that measure shards side by side.

    Raises:
        DatasetError: the manifest or a shard is missing or damaged.
    """
    table = _manifest(dataset.root / MANIFEST_FILE)
    found = _measure_all(dataset, progress, jobs)
    entries = []
    tracks = 0
    names = table.columns.tolist()
    for values in log.progress(
        table.sort_values("id", kind="stable").itertuples(index=False), "tracks", total=len(table), delay=1,
        unit="videos", disable=not progress,
    ):  # fmt: skip
        row = dict(zip(names, values, strict=True))
        track = read_track(dataset, row["id"], row["sha256"])
        tracks += track is not None
        entries.append(_entry(row, found.get(row["id"]), _low_score(track)))
    return Gathered(dataset, entries, tracks)


def read_track(dataset: Dataset, video: str, sha256: str) -> Track | None:
    """The track that the build kept of a video; None where `work/` is gone or the source has changed since."""
    made = track_digest(*(dataset.config.get(name) for name in ("track", "fps", "hwaccel")))
    path = track_file(dataset.root / WORK, made, digest_of(video))
    return load_track(path, sha256) if sha256 and is_own_file(dataset.root, path) else None


def _manifest(path: Path) -> pandas.DataFrame:
    table = read_manifest(path)
    missing = [name for name in NUMBERS if name not in table.columns]
    if missing:
        raise DatasetError(f"{path}: the manifest lacks {', '.join(missing)}; run the build again")
    for name in NUMBERS:
        table[name] = pandas.to_numeric(table[name], errors="coerce").astype(np.float64)
        most = MOST_FRAMES if name.startswith(("frames_", "dropped_")) else MOST_NUMBER
        if not ((table[name] >= 0) & (table[name] <= most)).all():
            raise DatasetError(f"{path}: {name} must be numbers in [0, {most:g}] in every row; run the build again")
    return table


def _entry(row: Mapping[str, Any], found: Measures | None, score: float | None) -> Entry:
    arrived = row["status"] == "ok"
    return Entry(
        id=row["id"],
        speaker=row["speaker"],
        split=row["split"],
        arrived=arrived,
        error=row["error"],
        warning=row["warning"],
        path=row["path"],
        sha256=row["sha256"],
        numbers={name: float(row[name]) for name in NUMBERS} | _scores(row),
        measures=found if arrived else None,
        score=score if arrived else None,
    )


def _scores(row: Mapping[str, Any]) -> dict[str, float]:
    """The scores that a build was asked for, where the manifest knows them."""
    found = {name: pandas.to_numeric(row[name], errors="coerce") for name in SCORE_COLUMNS if name in row}
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def _loudness(reader: ShardReader, video: VideoEntry, rows: slice) -> npt.NDArray[np.float32] | None:
    samples = reader.audio(video.first_sample, video.sample_count)
    if samples is None or not len(samples) or video.fps <= 0:
        return None
    return measures.loudness(samples, reader.pts_seconds(rows), video.fps)


def _low_score(track: Track | None) -> float | None:
    if track is None or not np.isfinite(track.score).any():
        return None
    return float(np.nanpercentile(track.score, 10))


def _measure_all(dataset: Dataset, progress: bool, jobs: int) -> dict[str, Measures]:
    """Of each video by its id, read in child processes: HDF5 may fall over what is in a shard."""
    import cv2

    cv2.setNumThreads(1)  # here: in a child, this would wait for ever for threads that are not there
    paths = dataset.shard_paths()
    total = sum(shard.get("videos", 0) for shard in dataset.contents["shards"])
    found: dict[str, Measures] = {}
    with (
        in_children(_measured_shard, [(path,) for path in paths], max(1, min(jobs, len(paths)))) as answers,
        log.progress(what="measuring", total=total, delay=1, unit="videos", disable=not progress) as bar,
    ):
        for path, answer in zip(paths, answers, strict=True):
            try:
                ours = answer.result()
            except CrashError as error:
                raise DatasetError(f"{path}: the shard is damaged, its reading ended ({error}); {REMEDY}") from error
            found.update(ours)
            bar.update(len(ours))
    return found


def _measured_shard(path: Path) -> dict[str, Measures]:
    with ShardReader(path) as reader:
        with watchdog(PATIENCE_CPU_SECONDS, busy=True):
            len(reader.k_levels)
            videos = reader.entries
        return {video.id: _measure(reader, video) for video in videos}


def _measure(reader: ShardReader, video: VideoEntry) -> Measures:
    rows = slice(video.first_row, video.first_row + video.row_count)
    landmarks, frame_index = reader.landmarks(rows), reader.frame_index(rows)
    points = measures.source_landmarks(landmarks, reader.crop_transform(rows))
    bank = tuple(row - video.first_row for row in video.bank)
    pictures = reader.frames(video.bank)
    steps = measures.steps(points, frame_index)
    known = steps[np.isfinite(steps)]
    looks = [measures.face_look(pictures[place], landmarks[bank[place]]) for place in range(len(bank))[:LOOK_FRAMES]]
    look = np.mean(looks, axis=0)
    return Measures(
        shard=reader.path,
        first_row=video.first_row,
        bank=bank,
        openness=reader.mouth_openness(rows),
        loudness=_loudness(reader, video, rows),
        frame_index=frame_index,
        jitter=measures.jitter(points, frame_index),
        jumps=int((known > measures.JUMP).sum()),
        largest_step=float(known.max(initial=0.0)),
        largest_at=int(np.nanargmax(steps)) + 1 if len(known) else 0,
        sharpness=sharpness(pictures, landmarks[list(bank)]),
        hashes=measures.average_hash(pictures),
        look=look / max(float(np.linalg.norm(look)), 1e-6),
    )
