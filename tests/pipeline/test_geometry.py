"""Distances and maps between landmarks, by cases worked by hand and by properties."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline import geometry


def points(**places: tuple[float, float]) -> np.ndarray:
    """68 points at the origin but for those named by their index."""
    landmarks = np.zeros((68, 2), np.float32)
    for name, place in places.items():
        landmarks[int(name[1:])] = place
    return landmarks


def test_openness_is_the_distance_of_the_papers_points_52_and_58() -> None:
    assert geometry.mouth_openness(points(p51=(1, 2), p57=(4, 6))) == pytest.approx(5)


def test_widths_use_jaw_ends_and_outer_eye_corners() -> None:
    landmarks = points(p0=(0, 0), p16=(30, 40), p36=(10, 0), p45=(10, 7))
    assert geometry.face_width(landmarks) == pytest.approx(50)
    assert geometry.eye_distance(landmarks) == pytest.approx(7)


def test_crop_centres() -> None:
    landmarks = points(p30=(3, 4), p36=(10, 20), p45=(30, 40))
    assert geometry.nose_tip(landmarks).tolist() == [3, 4]
    assert geometry.eyes_midpoint(landmarks).tolist() == [20, 30]


def test_distances_work_on_batches() -> None:
    batch = np.random.default_rng(0).normal(size=(7, 68, 2)).astype(np.float32)
    single = [float(geometry.mouth_openness(frame)) for frame in batch]
    assert geometry.mouth_openness(batch).tolist() == pytest.approx(single)
    assert geometry.eyes_midpoint(batch).shape == (7, 2)


def test_affine_maps_invert() -> None:
    random = np.random.default_rng(1)
    transform = np.array([[0.4, 0.1, 12.0], [-0.2, 0.7, -3.0]])
    cloud = random.uniform(-500, 500, (9, 2))
    there = geometry.apply_affine(transform, cloud)
    np.testing.assert_allclose(geometry.apply_affine(cv2.invertAffineTransform(transform), there), cloud, atol=1e-9)
