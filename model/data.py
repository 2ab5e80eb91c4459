"""Reading batches from shards in worker processes; every image is still uint8 when it leaves them."""

from __future__ import annotations

import multiprocessing
import signal
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from model.sampler import Group
from model.signals import STOP_SIGNALS, ignored_signals
from pipeline.errors import DatasetError, FlnetError
from pipeline.shards import ShardReader

MAX_OPEN_SHARDS = 32
PREFETCH_BATCHES = 4


class Batch(NamedTuple):
    """B targets from V groups as they lie in the shards (CPU tensors, full size).

    Attributes:
        targets: (B, H, W, 3) uint8 RGB.
        target_landmarks: (B, 68, 2) float32 x, y in pixels, pixel centres at integers.
        k_codes: (B, H, W) uint8; K = k_levels[k_codes].
        group: (B,) int64, which of the V groups each target belongs to.
        banks: (V, N, H, W, 3) uint8 RGB, closed mouth to open.
        bank_landmarks: (V, N, 68, 2) float32.
        k_levels: (L,) float32, at most 256 of them.
        target_openness: (B,) float32, measured mouth openness in pixels.
        bank_openness: (V, N) float32.
        videos: the V target videos' ids, for messages.
    """

    targets: Tensor
    target_landmarks: Tensor
    k_codes: Tensor
    group: Tensor
    banks: Tensor
    bank_landmarks: Tensor
    k_levels: Tensor
    target_openness: Tensor
    bank_openness: Tensor
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
    """Read the frames, landmarks and K codes of some groups with equally large banks.

    Raises:
        DatasetError: a shard is missing, damaged, or of other levels of K than the rest.
    """
    targets = [pool.reader(group.video.shard) for group in groups]
    banks = [pool.reader(group.bank_video.shard) for group in groups]
    target_rows = [group.target_rows for group in groups]
    bank_rows = [group.bank_rows for group in groups]

    def join(method: str) -> Tensor:
        parts = [getattr(reader, method)(rows) for reader, rows in zip(targets, target_rows, strict=True)]
        return torch.from_numpy(np.concatenate(parts))

    def stack(method: str) -> Tensor:
        parts = [getattr(reader, method)(rows) for reader, rows in zip(banks, bank_rows, strict=True)]
        return torch.from_numpy(np.stack(parts))

    k_levels = targets[0].k_levels
    for reader in targets:
        if not np.array_equal(reader.k_levels, k_levels):
            raise DatasetError(f"{reader.path}: its levels of K differ from those of {targets[0].path}; build again")
    return Batch(
        targets=join("frames"),
        target_landmarks=join("landmarks"),
        k_codes=join("k_codes"),
        group=torch.repeat_interleave(torch.tensor([len(rows) for rows in target_rows])),
        banks=stack("frames"),
        bank_landmarks=stack("landmarks"),
        k_levels=torch.from_numpy(k_levels),
        target_openness=join("mouth_openness"),
        bank_openness=stack("mouth_openness"),
        videos=tuple(group.video.id for group in groups),
    )


class BatchDataset(TorchDataset["Batch | FlnetError"]):
    """A map-style dataset whose item `i` is the batch that `plan(i)` describes.

    Args:
        plan: which frames batch `i` is made of; picklable, since worker processes call it.
    """

    def __init__(self, plan: Callable[[int], Sequence[Group]]) -> None:
        self.plan = plan
        self._pool = ShardPool()

    def __getitem__(self, index: int) -> Batch | FlnetError:
        """Batch `index`. A broken shard is returned, not raised: a worker process would bury its one line in a
        traceback; `batches` raises it."""
        try:
            return load_batch(self.plan(index), self._pool)
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
        worker_init_fn=_ignore_stop_signals if workers else None,
        multiprocessing_context=_worker_context() if workers else None,
        # The loader draws a seed for its workers: not from the random state that checkpoints hold.
        generator=torch.Generator(),
    )
    for batch in loader:
        if isinstance(batch, FlnetError):
            raise batch
        yield batch


def _worker_context() -> multiprocessing.context.BaseContext:
    """Workers from a clean server process: forking this one would copy HDF5's and CUDA's locks as they stand.

    Signals to end the run often go to the whole process group. The helpers are started ignoring them, so that
    they live until this process has finished its step and saved.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ignored_signals():
        resource_tracker.ensure_running()
        forkserver.ensure_running()
    return context


def _ignore_stop_signals(_worker: int) -> None:
    # torch's worker loop puts handlers of its own in place before this runs.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
