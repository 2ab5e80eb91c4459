"""Boxes, calibration, looks, scene cuts and the search schedule: the tracker's parts, one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count

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
from pipeline.tracking.region import FaceRegion
from pipeline.tracking.scene import Scene, likeness
from pipeline.tracking.search import FaceSearch, SearchSettings, _NothingFound
from pipeline.tracking.settings import TrackSettings
from pipeline.tracking.tracker import FaceTracker

Luma = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]
DICE = np.random.default_rng(0)


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


def changing(height: int, width: int) -> Iterator[Luma]:
    """Pictures without a face, each different from the others in a pixel at least."""
    for number in count():
        luma = np.ones((height, width), np.uint8)
        luma.ravel()[number] = 2
        yield luma


def test_searching_in_vain_has_bounded_cost_and_finds_a_new_face_within_two_frames() -> None:
    eyes, pictures = Eyes(), changing(1080, 1920)
    search = FaceSearch(SearchSettings(), eyes)  # type: ignore[arg-type]
    for _ in range(200):
        assert search.find(next(pictures)) == []
    assert eyes.pixels < 0.85 * 200 * 1080 * 1920
    eyes.faces = [Face(100, 100, 90, 1.0)]
    assert any(search.find(next(pictures)) for _ in range(2))


@pytest.mark.parametrize("region", [None, FaceRegion(0.1, 0.1, 0.9, 0.9)])
def test_a_picture_that_stays_is_searched_once_and_one_without_contrast_never(region: FaceRegion | None) -> None:
    eyes, still = Eyes(), DICE.integers(0, 256, (240, 320), np.uint8)
    search = FaceSearch(SearchSettings(), eyes)  # type: ignore[arg-type]
    for level in (0, 16, 128):
        assert search.find(np.full_like(still, level), region) == []
    assert eyes.pixels == 0
    search.restart()
    for _ in range(50):
        assert search.find(still.copy(), region) == []
    assert 0 < eyes.pixels <= 5 * still.size, "once as it is, and once doubled"
    eyes.faces = [Face(100, 100, 80, 1.0)]
    assert search.find(still, region) == []
    changed = still.copy()
    changed[121, 161] ^= 1
    assert search.find(changed, region) == eyes.faces


def test_what_is_found_is_found_again_and_elsewhere_too() -> None:
    eyes, still = Eyes(), DICE.integers(0, 256, (240, 320), np.uint8)
    search = FaceSearch(SearchSettings(), eyes)  # type: ignore[arg-type]
    eyes.faces = [Face(0, 0, 80, 1.0)]
    assert search.find(still) == search.find(still) == eyes.faces
    assert search.find(still, FaceRegion(200, 100, 300, 200)) == []
    assert search.find(still) == eyes.faces
    middle = FaceRegion(0.25, 0.25, 0.75, 0.75)  # searched with all that is about it, but that face is not in it
    assert search.find(still, middle) == []
    assert search.find(still) == eyes.faces


def test_the_detector_sees_nothing_without_contrast(detector: FaceDetector) -> None:
    for level in (0, 16, 128, 255):
        assert detector.search(np.full((120, 160), level, np.uint8), upsample=1, threshold=-2.0) == []


def test_a_tracker_sees_in_pictures_that_stay_what_it_would_see_in_each(frames: list[Luma]) -> None:
    """Blank, a title, a face: with and without what is known of the frame before."""
    title = np.where(DICE.random((24, 32)) < 0.5, 30, 220).astype(np.uint8).repeat(15, 0).repeat(15, 1)
    video = [np.full_like(title, 128)] * 3 + [title] * 12 + [frames[0][:360, :480]] * 3 + [title] * 3
    model = landmark_model_path()
    seen = [FaceTracker(TrackSettings(), model).observe for _ in range(2)]
    for picture in video:
        plain = seen[0](picture)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(_NothingFound, "knows", lambda *_: (False, False))
            searched = seen[1](picture)
        assert (plain.landmarks is None) == (searched.landmarks is None)
        assert np.array_equal(plain.landmarks, searched.landmarks)
        assert (plain.score, plain.faces, plain.begins) == (searched.score, searched.faces, searched.begins)


def test_a_new_scene_is_searched_to_the_smallest_face_at_once_but_not_if_every_frame_is_new() -> None:
    eyes, pictures, size = Eyes(), changing(720, 1280), 720 * 1280
    search = FaceSearch(SearchSettings(), eyes)  # type: ignore[arg-type]
    search.find(next(pictures))
    assert eyes.pixels > 5 * size
    eyes.pixels = 0
    for _ in range(24):
        search.restart()
        search.find(next(pictures))
    assert eyes.pixels < 2 * 5.5 * size + 24 * 1.4 * size


def test_a_doubtful_find_counts_only_when_confirmed() -> None:
    eyes, pictures = Eyes(), changing(240, 320)
    search = FaceSearch(SearchSettings(), eyes)  # type: ignore[arg-type]
    eyes.faces = [Face(0, 0, 80, 0.1)]
    assert search.find(next(pictures)) == []
    eyes.faces = [Face(0, 0, 80, 0.25)]
    assert search.find(next(pictures)) == eyes.faces


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
