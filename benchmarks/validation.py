"""What it costs to look at shards before they are believed: opening a dataset of many, and reading batches.

    python benchmarks/validation.py [--shards 62] [--rounds 7]

Drawn shards are opened with and without the validator, and a loader's reads are timed with and without what is checked
of values: as it is, where each row is looked at the first time it is read, and as if each time were the first. By turns
in one process, so that the ratio holds whatever else the machine does.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np

from model.data.loader import BatchDataset
from model.data.sampler import BatchPlanner
from pipeline.preparing.k_map import k_codes, k_table
from pipeline.settings import Settings
from pipeline.shards import (
    FRAME_SIZE,
    FrameRow,
    ShardReader,
    VideoEntry,
    merge_shards,
    open_dataset,
    reader,
    write_shard,
)
from pipeline.shards.column import Column
from pipeline.shards.dataset import contents_digest

FRAMES, BATCHES = 40, 120


def make_dataset(root: Path, count: int) -> None:
    """A dataset of equal shards of one drawn video each."""
    rng = np.random.default_rng(0)
    points = (60 + 100 * rng.random((FRAMES, 68, 2))).astype(np.float32)
    blocks = rng.integers(0, 240, (FRAMES, FRAME_SIZE // 8, FRAME_SIZE // 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    frames = blocks + rng.integers(0, 8, blocks.shape, np.uint8)  # as hard to compress as a camera's
    rows = [
        FrameRow(frames[n], points[n], k_codes(points[n], FRAME_SIZE), 5.0, n, n / 25, np.eye(2, 3, dtype=np.float32))
        for n in range(FRAMES)
    ]
    part = root / "part.h5"
    write_shard(part, VideoEntry("a/1.mp4", "a", "0" * 64, 25.0, 0, FRAMES, (0, 1, 2, 3, 4)), rows, k_table().levels)
    first = root / "first.h5"
    merge_shards(first, [part])
    listed = []
    for number in range(count):
        path = f"shards/train/train-{number:04d}-0123456789ab.h5"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(first, root / path)
        listed.append({"path": path, "split": "train", "sha256": "0" * 64})
    contents: dict[str, Any] = {
        "schema": "flnet-dataset/1", "digest": "0" * 64, "corpus": "folder", "config": Settings().to_dict(),
        "splits": {"train": {}}, "shards": listed,
    }  # fmt: skip
    contents["contents_sha256"] = contents_digest(contents)
    (root / "dataset.json").write_text(json.dumps(contents))


def _nothing(*_: object) -> None:
    """In place of a check; a mock would take longer than that."""


@contextmanager
def unchecked() -> Iterator[None]:
    """No shard is looked at, and no child reads it first, as before there was a validator."""
    with (
        mock.patch.object(reader, "check_shard", _nothing),
        mock.patch.object(reader, "check_entries", _nothing),
        mock.patch.object(reader, "check_levels", _nothing),
        mock.patch.object(Column, "_look", _nothing),
    ):
        yield


def opened(root: Path) -> int:
    """Open a dataset and list its videos."""
    return len(open_dataset(root).videos("train"))


def opened_plainly(root: Path) -> int:
    """The same in this process, unchecked."""
    count = 0
    with unchecked():
        for path in open_dataset(root).shard_paths("train"):
            with ShardReader(path) as shard:
                count += len(shard.entries)
    return count


class Loader:
    """Batches for training, read in this process by the loader's own code."""

    def __init__(self, root: Path) -> None:
        dataset = open_dataset(root)
        planner = BatchPlanner(
            dataset.videos("train"), "own", batch_size=16, frames_per_video=4, bank_size=5, seed=0, augment=True
        )
        self._batches = BatchDataset(planner.plan)  # its shards stay open from the first round on

    def __call__(self) -> int:
        """Read some batches."""
        return sum(self._batches[number] is not None for number in range(BATCHES))

    def anew(self) -> int:
        """The same, each row looked at as if it were read for the first time."""
        with mock.patch.object(Column, "_look", lambda column, _, values: column._check(values)):
            return self()

    def unchecked(self) -> int:
        """The same, with no value looked at."""
        with unchecked():
            return self()


def by_turns(ways: list[Callable[[], int]], rounds: int) -> list[list[float]]:
    """Seconds of the processor, children included, of each way, one after the other in every round."""
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds + 1):
        for taken, way in zip(seconds, ways, strict=True):
            begun = _cpu_seconds()
            way()
            taken.append(_cpu_seconds() - begun)
    return [taken[1:] for taken in seconds]  # the first round warms the disk's cache


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> int:
    """The command; returns its exit status."""
    args = build_parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="validation-") as name:
        root = Path(name)
        make_dataset(root, args.shards)
        print(f"{args.shards} shards of {FRAMES} frames, h5py {h5py.__version__}, medians of {args.rounds} rounds")
        loader = Loader(root)
        measured: list[tuple[str, list[Callable[[], int]]]] = [
            (f"opening {args.shards} shards", [lambda: opened(root), lambda: opened_plainly(root)]),
            (f"{BATCHES} batches of 16", [loader, loader.unchecked]),
            (f"{BATCHES} batches of 16 not read before", [loader.anew, loader.unchecked]),
        ]
        for what, ways in measured:
            checked, plain = by_turns(ways, args.rounds)
            ratio = statistics.median(a / b for a, b in zip(checked, plain, strict=True))
            middle = [statistics.median(seconds) for seconds in (checked, plain)]
            print(f"{what}: {middle[0]:.3f} s checked, {middle[1]:.3f} s not, ratio {ratio:.2f} (of the processor)")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(prog="python benchmarks/validation.py", description=__doc__)
    parser.add_argument("--shards", type=int, default=62, help="shards of the dataset (default 62)")
    parser.add_argument("--rounds", type=int, default=7, help="of measuring (default 7)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
