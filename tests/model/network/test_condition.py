"""Landmarks as a condition: their spread, the way back, whatever the image's size, and that checkpoints carry it."""

from __future__ import annotations

import pytest
import torch

from model.config import Size
from model.network.condition import SPREAD, LandmarkCondition, LandmarkStatistics

FULL = Size(224, 224)
LANDMARKS = torch.rand(40, 68, 2, generator=torch.Generator().manual_seed(0)) * 150 + 30


def fitted() -> LandmarkCondition:
    """Statistics of the landmarks above, worked out by hand."""
    shares = (LANDMARKS.double() + 0.5) / 224
    mean = shares.mean(0)
    condition = LandmarkCondition()
    condition.fit(LandmarkStatistics(mean, float((shares - mean).square().mean().sqrt())))
    return condition


def test_conditions_have_mean_0_and_the_spread_of_action_units() -> None:
    found = fitted()(LANDMARKS, FULL)
    assert found.shape == (40, 136)
    torch.testing.assert_close(found.mean(0), torch.zeros(136), rtol=0, atol=1e-6)
    assert found.square().mean().sqrt().item() == pytest.approx(SPREAD, rel=1e-5)


def test_x_and_y_of_a_point_lie_side_by_side() -> None:
    condition = fitted()
    moved = LANDMARKS.clone()
    moved[:, 7, 1] += 3
    changed = (condition(moved, FULL) - condition(LANDMARKS, FULL)).abs().amax(0) > 1e-6
    assert changed.nonzero().flatten().tolist() == [15]


def test_the_inverse_gives_the_pixels() -> None:
    condition = fitted()
    torch.testing.assert_close(condition.inverse(condition(LANDMARKS, FULL), FULL), LANDMARKS, rtol=0, atol=1e-3)


def test_a_smaller_image_has_the_same_condition() -> None:
    """Pixel centres are whole numbers, so that a point goes with the picture: x' = (x + 0.5) s − 0.5."""
    condition = fitted()
    smaller = (LANDMARKS + 0.5) * (64 / 224) - 0.5
    torch.testing.assert_close(condition(smaller, Size(64, 64)), condition(LANDMARKS, FULL))


def test_the_statistics_are_part_of_the_state() -> None:
    other = LandmarkCondition()
    other.load_state_dict(fitted().state_dict())
    assert torch.equal(other(LANDMARKS, FULL), fitted()(LANDMARKS, FULL))
