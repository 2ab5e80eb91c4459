"""Landmarks of a box: the same as dlib's own predictor gives, wherever the box and whatever the picture's memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.tracking.detection import Face, FaceDetector
from pipeline.tracking.ensemble import Ensemble
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.tracking.plain import PlainDetector
from pipeline.tracking.predictor import LandmarkPredictor, load_ensemble

Luma = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def plain() -> PlainDetector:
    return PlainDetector(landmark_model_path(), studio_range=False)


def boxes(luma: Luma) -> list[Face]:
    """The face's box, boxes beside it and of other sizes, at the picture's edges and beyond them."""
    face = FaceDetector().search(luma)[0]
    height, width = luma.shape
    there = [Face(face.left + dx, face.top + dy, face.size * by // 1, 1.0) for dx, dy, by in ((0, 0, 1), (9, -7, 1.3))]
    return [*there, Face(0, 0, 150, 1.0), Face(width - 80, height - 60, 200, 1.0), Face(-70, 40, 33, 1.0)]


def test_landmarks_are_dlibs_to_the_pixel(frames: list[Luma], plain: PlainDetector) -> None:
    rounded = LandmarkPredictor(landmark_model_path(), studio_range=False)
    exact = LandmarkPredictor(landmark_model_path(), studio_range=False, subpixel=True)
    for luma in frames:
        for face in boxes(luma):
            expected = plain.landmarks(luma, face)
            np.testing.assert_array_equal(rounded.landmarks(luma, face), expected)
            assert np.abs(exact.landmarks(luma, face) - expected).max() <= 0.5 + 1e-3


def test_unrounded_landmarks_lie_between_the_pixels(frames: list[Luma]) -> None:
    points = LandmarkPredictor(landmark_model_path(), subpixel=True).landmarks(frames[0], boxes(frames[0])[0])
    assert (points != np.rint(points)).mean() > 0.9


def test_the_pictures_memory_does_not_matter(frames: list[Luma]) -> None:
    predictor = LandmarkPredictor(landmark_model_path(), subpixel=True)
    luma, face = frames[0], boxes(frames[0])[0]
    padded = np.zeros((luma.shape[0], luma.shape[1] + 64), np.uint8)
    padded[:, :-64] = luma
    rows_apart = padded[:, :-64]
    rows_apart.flags.writeable = False
    np.testing.assert_array_equal(predictor.landmarks(rows_apart, face), predictor.landmarks(luma, face))


def test_landmarks_move_with_the_box_and_its_pixels(frames: list[Luma]) -> None:
    predictor = LandmarkPredictor(landmark_model_path())
    face = boxes(frames[0])[0]
    moved = np.zeros((600, 800), np.uint8)
    moved[60:540, 90:730] = frames[0]
    there = predictor.landmarks(moved, Face(face.left + 90, face.top + 60, face.size, 1))
    np.testing.assert_array_equal(there, predictor.landmarks(frames[0], face) + np.array([90, 60], np.float32))


def test_studio_range_is_stretched(frames: list[Luma], plain: PlainDetector) -> None:
    face = boxes(frames[0])[0]
    stretched = np.clip(np.round((frames[0].astype(np.float64) - 16) * 255 / 219), 0, 255).astype(np.uint8)
    found = LandmarkPredictor(landmark_model_path()).landmarks(frames[0], face)
    np.testing.assert_array_equal(found, plain.landmarks(stretched, face))


def test_the_model_is_read_whole() -> None:
    ensemble: Ensemble = load_ensemble(landmark_model_path())
    assert all(np.isfinite(part).all() for part in ensemble)
    assert ensemble.compared.min() == 0
    assert ensemble.compared.max() == 499
    assert ensemble.anchors.min() == 0
    assert ensemble.anchors.max() == 67
    # The mean shape is a face: eyes above nose above mouth above chin, left and right alike.
    x, y = ensemble.mean_shape.reshape(68, 2).T
    assert y[36:48].mean() < y[30] < y[48:].mean() < y[8]
    assert x[0] + x[16] == pytest.approx(2 * x[8], abs=0.05)
