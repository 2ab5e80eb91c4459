"""Reading batches from shards in worker processes; every image is still uint8 when it leaves them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from multiprocessing import resource_tracker
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from model.sampler import Group
from model.signals import held_back_signals, obey_only_parent
from pipeline.errors import DatasetError, FlnetError
from pipeline.shards import ShardReader

MAX_OPEN_SHARDS = 32
PREFETCH_BATCHES = 4


class LoaderError(FlnetError):
    """A process that reads batches died."""


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


def batches(
    dataset: BatchDataset, start: int, stop: int, *, workers: int, pin_memory: bool = False
) -> Generator[Batch, None, None]:
    """Batches `start` to `stop` (exclusive) in order, read ahead by `workers` processes (0: by this one).

    The worker processes live until the last batch, or until the generator is closed.

    Raises:
        DatasetError: a shard cannot be read; the message names it.
        LoaderError: a worker process died.
    """
    loader: DataLoader[Batch | FlnetError] = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        pin_memory=pin_memory,
        prefetch_factor=PREFETCH_BATCHES if workers else None,
        worker_init_fn=_start_worker if workers else None,
        # A fresh interpreter: a fork would copy HDF5's and CUDA's locks as they stand. Not the fork server either:
        # its workers do not notice when this process is killed, and stay for ever.
        multiprocessing_context="spawn" if workers else None,
        # The loader draws a seed for its workers: not from the random state that checkpoints hold.
        generator=torch.Generator(),
    )
    with held_back_signals():
        resource_tracker.ensure_running()  # lets SIGTERM through again when it returns, hence the second `with`
    with held_back_signals():
        loaded = iter(loader)
    try:
        for batch in loaded:
            if isinstance(batch, FlnetError):
                raise batch
            yield batch
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise LoaderError(
            f"a loader process died ({error}); was it killed, or short of memory? go on with --resume, and with fewer"
            " or no --workers"
        ) from error
    finally:
        del loaded  # ends the worker processes


def _start_worker(_number: int) -> None:
    obey_only_parent()
    torch.set_num_threads(1)
