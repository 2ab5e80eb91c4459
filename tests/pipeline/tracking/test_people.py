"""People told apart across scenes: drawn speakers one after the other, at a threshold that suits drawings.

dlib's network sees 0.07 to 0.14 between two clips of one drawn speaker and 0.19 to 0.43 between two speakers, of real
people 0.34 at most and 0.5 at least (`benchmarks/people.py`).
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from pipeline.decode import Frame, read_frames
from pipeline.sample import write_sample_corpus
from pipeline.tracking import NOBODY, FaceTracker, People, TrackSettings, people
from pipeline.tracking.landmark_model import landmark_model_path, recognition_model_path

Scene = list[Frame]
DRAWN = 0.25  # between the two of the fixture


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Scene]]:
    """Two scenes of 15 frames of each of two speakers who do not look alike."""
    root = tmp_path_factory.mktemp("people")
    write_sample_corpus(root, speakers=4, clips=2, seconds=1.5, fps=10, size=(320, 240), workers=2)
    found = {}
    for name in ("02M", "08F"):
        clips = sorted((root / "volunteers" / name).rglob("*.mp4"))
        found[name] = [
            [Frame(f.index, f.pts_seconds, f.y.copy(), f.u.copy(), f.v.copy(), f.colour) for f in read_frames(clip)]
            for clip in clips
        ]
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever the network is asked, and sets the threshold for drawings."""
    calls: list[int] = []
    ask = people._descriptor
    monkeypatch.setattr(people, "_descriptor", lambda picture: calls.append(1) or ask(picture))
    monkeypatch.setattr(people, "OTHER_PERSON", DRAWN)
    return calls


def who_is_who(*scenes: Scene) -> list[int]:
    """The person of every frame of these scenes."""
    tracker, seen = FaceTracker(TrackSettings(), landmark_model_path()), People()
    for frame in itertools.chain(*scenes):
        face = tracker.observe(frame.y)
        if face.landmarks is None:
            seen.see_nobody()
        else:
            seen.see((frame.y, frame.u, frame.v), face.landmarks, face.begins)
    return seen.tell_apart().tolist()


def empty(scene: Scene) -> Scene:
    """As many frames without a face."""
    rows, columns = np.mgrid[:240, :320]
    y = np.asarray(90 + 30 * np.sin(columns / 57) + 20 * np.cos(rows / 31), np.uint8)
    return [Frame(f.index, f.pts_seconds, y, f.u, f.v, f.colour) for f in scene]


def closer(scene: Scene) -> Scene:
    """The same, cut in: the middle enlarged, and all a little brighter."""

    def zoomed(plane: np.ndarray) -> np.ndarray:
        height, width = plane.shape
        part = plane[height // 8 : -height // 8, width // 8 : -width // 8]
        return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)

    return [Frame(f.index, f.pts_seconds, zoomed(f.y // 8 * 7 + 28), zoomed(f.u), zoomed(f.v), f.colour) for f in scene]


def test_one_scene_costs_nothing(scenes: dict[str, list[Scene]], asked: list[int]) -> None:
    assert who_is_who(scenes["02M"][0]) == [0] * 15
    assert not asked


def test_a_cut_to_somebody_else(scenes: dict[str, list[Scene]], asked: list[int]) -> None:
    man, woman = scenes["02M"][0], scenes["08F"][0]
    assert who_is_who(man, woman[:10]) == [0] * 15 + [1] * 10
    assert who_is_who(man[:10], woman) == [1] * 10 + [0] * 15  # the main person is the one seen longer
    assert asked


def test_cuts_there_and_back(scenes: dict[str, list[Scene]], asked: list[int]) -> None:
    (man, again), woman = scenes["02M"], scenes["08F"][0]
    assert who_is_who(man[:10], woman, again[:10]) == [0] * 10 + [1] * 15 + [0] * 10
    assert len(asked) == 9


def test_jump_cuts_of_one_person(scenes: dict[str, list[Scene]]) -> None:
    for first, second in scenes.values():
        assert set(who_is_who(first[:8], closer(first)[6:], second, closer(second)[::-1])) <= {0, NOBODY}


@pytest.mark.usefixtures("asked")
def test_a_scene_without_anybody(scenes: dict[str, list[Scene]]) -> None:
    first, second = scenes["08F"]
    seen = who_is_who(first, empty(first), second)
    assert seen == [0] * 15 + [NOBODY] * 15 + [0] * 15


@pytest.mark.usefixtures("asked")
def test_a_picture_of_another_shape_is_another_scene(scenes: dict[str, list[Scene]]) -> None:
    man, woman = scenes["02M"][0], scenes["08F"][0]
    narrow = [
        Frame(f.index, f.pts_seconds, f.y[:, 40:-40], f.u[:, 20:-20], f.v[:, 20:-20], f.colour) for f in woman[:12]
    ]
    assert who_is_who(man, narrow) == [0] * 15 + [1] * 12


@pytest.mark.usefixtures("asked")
def test_equal_numbers_of_frames_go_to_the_first(scenes: dict[str, list[Scene]]) -> None:
    man, woman = scenes["02M"][0], scenes["08F"][0]
    assert who_is_who(woman[:9], man[:9]) == [0] * 9 + [1] * 9


def test_nobody_at_all() -> None:
    nobody = People()
    for _ in range(3):
        nobody.see_nobody()
    assert nobody.tell_apart().tolist() == [NOBODY] * 3
    assert People().tell_apart().tolist() == []


def test_the_network_comes_with_the_landmark_model() -> None:
    assert recognition_model_path().parent == landmark_model_path().parent
