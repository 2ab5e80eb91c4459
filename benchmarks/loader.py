"""How fast training reads: frames a second from page-cached shards, part by part, beside what a GPU could use.

    python -m benchmarks.loader DATASET          # a finished dataset; its training split is copied, raw and as zstd

CPU time, the median of several turns in which every part runs once, so that the ratios hold on a busy machine; frames
a second of two cores are twice those of one. The loader's own processes are measured by the CPU time of further
batches, without their start. A frame is a picture read, of a target or of a bank; K and landmarks come with targets.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import NamedTuple

import h5py
import numpy as np
import numpy.typing as npt
import psutil
import torch
from tqdm import tqdm

from benchmarks.flops import count_parts, iteration_gflop
from model.config import ModelConfig
from model.data.loader import BatchDataset, batches, load_batch
from model.data.sampler import BatchPlanner, Group
from pipeline.cli import run
from pipeline.shards import (
    FRAME_SIZE,
    Dataset,
    FrameRow,
    ShardPool,
    ShardReader,
    Video,
    VideoEntry,
    merge_shards,
    open_dataset,
    write_shard,
)

SPLIT = "train"
STORAGES = ("raw", "zstd")
BATCH_SIZE, FRAMES_PER_VIDEO, BANK_SIZE, DISCRIMINATOR_STEPS = 16, 4, 5, 5
VIDEOS = BATCH_SIZE // FRAMES_PER_VIDEO
FRAMES_PER_BATCH = BATCH_SIZE + VIDEOS * BANK_SIZE
FRAME_BYTES = FRAME_SIZE * FRAME_SIZE * 3
CORES = 2
TURN_BATCHES, WARM_BATCHES = 20, 60

Plan = Sequence[Sequence[Group]]
"""Batches one after the other."""


class Loading(NamedTuple):
    """Microseconds a frame of the whole loader."""

    workers_us: float  # CPU, all loader processes together
    trainer_us: float  # CPU, the process that takes the batches
    wall_us: float


def main(args: argparse.Namespace) -> int:
    """Measure and print the tables."""
    torch.set_num_threads(1)
    source = open_dataset(args.dataset)
    with tempfile.TemporaryDirectory() as scratch:
        planners = {}
        for storage in STORAGES:
            copy = copy_split(source, Path(scratch) / storage, storage, args.frames)
            planners[storage] = make_planner(copy)
        parts = cpu_us_a_frame(planners, args.turns)
        loading = {storage: time_loader(planners[storage], args.workers, args.batches) for storage in STORAGES}
    print(parts_table(parts, loading, args.workers))
    print(demand_table(args.peak, args.share, loading))
    return 0


def make_planner(dataset: Dataset) -> BatchPlanner:
    """The paper's batches of a dataset's training split."""
    return BatchPlanner(
        dataset.videos(SPLIT),
        dataset.bank_from,
        batch_size=BATCH_SIZE,
        frames_per_video=FRAMES_PER_VIDEO,
        bank_size=BANK_SIZE,
        seed=0,
    )


def copy_split(dataset: Dataset, root: Path, storage: str, limit: int) -> Dataset:
    """The first `limit` frames or so of the training split as a dataset of its own, stored in one way."""
    shards: dict[Path, list[Video]] = {}
    count = 0
    for video in dataset.videos(SPLIT):
        if count < limit:
            shards.setdefault(video.shard, []).append(video)
            count += video.row_count
    (root / "shards" / SPLIT).mkdir(parents=True)
    listed = []
    for shard, videos in tqdm(shards.items(), f"copying as {storage}", leave=False):
        with ShardReader(shard) as reader, tempfile.TemporaryDirectory(dir=root) as scratch:
            parts = [_copy_video(reader, video, Path(scratch) / f"{i}.h5", storage) for i, video in enumerate(videos)]
            copy = root / "shards" / SPLIT / shard.name
            merge_shards(copy, parts)
        listed.append({"path": str(copy.relative_to(root)), "split": SPLIT})
    contents = {**dataset.contents, "splits": [SPLIT], "shards": listed}
    (root / "dataset.json").write_text(json.dumps(contents), encoding="utf-8")
    return open_dataset(root)


def _copy_video(reader: ShardReader, video: Video, path: Path, storage: str) -> Path:
    first, last = video.first_row, video.first_row + video.row_count
    columns = [getattr(reader, name)(slice(first, last)) for name in FrameRow._fields]
    rows = itertools.starmap(FrameRow, zip(*columns, strict=True))
    bank = tuple(row - first for row in video.bank)
    entry = VideoEntry(video.id, video.speaker, "", video.fps, 0, video.row_count, bank)
    write_shard(path, entry, rows, reader.k_levels, storage)
    return path


class MappedFrames:
    """The yardstick: the same bytes through a memory map, at places looked up beforehand."""

    def __init__(self, shard: Path) -> None:
        self._bytes = np.memmap(shard, np.uint8, "r")
        with h5py.File(shard, "r") as file:
            self._shape: tuple[int, ...] = file["frames"].shape[1:]
            dataset = file["frames"].id
            rows = range(file["frames"].shape[0])
            self._begins = [dataset.get_chunk_info_by_coord((row, 0, 0, 0)).byte_offset for row in rows]

    def frames(self, rows: Sequence[int]) -> npt.NDArray[np.uint8]:
        """(n, 224, 224, 3) uint8 RGB."""
        images = np.empty((len(rows), *self._shape), np.uint8)
        for image, row in zip(images, rows, strict=True):
            begin = self._begins[row]
            image[:] = self._bytes[begin : begin + image.size].reshape(self._shape)
        return images


def cpu_us_a_frame(planners: Mapping[str, BatchPlanner], turns: int) -> dict[str, float]:
    """CPU microseconds a frame of every part of reading, by "part storage"; the first turn only warms up."""
    ways: dict[str, Callable[[Plan], object]] = {"map raw": _mapped(planners["raw"].videos)}
    for storage in planners:
        ways |= {f"{part} {storage}": read for part, read in _parts(ShardPool()).items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        numbers = range(turn * TURN_BATCHES, (turn + 1) * TURN_BATCHES)
        plans = {storage: [planner.plan(number) for number in numbers] for storage, planner in planners.items()}
        for name, read in ways.items():
            begun = time.process_time()
            read(plans[name.split()[1]])
            if turn:
                times[name].append((time.process_time() - begun) / (TURN_BATCHES * FRAMES_PER_BATCH) * 1e6)
    return {name: median(each) for name, each in times.items()}


def _parts(pool: ShardPool) -> dict[str, Callable[[Plan], object]]:
    def pictures(plan: Plan) -> None:
        for group in _groups(plan):
            pool.reader(group.video.shard).frames(group.target_rows)
            pool.reader(group.bank_video.shard).frames(group.bank_rows)

    def k_codes(plan: Plan) -> None:
        for group in _groups(plan):
            pool.reader(group.video.shard).k_codes(group.target_rows)

    def points(plan: Plan) -> None:
        for group in _groups(plan):
            for video, rows in ((group.video, group.target_rows), (group.bank_video, group.bank_rows)):
                pool.reader(video.shard).landmarks(rows)
                pool.reader(video.shard).mouth_openness(rows)

    def load(plan: Plan) -> None:
        for groups in plan:
            load_batch(groups, pool)

    return {"pictures": pictures, "K": k_codes, "points": points, "batch": load}


def _mapped(videos: Sequence[Video]) -> Callable[[Plan], object]:
    shards = {shard: MappedFrames(shard) for shard in {video.shard for video in videos}}

    def pictures(plan: Plan) -> None:
        for group in _groups(plan):
            shards[group.video.shard].frames(group.target_rows)
            shards[group.bank_video.shard].frames(group.bank_rows)

    return pictures


def _groups(plan: Plan) -> Iterator[Group]:
    return itertools.chain.from_iterable(plan)


def time_loader(planner: BatchPlanner, workers: int, count: int) -> Loading:
    """The real loader, emptied as fast as it fills, once it runs smoothly."""
    dataset = BatchDataset(planner.plan)
    with closing(batches(dataset, 0, WARM_BATCHES + 2 * count, workers=workers)) as source:
        for _ in itertools.islice(source, WARM_BATCHES):
            pass
        helpers, wall, own = _helper_seconds(), time.perf_counter(), time.process_time()
        for _ in itertools.islice(source, count):
            pass
        seconds = (_helper_seconds() - helpers, time.process_time() - own, time.perf_counter() - wall)
    return Loading(*(each / (count * FRAMES_PER_BATCH) * 1e6 for each in seconds))


def _helper_seconds() -> float:
    """CPU seconds so far of the processes that this one has started."""
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return float(sum(each.user + each.system for each in times))


def parts_table(parts: Mapping[str, float], loading: Mapping[str, Loading], workers: int) -> str:
    """Markdown: what each part of reading costs, and the rates of the whole."""

    def row(title: str, value: Callable[[str], float | None], form: str = "{:.1f}") -> str:
        cells = [value(storage) for storage in STORAGES]
        return f"| {title} | " + " | ".join("" if cell is None else form.format(cell) for cell in cells) + " |"

    def rest(storage: str) -> float:
        return parts[f"batch {storage}"] - sum(parts[f"{part} {storage}"] for part in ("pictures", "K", "points"))

    def rate(us: float) -> float:
        return CORES * 1e6 / us

    lines = [
        "| CPU µs a frame | raw | zstd |",
        "| --- | ---: | ---: |",
        row("the same pictures through a memory map", lambda s: parts.get(f"map {s}")),
        row("pictures", lambda s: parts[f"pictures {s}"]),
        row("K codes", lambda s: parts[f"K {s}"]),
        row("landmarks, mouth openness", lambda s: parts[f"points {s}"]),
        row("joining them to a batch", rest),
        row("handing it to the training process", lambda s: loading[s].workers_us - parts[f"batch {s}"]),
        row("taking it there", lambda s: loading[s].trainer_us),
        "",
        "| frames a second | raw | zstd |",
        "| --- | ---: | ---: |",
        row("memory map, two cores", lambda s: rate(parts[f"map {s}"]) if s == "raw" else None, "{:.0f}"),
        row("`ShardReader.frames`, two cores", lambda s: rate(parts[f"pictures {s}"]), "{:.0f}"),
        row("batches (`load_batch`), two cores", lambda s: rate(parts[f"batch {s}"]), "{:.0f}"),
        row(
            "through the loader, by the CPU time of two cores",
            lambda s: rate(loading[s].workers_us + loading[s].trainer_us),
            "{:.0f}",
        ),
        row(
            f"through the loader, {workers} processes, wall clock as it was",
            lambda s: 1e6 / loading[s].wall_us,
            "{:.0f}",
        ),
        "",
    ]
    return "\n".join(lines)


def demand_table(peak: float, share: float, loading: Mapping[str, Loading]) -> str:
    """Markdown: what a GPU at full speed would take, and how many cores feed it."""
    gflop = iteration_gflop(count_parts(ModelConfig()), DISCRIMINATOR_STEPS)
    steps = peak * share * 1e3 / (gflop * BATCH_SIZE)
    frames = steps * (DISCRIMINATOR_STEPS + 1) * FRAMES_PER_BATCH
    cores = {storage: frames * loading[storage].workers_us / 1e6 for storage in STORAGES}
    return "\n".join(
        (
            f"A GPU at {share:.0%} of {peak:.0f} TFLOP/s does {steps:.1f} steps a second ({gflop:.0f} GFLOP a target of"
            f" a step, {BATCH_SIZE} targets): {DISCRIMINATOR_STEPS + 1} batches each, of {BATCH_SIZE} targets and"
            f" {VIDEOS} banks of {BANK_SIZE}, are {frames:.0f} frames a second"
            f" ({frames * FRAME_BYTES / 1e9:.2f} GB/s).",
            f"Loader processes to feed it: {cores['raw']:.1f} cores with raw shards, {cores['zstd']:.1f} with zstd.",
        )
    )


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.loader", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("dataset", type=Path, help="a finished dataset")
    add("--frames", type=int, default=1500, help="frames to copy (default 1500; raw, they take 0.15 MB each)")
    add("--turns", type=int, default=7, help="turns of the parts (default 7)")
    add("--workers", type=int, default=CORES, help=f"loader processes (default {CORES})")
    add("--batches", type=int, default=100, help="batches to take from the loader (default 100)")
    add("--peak", type=float, default=990.0, help="the GPU's bf16 TFLOP/s (default 990, an H100's)")
    add("--share", type=float, default=0.4, help="of which training reaches (default 0.4)")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
