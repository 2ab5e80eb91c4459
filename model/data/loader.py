"""Reading batches from shards in worker processes; every image is still uint8 when it leaves them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from model.data.batch import Batch
from model.data.sampler import Group
from model.data.shared_memory import Placed, Received, Ring, SlotFullError, bytes_needed
from model.signals import held_back_signals, obey_only_parent
from pipeline.errors import DatasetError, FlnetError
from pipeline.shards import ShardPool, ShardReader
from pipeline.shards.schema import ROWS

PREFETCH_BATCHES = 4


class LoaderError(FlnetError):
    """A process that reads batches died."""


Item = Batch | Placed | FlnetError
"""What travels from a loader process: a batch, where it was left, or why there is none."""


NewTensor = Callable[[Sequence[int], torch.dtype], Tensor]
Part = tuple[ShardReader, tuple[int, ...]]
"""Rows of one shard."""


def new_tensor(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """`torch.empty` as `load_batch` calls it."""
    return torch.empty(tuple(shape), dtype=dtype)


def load_batch(groups: Sequence[Group], pool: ShardPool, new: NewTensor = new_tensor) -> Batch:
    """Read the frames, landmarks and K codes of some groups with equally large banks.

    Args:
        groups: at least one.
        pool: the readers to use.
        new: makes the batch's tensors, in the order of its fields, on the CPU.

    Raises:
        DatasetError: a shard is missing, damaged, or of other levels of K than the rest.
    """
    targets: list[Part] = [(pool.reader(group.video.shard), group.target_rows) for group in groups]
    banks: list[Part] = [(pool.reader(group.bank_video.shard), group.bank_rows) for group in groups]
    counts = [len(rows) for _, rows in targets]
    of_targets, of_banks = (sum(counts),), (len(banks), len(banks[0][1]))
    # In the order of the fields, in which `new` lays the tensors out.
    return Batch(
        targets=_read("frames", targets, of_targets, new),
        target_landmarks=_read("landmarks", targets, of_targets, new),
        k_codes=_read("k_codes", targets, of_targets, new),
        group=_copy(torch.repeat_interleave(torch.tensor(counts)), new),
        banks=_read("frames", banks, of_banks, new),
        bank_landmarks=_read("landmarks", banks, of_banks, new),
        k_levels=_copy(torch.from_numpy(_shared_levels(targets)), new),
        target_openness=_read("mouth_openness", targets, of_targets, new),
        bank_openness=_read("mouth_openness", banks, of_banks, new),
        variation=_copy(torch.tensor([group.variation for group in groups], dtype=torch.float32), new),
        videos=tuple(group.video.id for group in groups),
    )


def _read(column: str, parts: Sequence[Part], leading: Sequence[int], new: NewTensor) -> Tensor:
    """One column of some parts' rows, one behind the other: (*leading, *row's shape)."""
    shape, kind = parts[0][0].row_shape(column), ROWS[column][1]
    tensor = new((*leading, *shape), torch.from_numpy(np.empty(0, kind)).dtype)
    rows_out, first = tensor.numpy().reshape(-1, *shape), 0
    for reader, rows in parts:
        if reader.row_shape(column) != shape:
            raise DatasetError(
                f"{reader.path}: its frames are not as large as those of {parts[0][0].path}; build again"
            )
        getattr(reader, column)(rows, rows_out[first : first + len(rows)])
        first += len(rows)
    return tensor


def _copy(values: Tensor, new: NewTensor) -> Tensor:
    return new(values.shape, values.dtype).copy_(values)


def _shared_levels(parts: Sequence[Part]) -> npt.NDArray[np.float32]:
    """The levels of K, which all shards must share: codes of one batch are read by one table."""
    first, _ = parts[0]
    for reader, _ in parts:
        if not np.array_equal(reader.k_levels, first.k_levels):
            raise DatasetError(f"{reader.path}: its levels of K differ from those of {first.path}; build again")
    return first.k_levels


class BatchDataset(TorchDataset[Item]):
    """A map-style dataset whose item `i` is the batch that `plan(i)` describes.

    Args:
        plan: which frames batch `i` is made of; picklable, since worker processes call it.
        ring: where batches are left that fit; the item is then what tells where.
    """

    def __init__(self, plan: Callable[[int], Sequence[Group]], ring: Ring | None = None) -> None:
        self.plan = plan
        self.ring = ring
        self._pool = ShardPool()

    def __getitem__(self, index: int) -> Item:
        """Batch `index`. A broken shard is returned, not raised: a worker process would bury its one line in a
        traceback; `batches` raises it."""
        try:
            groups = self.plan(index)
            if self.ring is not None:
                slot = self.ring.slot(index)
                with suppress(SlotFullError):
                    return slot.placed(load_batch(groups, self._pool, slot.new).videos)
            return load_batch(groups, self._pool)
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
    if workers and start < stop:
        dataset = BatchDataset(dataset.plan, _make_ring(dataset, start, workers))
    loader = _make_loader(dataset, range(start, stop), workers, pin_memory)
    with held_back_signals():
        resource_tracker.ensure_running()  # lets SIGTERM through again when it returns, hence the second `with`
    with held_back_signals():
        loaded = iter(loader)  # starts the processes
    try:
        for item in loaded:
            yield _received(item, dataset.ring)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise LoaderError(
            f"a loader process died ({error}); was it killed, or short of memory? go on with --resume, and with fewer"
            " or no --workers"
        ) from error
    finally:
        del loaded  # ends the worker processes


def _make_loader(dataset: BatchDataset, numbers: range, workers: int, pin_memory: bool) -> DataLoader[Item]:
    """torch's own loader, of whole batches."""
    return DataLoader(
        dataset,
        batch_size=None,
        collate_fn=_unchanged,
        sampler=numbers,
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


def _make_ring(dataset: BatchDataset, first: int, workers: int) -> Ring | None:
    """A slot of the first batch's size for each batch that can be under way, and for the one just received.

    A batch that is larger travels in the ordinary way.
    """
    batch = BatchDataset(dataset.plan)[first]
    if not isinstance(batch, Batch):
        return None  # the workers will say what is wrong with it
    try:
        return Ring(workers * PREFETCH_BATCHES + 1, bytes_needed(_tensors(batch)))
    except MemoryError as error:
        raise LoaderError(
            f"{error}; use fewer --workers, or give the container more (docker run --shm-size 2g)"
        ) from error


def _received(item: Item | Received, ring: Ring | None) -> Batch:
    if isinstance(item, FlnetError):
        raise item
    if isinstance(item, Placed) and ring is not None:
        item = ring.take(item)
    if isinstance(item, Received):
        return Batch._make((*item.tensors, item.note))
    assert isinstance(item, Batch)
    return item


def _tensors(batch: Batch) -> list[Tensor]:
    return [value for value in batch if isinstance(value, Tensor)]


def _unchanged(item: Any) -> Any:
    return item


def _start_worker(_number: int) -> None:
    obey_only_parent()
    torch.set_num_threads(1)
