"""The ring of shared memory: what is put in comes out, whoever reads it, and nothing is overwritten too early."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.data import loader, shared_memory
from model.data.loader import PREFETCH_BATCHES, BatchDataset, LoaderError, batches
from model.data.sampler import BatchPlanner
from model.data.shared_memory import Ring, SlotFullError, bytes_needed
from pipeline.shards import open_dataset

TENSORS = [
    torch.arange(7, dtype=torch.uint8),
    torch.linspace(0, 1, 6).reshape(2, 3),
    torch.tensor(5.0),
    torch.arange(4)[:, None],
]


def fill(memory: Ring, index: int, tensors: list[torch.Tensor]) -> shared_memory.Placed:
    slot = memory.slot(index)
    for tensor in tensors:
        slot.new(tensor.shape, tensor.dtype).copy_(tensor)
    return slot.placed((f"thing {index}",))


def planner(root: Path, batch_size: int = 4) -> BatchPlanner:
    videos = open_dataset(root).videos("train")
    return BatchPlanner(videos, "other", batch_size=batch_size, frames_per_video=4, bank_size=5, seed=0)


def test_what_is_put_in_comes_out_and_is_a_copy() -> None:
    memory = Ring(2, bytes_needed(TENSORS))
    placed = [fill(memory, index, [tensor + index for tensor in TENSORS]) for index in (0, 1)]
    first = memory.take(placed[0])
    fill(memory, 2, TENSORS)  # the slot of 0 again
    for index, received in enumerate((first, memory.take(placed[1]))):
        assert received.note == (f"thing {index}",)
        for tensor, expected in zip(received.tensors, TENSORS, strict=True):
            assert torch.equal(tensor, expected + index)
            assert (tensor.dtype, tensor.shape) == (expected.dtype, expected.shape)


def test_a_slot_that_is_too_small_says_so() -> None:
    slot = Ring(1, bytes_needed(TENSORS[:1])).slot(0)
    slot.new((3,), torch.uint8)
    with pytest.raises(SlotFullError):
        slot.new((1,), torch.float32)


def test_page_locked_memory_is_filled_by_the_loaders_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor.clone())
    memory = Ring(1, bytes_needed(TENSORS))
    received = torch.utils.data._utils.pin_memory.pin_memory(fill(memory, 0, TENSORS))
    assert all(torch.equal(a, b) for a, b in zip(received.tensors, TENSORS, strict=True))


def test_batches_stay_as_they_were_while_many_more_are_read(tiny_dataset: Path) -> None:
    count = 3 * (PREFETCH_BATCHES + 1)
    alone = list(batches(BatchDataset(planner(tiny_dataset).plan), 0, count, workers=0))
    helped = list(batches(BatchDataset(planner(tiny_dataset).plan), 0, count, workers=1))
    for one, other in zip(alone, helped, strict=True):
        assert one.videos == other.videos
        assert torch.equal(one.targets, other.targets)
        assert torch.equal(one.bank_openness, other.bank_openness)


def test_batches_larger_than_the_first_arrive_too(tiny_dataset: Path) -> None:
    plans = Growing(planner(tiny_dataset, 4), planner(tiny_dataset, 8))
    sizes = [len(batch.targets) for batch in batches(BatchDataset(plans), 0, 3, workers=1)]
    assert sizes == [4, 8, 4]


class Growing:
    """A plan whose odd batches are larger."""

    def __init__(self, small: BatchPlanner, large: BatchPlanner) -> None:
        self.planners = (small, large)

    def __call__(self, index: int) -> list[loader.Group]:
        return self.planners[index % 2].plan(index)


def test_too_little_shared_memory_is_one_line(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "_free_shared_bytes", lambda: 1_000_000)
    with pytest.raises(LoaderError, match=r"MB of shared memory are needed, 1 MB are free; use fewer --workers"):
        next(batches(BatchDataset(planner(tiny_dataset).plan), 0, 1, workers=1))


def test_a_loader_that_is_left_early_ends_without_a_word(tiny_dataset: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = batches(BatchDataset(planner(tiny_dataset).plan), 0, 100, workers=1)
    next(source)
    source.close()
    assert capfd.readouterr().err == ""
