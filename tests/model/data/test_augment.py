"""Variations: drawn by seed and place alone, the same for a target and its bank, and true to the geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.config import Size
from model.data.augment import VARIATION_SIZE, apply_variation, draw_variation
from model.data.batch import PreparedBatch
from model.data.loader import BatchDataset, load_batch
from model.data.sampler import BatchPlanner
from model.data.to_device import prepare_batch
from model.network.offsets import offset_field
from pipeline.shards import ShardPool, open_dataset

CPU = torch.device("cpu")
AS_IT_IS = (0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
MIRRORED = (1.0, *AS_IT_IS[1:])
SMALL = Size(64, 64)


def planner(dataset: Path, augment: bool, **changes: int) -> BatchPlanner:
    opened = open_dataset(dataset)
    settings = {"batch_size": 4, "frames_per_video": 2, "bank_size": 5, "seed": 0, **changes}
    return BatchPlanner(opened.videos("train"), opened.bank_from, augment=augment, **settings)


@pytest.fixture
def plain(tiny_dataset: Path) -> PreparedBatch:
    return prepare_batch(load_batch(planner(tiny_dataset, False).plan(0), ShardPool()), CPU, SMALL)


def test_a_variation_depends_on_seed_and_place_alone(tiny_dataset: Path) -> None:
    whole = planner(tiny_dataset, True).plan(3)
    halves = [planner(tiny_dataset, True, rank=rank, world_size=2).plan(3) for rank in (0, 1)]
    assert whole == planner(tiny_dataset, True).plan(3) == [group for half in halves for group in half]
    drawn = {group.variation for index in range(20) for group in planner(tiny_dataset, True).plan(index)}
    assert len(drawn) == 40
    assert {variation[0] for variation in drawn} == {0.0, 1.0}
    assert whole != planner(tiny_dataset, True, seed=1).plan(3)


def test_frames_and_banks_are_those_of_a_run_without(tiny_dataset: Path) -> None:
    for index in range(5):
        for ours, theirs in zip(planner(tiny_dataset, True).plan(index), planner(tiny_dataset, False).plan(index),
                                strict=True):  # fmt: skip
            assert (ours.target_rows, ours.bank_rows) == (theirs.target_rows, theirs.bank_rows)
            assert len(ours.variation) == VARIATION_SIZE
            assert theirs.variation == ()


def test_without_it_nothing_changes(plain: PreparedBatch) -> None:
    assert apply_variation(plain, torch.empty(4, 0)) is plain
    for name, value in apply_variation(plain, torch.tensor([AS_IT_IS] * 4))._asdict().items():
        assert torch.equal(value, getattr(plain, name)), name


def test_a_mirrored_example_is_the_mirrored_pictures_and_their_own_offsets(plain: PreparedBatch) -> None:
    there = apply_variation(plain, torch.tensor([AS_IT_IS, MIRRORED, AS_IT_IS, MIRRORED]))
    assert torch.equal(there.target[1], plain.target[1].flip(-1))
    assert torch.equal(there.bank[3], plain.bank[3].flip(-1))
    assert torch.equal(there.weight_map[3], plain.weight_map[3].flip(-1))
    assert torch.equal(there.target[0], plain.target[0])
    field = offset_field(there.target_landmarks, there.bank_landmarks, *SMALL)
    same = torch.isclose(there.field, field, atol=1e-5).float().mean()
    assert same > 0.999  # but for landmarks half-way between two pixels, which round to the other one
    back = apply_variation(there, torch.tensor([AS_IT_IS, MIRRORED, AS_IT_IS, MIRRORED]))
    for name, value in back._asdict().items():
        assert torch.allclose(value, getattr(plain, name), atol=1e-4), name


def test_a_tint_is_the_same_for_target_and_bank(plain: PreparedBatch) -> None:
    tint = (0.0, 0.5, 1.0, 0.8, 0.1, 0.0, -0.2)
    there = apply_variation(plain, torch.tensor([tint] * 4))
    for values, before in ((there.target, plain.target), (there.bank[:, 2], plain.bank[:, 2])):
        assert torch.allclose(values[:, 0], (before[:, 0] * 0.5 + 0.1))
        assert torch.equal(values[:, 1], before[:, 1])
        assert torch.allclose(values[:, 2], (before[:, 2] * 0.8 - 0.2))
    assert torch.equal(there.field, plain.field)


def test_colours_stay_within_range(plain: PreparedBatch) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        there = apply_variation(plain, torch.tensor([draw_variation(rng) for _ in range(4)]))
        assert max(there.bank.abs().max(), there.target.abs().max()) <= 1


def test_a_planned_batch_arrives_varied(tiny_dataset: Path) -> None:
    groups = planner(tiny_dataset, True).plan(0)
    batch = BatchDataset(planner(tiny_dataset, True).plan)[0]
    plain = prepare_batch(load_batch(planner(tiny_dataset, False).plan(0), ShardPool()), CPU, SMALL)
    expected = apply_variation(plain, torch.tensor([groups[0].variation] * 2 + [groups[1].variation] * 2))
    for name, value in prepare_batch(batch, CPU, SMALL)._asdict().items():
        assert torch.equal(value, getattr(expected, name)), name


def test_another_size_is_an_error(plain: PreparedBatch) -> None:
    with pytest.raises(ValueError, match="must be 7 numbers, got 3"):
        apply_variation(plain, torch.zeros(4, 3))
