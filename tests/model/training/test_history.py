"""The history of generated images: filling, halves, age, 8-bit images, and exact resume."""

from __future__ import annotations

import io

import pytest
import torch
from torch import Tensor

from model.config import TrainConfig
from model.pixels import from_levels, to_bytes
from model.training.history import ImageHistory


def fakes(first: int, count: int = 8) -> Tensor:
    """(count, 3, 2, 2) images, each of one grey level: first, first + 1, ..."""
    levels = torch.arange(first, first + count).float() / 127.5 - 1
    return levels[:, None, None, None].expand(count, 3, 2, 2).clone()


def values(images: Tensor) -> set[int]:
    if images.dtype != torch.uint8:
        images = ((images + 1) * 127.5).round()
    return {int(v) for v in images[:, 0, 0, 0]}


def test_an_empty_pool_gives_the_fakes_back() -> None:
    assert torch.equal(ImageHistory(capacity=12, seed=0).mix(fakes(0)), fakes(0))


def test_a_pool_that_is_not_full_takes_everything() -> None:
    history = ImageHistory(capacity=12, seed=0)
    history.add(fakes(0))
    assert len(history) == 8
    history.add(fakes(8))
    assert len(history) == 12
    assert values(history.state_dict()["pool"]) == set(range(12))


def test_half_of_the_fakes_are_earlier_ones_and_looking_changes_nothing() -> None:
    history = ImageHistory(capacity=8, seed=0)
    history.add(fakes(0))
    for _ in range(5):
        mixed = history.mix(fakes(100))
        assert mixed.shape == (8, 3, 2, 2)
        assert len(values(mixed)) == 8
        assert sum(v >= 100 for v in values(mixed)) == 4
    assert values(history.state_dict()["pool"]) == set(range(8))


def test_a_full_pool_takes_half_of_a_steps_images() -> None:
    history = ImageHistory(capacity=8, seed=0)
    history.add(fakes(0))
    history.add(fakes(100))
    pool = values(history.state_dict()["pool"])
    assert len(pool) == 8
    assert sum(v >= 100 for v in pool) == 4


def test_an_image_stays_for_tens_of_steps() -> None:
    """The paper's batch and the default capacity: the mean age of what is drawn is forty generator steps."""
    history = ImageHistory(TrainConfig(steps=1).history_size, seed=0)
    ages: list[float] = []
    for step in range(255):
        if step >= 200:
            ages += [step - v for v in values(history.mix(fakes(255, 1).expand(16, 3, 2, 2))) if v != 255]
        history.add(fakes(step, 1).expand(16, 3, 2, 2))
    assert 30 < sum(ages) / len(ages) < 60


def test_an_odd_batch_keeps_its_size() -> None:
    history = ImageHistory(capacity=5, seed=0)
    history.add(fakes(0, 5))
    mixed = values(history.mix(fakes(100, 5)))
    assert (len(mixed), sum(v >= 100 for v in mixed)) == (5, 3)


def test_a_pool_smaller_than_half_a_batch_gives_what_it_has() -> None:
    history = ImageHistory(capacity=2, seed=0)
    history.add(fakes(0))
    mixed = values(history.mix(fakes(100)))
    assert (len(mixed), sum(v >= 100 for v in mixed)) == (8, 6)


def test_images_are_kept_to_half_a_grey_level() -> None:
    history = ImageHistory(capacity=4, seed=0)
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    history.add(images)
    torch.testing.assert_close(from_levels(history.state_dict()["pool"]), images, rtol=0, atol=0.5001 / 127.5)
    assert torch.equal(to_bytes(torch.tensor([-1.0, 0.0, 1.0, 1.5])), torch.tensor([0, 128, 255, 255]).to(torch.uint8))


def test_without_capacity_fakes_pass_through() -> None:
    history = ImageHistory(capacity=0, seed=0)
    for start in (0, 100):
        assert torch.equal(history.mix(fakes(start)), fakes(start))
        history.add(fakes(start))


def test_what_comes_out_has_no_gradient_and_shares_no_memory_with_the_pool() -> None:
    history = ImageHistory(capacity=8, seed=0)
    history.add(fakes(0).requires_grad_())
    out = history.mix(fakes(100).requires_grad_() * 1)
    assert not out.requires_grad
    out.zero_()
    assert values(history.state_dict()["pool"]) == set(range(8))


def test_every_old_image_comes_back_equally_often() -> None:
    counts = torch.zeros(8)
    for seed in range(400):
        history = ImageHistory(capacity=8, seed=seed)
        history.add(fakes(0))
        for value in values(history.mix(fakes(100))):
            if value < 8:
                counts[value] += 1
    assert counts.sum() == 1600
    assert ((counts - 200).abs() < 50).all()


@pytest.mark.parametrize("before", [0, 1, 2, 5])
def test_resuming_goes_on_exactly(before: int) -> None:
    history = ImageHistory(capacity=12, seed=3)
    for step in range(before):
        history.add(fakes(20 * step))
    file = io.BytesIO()
    torch.save(history.state_dict(), file)
    file.seek(0)
    resumed = ImageHistory(capacity=12, seed=99)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for step in range(before, before + 5):
        assert torch.equal(resumed.mix(fakes(20 * step)), history.mix(fakes(20 * step)))
        resumed.add(fakes(20 * step))
        history.add(fakes(20 * step))
    assert torch.equal(resumed.state_dict()["pool"], history.state_dict()["pool"])


def test_a_state_is_a_copy() -> None:
    history = ImageHistory(capacity=8, seed=0)
    history.add(fakes(0))
    state = history.state_dict()
    history.add(fakes(100))
    assert values(state["pool"]) == set(range(8))


def test_the_global_random_numbers_are_left_alone() -> None:
    history = ImageHistory(capacity=8, seed=0)
    before = torch.get_rng_state()
    for start in (0, 100):
        history.add(fakes(start))
        history.mix(fakes(start))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_pool_of_another_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="history capacity must be 4, got 8"):
        ImageHistory(4, 0).load_state_dict(ImageHistory(8, 0).state_dict())
