"""K (Eqs. 12-14) against the definition, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.preparing.k_map import FLOOR, GAMMA, k_codes, k_table, pixel_side


def brute_force(
    landmarks: np.ndarray, size: int, gamma: float = GAMMA, floor: float = FLOOR, pixel: float = 1.0
) -> np.ndarray:
    """max(γ^B, floor), with 68 distances a pixel."""
    grid = np.rint(landmarks)
    y, x = np.mgrid[:size, :size]
    distance = np.sqrt(((x[..., None] - grid[:, 0]) ** 2 + (y[..., None] - grid[:, 1]) ** 2).min(-1))
    return np.maximum(gamma ** (distance * pixel), floor).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_codes_reproduce_k_exactly(seed: int) -> None:
    landmarks = np.random.default_rng(seed).uniform(-60, 284, (68, 2)).astype(np.float32)
    assert np.array_equal(k_table().levels[k_codes(landmarks, 224)], brute_force(landmarks, 224))


def test_one_landmark_by_hand() -> None:
    landmarks = np.full((68, 2), 1000, np.float32)
    landmarks[0] = (10.4, 19.6)  # rounds to (10, 20)
    k = k_table().levels[k_codes(landmarks, 64)]
    assert k[20, 10] == 1
    assert k[20, 13] == np.float32(0.95**3)
    assert k[23, 14] == np.float32(0.95**5)
    assert k[60, 60] == np.float32(0.3)


def test_landmarks_just_outside_the_picture_count() -> None:
    landmarks = np.full((68, 2), 1000, np.float32)
    landmarks[0] = (-5, 30)
    k = k_table().levels[k_codes(landmarks, 64)]
    assert k[30, 0] == np.float32(0.95**5)


def test_every_distance_to_the_border_of_its_reach() -> None:
    for offset in range(-60, 130, 7):
        landmarks = np.full((68, 2), offset, np.float32)
        assert np.array_equal(k_table().levels[k_codes(landmarks, 64)], brute_force(landmarks, 64))


def test_other_constants_are_exact_too() -> None:
    landmarks = np.random.default_rng(9).uniform(0, 64, (68, 2)).astype(np.float32)
    codes = k_codes(landmarks, 64, 0.9, 0.5)
    assert np.array_equal(k_table(0.9, 0.5).levels[codes], brute_force(landmarks, 64, 0.9, 0.5))


def test_levels_fit_a_byte_and_fall() -> None:
    levels = k_table().levels
    assert len(levels) == 195
    assert levels[0] == 1
    assert levels[-1] == np.float32(0.3)
    assert (np.diff(levels) < 0).all()


@pytest.mark.parametrize("size", [128, 256, 512])
def test_other_frame_sizes_weigh_the_same_parts_of_the_face(size: int) -> None:
    """The K of a crop, made larger, is the K of the larger crop; where a byte cannot hold it, within 0.3 %."""
    landmarks = np.random.default_rng(size).uniform(0, size, (68, 2)).astype(np.float32)
    pixel = pixel_side(size)
    table = k_table(GAMMA, FLOOR, pixel)
    k = table.levels[k_codes(landmarks, size, GAMMA, FLOOR, pixel)]
    exact = brute_force(landmarks, size, pixel=pixel)
    assert len(table.levels) <= 256
    assert (np.diff(table.levels) < 0).all()
    if size < 224:
        assert np.array_equal(k, exact)
    assert np.abs(k / exact - 1).max() < 0.003


def test_constants_that_cannot_be_coded() -> None:
    with pytest.raises(ValueError, match=r"in \(0, 1\)"):
        k_table(1.5, 0.3)
    with pytest.raises(ValueError, match="beyond 1024 pixels"):
        k_table(0.999, 0.1)
