"""Boxes, calibration, looks, scene cuts and the search schedule: the tracker's parts, one by one."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.tracking.detection import (
    BOX_PX,
    Face,
    FaceDetector,
    main_face,
    reduction_for,
    search_reductions,
)
from pipeline.tracking.face_box import BoxModel, disagreement, shape_residual
from pipeline.tracking.face_look import face_look
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.tracking.lost_face import LostFace
from pipeline.tracking.predictor import LandmarkPredictor
from pipeline.tracking.scene import Scene, likeness
from pipeline.tracking.search import FaceSearch, SearchSettings
from pipeline.tracking.settings import TrackSettings

Luma = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def shape(seed: int = 0) -> Points:
    return np.random.default_rng(seed).uniform(100, 200, (68, 2)).astype(np.float32)


@pytest.mark.parametrize("size", [40, 72, 80, 90, 100, 125, 149, 215, 300, 640])
def test_reduced_faces_are_just_above_the_detectors_smallest(size: float) -> None:
    reduction = reduction_for(size)
    assert size / reduction <= BOX_PX * 1.2**1.25 + 1e-6
    assert size / reduction >= BOX_PX * 1.2**0.25 - 1e-6 or reduction == 0.5
    level = math.log(reduction if reduction >= 1 and size >= 76 else 2 * reduction, 1.2)
    assert abs(level - round(level)) < 1e-9


def test_a_search_ends_with_the_whole_picture() -> None:
    assert list(search_reductions(1080, 1920, 120_000)) == pytest.approx([1.2**8, 1.2**4, 1.0])
    assert list(search_reductions(240, 320, 120_000)) == [1.0]


def test_boxes_of_the_neighbourhood_are_those_of_the_whole_picture(frames: list[Luma], detector: FaceDetector) -> None:
    for luma in frames:
        whole = detector.search(luma)[0]
        part = detector.around(luma, whole, 0.9)[0]
        assert part.size / whole.size == pytest.approx(1, abs=0.21)  # one level of the pyramid
        assert math.dist(part.centre, whole.centre) < 0.12 * whole.size  # one cell of the detector's grid


def test_the_second_look_confirms_a_face_and_denies_a_wall(frames: list[Luma], detector: FaceDetector) -> None:
    face = detector.search(frames[0])[0]
    assert detector.confirms(frames[0], face)
    assert not detector.confirms(np.full_like(frames[0], 120), face)
    assert not detector.confirms(frames[0], Face(0, 0, face.size, 0.1))


def test_overlap() -> None:
    box = Face(10, 10, 100, 1)
    assert box.overlap(box) == 1
    assert box.overlap(Face(60, 10, 100, 1)) == pytest.approx(1 / 3)
    assert box.overlap(Face(110, 10, 100, 1)) == 0


def test_a_doubtful_large_face_is_not_the_main_one() -> None:
    sure, doubtful = Face(0, 0, 100, 1.4), Face(200, 0, 150, 0.1)
    assert main_face([doubtful, sure]) is sure


def test_the_box_model_moves_and_grows_with_the_face() -> None:
    points, face = shape(), Face(90, 80, 130, 1.0)
    model = BoxModel(gain=0.2).learned(points, face)
    assert disagreement(model.box(points, 1.0), face) < 0.02
    before, after = model.box(points, 1.0), model.box(2 * points + np.array([7, -5], np.float32), 1.0)
    assert disagreement(after, Face(2 * before.left + 7, 2 * before.top - 5, 2 * before.size, 1.0)) < 1e-5


def test_the_box_model_averages_the_detectors_noise() -> None:
    points, model = shape(), BoxModel(gain=0.05)
    for i in range(20):
        model = model.learned(points, Face(90 + 6 * (-1) ** i, 80, 130, 1.0))
    assert disagreement(model.box(points, 1.0), Face(90, 80, 130, 1.0)) < 0.02


def test_the_shape_residual_sees_shape_alone() -> None:
    points = shape()
    turned = (points @ np.array([[0.6, 0.8], [-0.8, 0.6]], np.float32)) * 3 + np.array([50, -20], np.float32)
    assert shape_residual(points, turned) < 1e-3
    assert shape_residual(points, points * np.array([1, 1.5], np.float32)) > 0.1
    assert shape_residual(points, shape(1)) > 0.5


def test_looks_know_a_speaker_again_and_tell_two_apart(frames: list[Luma], detector: FaceDetector) -> None:
    predictor = LandmarkPredictor(landmark_model_path())
    looks = [face_look(luma, predictor.landmarks(luma, detector.search(luma)[0])) for luma in frames]
    same = TrackSettings().same_likeness
    shifted = np.roll(frames[0], (15, 20), (0, 1))
    again = face_look(shifted, predictor.landmarks(shifted, detector.search(shifted)[0]))
    assert likeness(looks[0].fine, again.fine) > same
    assert likeness(looks[0].fine, looks[-1].fine) < same


def test_cuts_are_noticed_and_noise_and_drift_are_not(frames: list[Luma]) -> None:
    noise = np.random.default_rng(0)
    scene = Scene(TrackSettings().cut_levels)
    assert scene.is_cut(frames[0])
    for _ in range(5):
        assert not scene.is_cut((frames[0] + noise.integers(0, 9, frames[0].shape)).astype(np.uint8))
    for shift in range(0, 60, 12):
        assert not scene.is_cut(np.roll(frames[0], shift, 1))
    assert scene.is_cut(255 - frames[0])
    assert scene.is_cut(frames[0][:400])


class Eyes:
    """A detector that finds what it is told to, and keeps account of the pixels it looked at."""

    def __init__(self) -> None:
        self.faces: list[Face] = []
        self.pixels = 0.0

    def search(self, luma: Luma, reduction: float = 1.0, upsample: int = 0) -> list[Face]:
        self.pixels += luma.size * 4**upsample / reduction**2
        return self.faces

    def confirms(self, luma: Luma, face: Face) -> bool:
        return bool(luma.any()) and face.score > 0.2


def test_searching_in_vain_has_bounded_cost_and_finds_a_new_face_within_two_frames() -> None:
    eyes, luma = Eyes(), np.ones((1080, 1920), np.uint8)
    search = FaceSearch(SearchSettings(), eyes)  # type: ignore[arg-type]
    for _ in range(200):
        assert search.find(luma) == []
    assert eyes.pixels < 0.85 * 200 * luma.size
    eyes.faces = [Face(100, 100, 90, 1.0)]
    assert any(search.find(luma) for _ in range(2))


def test_a_new_scene_is_searched_to_the_smallest_face_at_once_but_not_if_every_frame_is_new() -> None:
    eyes, luma = Eyes(), np.ones((720, 1280), np.uint8)
    search = FaceSearch(SearchSettings(), eyes)  # type: ignore[arg-type]
    search.find(luma)
    assert eyes.pixels > 5 * luma.size
    eyes.pixels = 0
    for _ in range(24):
        search.restart()
        search.find(luma)
    assert eyes.pixels < 2 * 5.5 * luma.size + 24 * 1.4 * luma.size


def test_a_doubtful_find_counts_only_when_confirmed() -> None:
    eyes, luma = Eyes(), np.ones((240, 320), np.uint8)
    search = FaceSearch(SearchSettings(), eyes)  # type: ignore[arg-type]
    eyes.faces = [Face(0, 0, 80, 0.1)]
    assert search.find(luma) == []
    eyes.faces = [Face(0, 0, 80, 0.25)]
    assert search.find(luma) == eyes.faces


@pytest.mark.parametrize(
    ("left", "missing", "rival", "company", "alone", "follows"),
    [
        (100, 1, False, False, True, True),  # back where it was
        (100, 1, True, True, True, False),  # somebody in front of it
        (100, 30, True, True, True, True),  # who stays
        (250, 1, False, False, True, True),  # it has moved
        (250, 1, False, True, True, False),  # or it is the other one
        (250, 1, False, False, False, False),
        (900, 5, False, False, True, False),  # somebody elsewhere
        (900, 13, False, False, True, True),
    ],
)
def test_who_takes_a_lost_faces_place(
    left: float, missing: int, rival: bool, company: bool, alone: bool, follows: bool
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2, 300, 300), dtype=np.uint8)
    mine, other = (face_look(luma, shape()) for luma in noise)
    lost = LostFace(Face(100, 100, 100, 1.0), (mine,), company, other if rival else None, missing)
    newcomer = Face(left, 100, 100, 1.0)
    assert lost.yields_to(newcomer, other, alone, TrackSettings()) is follows
    assert lost.yields_to(newcomer, mine, alone, TrackSettings())
