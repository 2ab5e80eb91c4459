"""What differs between two datasets: settings, videos, dropped frames, and what the shards hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import log
from pipeline.layout import MANIFEST_FILE
from pipeline.manifest import read_manifest, read_rows
from pipeline.settings import flat_settings
from pipeline.shards import Dataset, FrameRow, ShardPool, VideoEntry, open_dataset
from pipeline.shards.reader import proven_entries
from pipeline.shards.validate import shard_below

Pair = tuple[Any, Any]
BATCH_ROWS = 64  # in memory at a time
APART = ("shard",)  # columns of the manifest that say nothing about a video


@dataclass(frozen=True)
class Difference:
    """From one dataset to another; pairs are (before, after)."""

    digest: Pair
    settings: dict[str, Pair]
    packages: dict[str, Pair]
    counts: dict[str, Pair]  # of frames dropped by reason, videos, and the like
    added: list[str]  # ids of source videos
    removed: list[str]
    changed: dict[str, list[str]]  # id -> what, in words

    @property
    def differ(self) -> bool:
        """Whether it is another dataset: versions of packages alone do not make it one."""
        return bool(self.digest[0] != self.digest[1] or self.settings or self.added or self.removed or self.changed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"differ": self.differ, **asdict(self)}

    def lines(self) -> Iterator[str]:
        """The same for the terminal; at least the digests."""
        for what, pairs in (("setting", self.settings), ("package", self.packages), ("count", self.counts)):
            yield from (f"{what} {name}: {before} -> {after}" for name, (before, after) in pairs.items())
        yield from (f"+ {name}" for name in self.added)
        yield from (f"- {name}" for name in self.removed)
        yield from (f"~ {name}: {'; '.join(words)}" for name, words in self.changed.items())
        same = self.digest[0] == self.digest[1]
        yield f"digest {self.digest[0]}" + (" of both" if same else f" -> {self.digest[1]}")


def compare(before: Path, after: Path, progress: bool = False) -> Difference:
    """Compare two datasets. Videos are looked into where they lie in shards of different bytes.

    Raises:
        DatasetError: one of them is missing or damaged.
    """
    datasets = (open_dataset(before), open_dataset(after))
    tables = [_rows(dataset) for dataset in datasets]
    changed = _changed_rows(*tables)
    for name, words in _changed_content(*datasets, progress):
        changed.setdefault(name, []).extend(words)
    return Difference(
        digest=(datasets[0].digest, datasets[1].digest),
        settings=_pairs(*(flat_settings(dataset.config) for dataset in datasets)),
        packages=_pairs(*(dataset.contents.get("packages", {}) for dataset in datasets)),
        counts=_pairs(*(_counts(dataset) for dataset in datasets)),
        added=sorted(tables[1].keys() - tables[0].keys()),
        removed=sorted(tables[0].keys() - tables[1].keys()),
        changed=dict(sorted(changed.items())),
    )


def _rows(dataset: Dataset) -> dict[str, dict[str, str]]:
    path = dataset.root / MANIFEST_FILE
    read_manifest(path)  # whether it is one
    return {row["id"]: row for row in read_rows(path)}


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Pair]:
    """Names of unequal values, with both; None for what is not there."""
    names = sorted(before.keys() | after.keys())
    return {n: (before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)}


def _counts(dataset: Dataset) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    for name, value in dataset.contents.get("counts", {}).items():
        counts |= (
            {f"{name}.{key}": number for key, number in value.items()} if isinstance(value, dict) else {name: value}
        )
    return counts


def _changed_rows(
    before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> dict[str, list[str]]:
    changed = {}
    for name in before.keys() & after.keys():
        pairs = _pairs(before[name], after[name])
        if words := [f"{column}: {a} -> {b}" for column, (a, b) in pairs.items() if column not in APART]:
            changed[name] = words
    return changed


def _changed_content(before: Dataset, after: Dataset, progress: bool) -> Iterator[tuple[str, list[str]]]:
    """Videos of both whose rows are not the same, with what is not."""
    ours, theirs = (_entries(dataset, {s.get("sha256") for s in other.contents["shards"]})
                    for dataset, other in ((before, after), (after, before)))  # fmt: skip
    both = sorted(ours.keys() & theirs.keys())
    bar = log.progress(both, "comparing", unit="videos", disable=not progress or not both, delay=1)
    with closing(ShardPool()) as pool, bar:
        for name in bar:
            if words := _words(pool, ours[name], theirs[name]):
                yield name, words


Place = tuple[Path, VideoEntry]


def _entries(dataset: Dataset, known: set[Any]) -> dict[str, Place]:
    """The videos of those shards whose bytes are not known."""
    shards = [shard for shard in dataset.contents["shards"] if shard.get("sha256") not in known]
    paths = [shard_below(dataset.root, shard["path"]) for shard in shards]
    return {e.id: (p, e) for p, entries in zip(paths, proven_entries(paths), strict=True) for e in entries}


def _words(pool: ShardPool, before: Place, after: Place) -> list[str]:
    readers = [pool.reader(path) for path, _ in (before, after)]
    spans = [range(entry.first_row, entry.first_row + entry.row_count) for _, entry in (before, after)]
    kept = [reader.frame_index(rows) for reader, rows in zip(readers, spans, strict=True)]
    if not np.array_equal(kept[0], kept[1]):
        return ["other frames are kept"]
    words = []
    for name in FrameRow._fields:
        most = 0.0
        for first in range(0, len(spans[0]), BATCH_ROWS):
            parts = (rows[first : first + BATCH_ROWS] for rows in spans)
            a, b = (getattr(r, name)(p).astype(np.float64) for r, p in zip(readers, parts, strict=True))
            most = max(most, float(abs(a - b).max()))
        words += [f"{name} by {most:.3g} at most"] if most else []
    sounds = [r.audio(e.first_sample, e.sample_count) for r, (_, e) in zip(readers, (before, after), strict=True)]
    if len({b"" if sound is None else sound.tobytes() for sound in sounds}) > 1:
        words.append("other sound")
    a, b = ([row - entry.first_row for row in entry.bank] for _, entry in (before, after))
    return words + ([f"bank: {a} -> {b}"] if a != b else [])
