"""Resampling: against Pillow's own triangle filter, against ramps whose values are known, and at the borders."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pipeline.preparing.resample import resample

Plane = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def noise() -> Plane:
    return np.random.default_rng(0).integers(0, 256, (600, 700)).astype(np.uint8)


@pytest.mark.parametrize("step", [0.4, 1.0, 1.07, 1.5, 1.92, 2.5])
def test_it_is_pillows_bilinear_to_a_level(noise: Plane, step: float) -> None:
    left, top, side = 10.3, 20.8, 224 * step
    box = (left, top, left + side, top + side)
    # Pillow leaves out what lies beyond the box, where there is more picture: the crop's outermost pixels differ.
    expected = np.asarray(Image.fromarray(noise).resize((224, 224), Image.Resampling.BILINEAR, box=box), np.int16)
    inner = slice(2, -2)
    assert np.abs(resample(noise, left, top, side, 224).astype(np.int16) - expected)[inner, inner].max() <= 1


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0, 3.7])
def test_a_ramp_stays_where_it_is(step: float) -> None:
    y, x = np.mgrid[:400, :400]
    left, top, places = 31.25, 12.6, (np.arange(64) + 0.5) * step
    expected_x, expected_y = (left + places - 0.5) / 2, (top + places - 0.5) / 2
    along = resample((x // 2).astype(np.uint8), left, top, 64 * step, 64).astype(float)
    down = resample((y // 2).astype(np.uint8), left, top, 64 * step, 64).astype(float)
    assert np.abs(along - (expected_x[None, :] - 0.25)).max() <= 1  # halving by // lowers it by a quarter
    assert np.abs(down - (expected_y[:, None] - 0.25)).max() <= 1


def test_two_by_hand() -> None:
    # Each result is centred between two pairs of a row; weights 1, 3, 3, 1 of 8, the edge repeated.
    row = np.array([[0, 80, 160, 240]], np.uint8).repeat(4, 0)
    first, second = (0 + 3 * 0 + 3 * 80 + 160) / 8, (80 + 3 * 160 + 3 * 240 + 240) / 8
    np.testing.assert_array_equal(resample(row, 0, 0, 4, 2), [[first, second]] * 2)


def test_outside_the_border_is_replicated(noise: Plane) -> None:
    padded = np.pad(noise, 100, mode="edge")
    for left, top in ((-60.3, -71.9), (520.5, 430.1), (-99.0, 300.0)):
        inside = resample(padded, left + 100, top + 100, 150, 100)
        np.testing.assert_array_equal(resample(noise, left, top, 150, 100), inside)


def test_rows_may_lie_apart(noise: Plane) -> None:
    apart = noise[:, 100:500]
    apart.flags.writeable = False
    np.testing.assert_array_equal(resample(apart, 5, 6, 300, 99), resample(apart.copy(), 5, 6, 300, 99))
    np.testing.assert_array_equal(resample(apart, 5, 6, 300, 99), resample(noise, 105, 6, 300, 99))


def test_a_square_beside_the_picture_shows_its_edge(noise: Plane) -> None:
    np.testing.assert_array_equal(resample(noise, 900, 700, 50, 20), np.full((20, 20), noise[-1, -1]))
