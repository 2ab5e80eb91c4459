"""Reading batches from shards in worker processes; every image is still uint8 when it leaves them."""

from __future__ import annotations

import multiprocessing
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from model.sampler import BatchPlanner, Group, slice_groups
from pipeline.errors import FlnetError, InputError
from pipeline.shards import ShardReader

MAX_OPEN_SHARDS = 32
PREFETCH_BATCHES = 4
K_CODES = 256


class Batch(NamedTuple):
    """B targets from V groups as they lie in the shards (CPU tensors, full size).

    Attributes:
        targets: (B, H, W, 3) uint8 RGB.
        target_landmarks: (B, 68, 2) float32 x, y in pixels, pixel centres at integers.
        k_codes: (B, H, W) uint8, an index into the group's row of `k_levels`.
        group: (B,) int64, which of the V groups each target belongs to.
        banks: (V, N, H, W, 3) uint8 RGB, closed mouth to open.
        bank_landmarks: (V, N, 68, 2) float32.
        k_levels: (V, 256) float32, the values of K by code; unused codes hold 0.
        videos: the V target videos' ids, for messages.
    """

    targets: Tensor
    target_landmarks: Tensor
    k_codes: Tensor
    group: Tensor
    banks: Tensor
    bank_landmarks: Tensor
    k_levels: Tensor
    videos: tuple[str, ...]


class ShardPool:
    """Shard readers by path, opened when first needed; the least recently used are closed beyond a limit."""

    def __init__(self, limit: int = MAX_OPEN_SHARDS) -> None:
        self.limit = limit
        self._readers: OrderedDict[Path, ShardReader] = OrderedDict()

    def reader(self, shard: Path) -> ShardReader:
        """The reader of one shard. Raises `DatasetError` naming a broken shard when it is first read."""
        if shard not in self._readers:
            self._readers[shard] = ShardReader(shard)
            if len(self._readers) > self.limit:
                self._readers.popitem(last=False)[1].close()
        self._readers.move_to_end(shard)
        return self._readers[shard]

    def close(self) -> None:
        """Close every reader; the pool can be used again."""
        while self._readers:
            self._readers.popitem()[1].close()


def load_batch(groups: Sequence[Group], pool: ShardPool) -> Batch:
    """Read the frames, landmarks and K codes of some groups with equally large banks."""
    targets, target_landmarks, k_codes, group_of, banks, bank_landmarks, levels = [], [], [], [], [], [], []
    for number, group in enumerate(groups):
        reader = pool.reader(group.video.shard)
        targets.append(reader.frames(group.target_rows))
        target_landmarks.append(reader.landmarks(group.target_rows))
        k_codes.append(reader.k_codes(group.target_rows))
        levels.append(np.zeros(K_CODES, np.float32))
        levels[-1][: len(reader.k_levels)] = reader.k_levels
        group_of.extend([number] * len(group.target_rows))
        bank_reader = pool.reader(group.bank_video.shard)
        banks.append(bank_reader.frames(group.bank_rows))
        bank_landmarks.append(bank_reader.landmarks(group.bank_rows))
    return Batch(
        targets=torch.from_numpy(np.concatenate(targets)),
        target_landmarks=torch.from_numpy(np.concatenate(target_landmarks)),
        k_codes=torch.from_numpy(np.concatenate(k_codes)),
        group=torch.tensor(group_of),
        banks=torch.from_numpy(np.stack(banks)),
        bank_landmarks=torch.from_numpy(np.stack(bank_landmarks)),
        k_levels=torch.from_numpy(np.stack(levels)),
        videos=tuple(group.video.id for group in groups),
    )


class BatchDataset(TorchDataset["Batch | FlnetError"]):
    """A map-style dataset whose item `i` is batch number `i` of the run, or this process's share of it.

    Args:
        planner: which frames each batch is made of.
        rank, world_size: this process reads the rank-th of `world_size` equal parts of every batch.

    Raises:
        InputError: the batch cannot be cut into equal parts.
    """

    def __init__(self, planner: BatchPlanner, rank: int = 0, world_size: int = 1) -> None:
        batch_size = planner.groups_per_batch * planner.frames_per_video
        if batch_size % world_size:
            raise InputError(f"batch size {batch_size} must be a multiple of the {world_size} processes")
        share = batch_size // world_size
        self.planner = planner
        self.part = (rank * share, (rank + 1) * share)
        self._pool = ShardPool()

    def __getitem__(self, index: int) -> Batch | FlnetError:
        """Batch `index`. A broken shard is returned, not raised: a worker process would bury its one line in a
        traceback; `batches` raises it."""
        try:
            return load_batch(slice_groups(self.planner.plan(index), *self.part), self._pool)
        except FlnetError as error:
            return error


def batches(dataset: BatchDataset, start: int, stop: int, *, workers: int, pin_memory: bool = False) -> Iterator[Batch]:
    """Batches `start` to `stop` (exclusive) in order, read ahead by `workers` processes (0: by this one).

    Raises:
        FlnetError: a shard cannot be read; the message names it.
    """
    loader: DataLoader[Batch | FlnetError] = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        prefetch_factor=PREFETCH_BATCHES if workers else None,
        multiprocessing_context=_worker_context() if workers else None,
        # The loader draws a seed for its workers: not from the random state that checkpoints hold.
        generator=torch.Generator(),
    )
    for batch in loader:
        if isinstance(batch, FlnetError):
            raise batch
        yield batch


def _worker_context() -> multiprocessing.context.BaseContext:
    """Workers from a clean server process: forking this one would copy HDF5's and CUDA's locks as they stand."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context
