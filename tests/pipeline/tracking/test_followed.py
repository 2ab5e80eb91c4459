"""What is decided about a followed face, by numbers alone: no picture, no model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.tracking import TrackSettings
from pipeline.tracking.detection import Face
from pipeline.tracking.face_box import BoxModel
from pipeline.tracking.face_look import SIDE, FaceLook
from pipeline.tracking.followed import COMPANY_FRAMES, MEMORY_FRAMES, SURVEY_FRAMES, FollowedFace, Step

SETTINGS = TrackSettings()
POINTS = np.random.default_rng(0).uniform(100, 200, (68, 2)).astype(np.float32)
BOX = Face(90, 90, 120, 1.2)


def a_look(seed: int) -> FaceLook:
    """One that is like no other seed's."""
    return FaceLook(np.random.default_rng(seed).integers(0, 1024, (SIDE, SIDE)))


MINE, THEIRS = a_look(1), a_look(2)


def a_face(**changes: object) -> FollowedFace:
    face = FollowedFace.found(BOX, POINTS, MINE, 1, SETTINGS)
    return replace(face, **changes)  # type: ignore[arg-type]


def moved_by(share: float) -> Face:
    """The box, that share of its size to the right."""
    return replace(BOX, left=BOX.left + share * BOX.size)


@pytest.mark.parametrize(
    ("changes", "alike", "expected"),
    [
        ({"age": 1}, None, Step.CARRY),
        ({"age": SETTINGS.detect_every - 1, "model": BoxModel(0.2, 5)}, None, Step.CARRY),
        ({"age": SETTINGS.detect_every, "model": BoxModel(0.2, 5)}, None, Step.DETECT),
        ({"age": SETTINGS.detect_every // 2}, None, Step.DETECT),
        ({"age": 2, "motion": 0.05}, None, Step.DETECT),
        ({"age": 1, "motion": 0.05}, None, Step.CARRY),
        ({"age": 2, "box": replace(BOX, score=0.5)}, None, Step.DETECT),
        ({"age": 1, "box": replace(BOX, score=0.3)}, None, Step.DETECT),
        ({"age": 1}, 0.95, Step.CARRY),
        ({"age": 1}, 0.7, Step.LOST),
    ],
    ids=[
        "fresh",
        "calm",
        "due",
        "little-known",
        "moving",
        "moving-fresh",
        "unsure",
        "doubtful",
        "cut-same",
        "cut-other",
    ],
)
def test_a_frame_is_begun_by_what_is_known(changes: dict[str, object], alike: float | None, expected: Step) -> None:
    assert a_face(**changes).first_step(alike, SETTINGS) is expected


def test_a_prediction_is_taken_or_doubted() -> None:
    face = a_face()
    assert face.after_prediction(POINTS, BOX, MINE, SETTINGS) is Step.CARRY
    assert face.after_prediction(POINTS, moved_by(0.05), MINE, SETTINGS) is Step.CARRY
    assert face.after_prediction(POINTS, moved_by(0.07), MINE, SETTINGS) is Step.DETECT
    assert face.after_prediction(POINTS, BOX, THEIRS, SETTINGS) is Step.DETECT
    squeezed = POINTS * np.array([1, 1.5], np.float32)
    assert face.after_prediction(squeezed, BOX, MINE, SETTINGS) is Step.DETECT


def test_beside_its_place_a_face_may_be_another() -> None:
    here, near, far = moved_by(0.2), moved_by(0.3), moved_by(0.6)
    still, crowded = a_face(), a_face(uncrowded=3)
    assert still.is_at(here, SETTINGS)
    assert not still.is_at(near, SETTINGS)
    assert not still.is_another(near, THEIRS, SETTINGS)
    assert still.is_another(far, THEIRS, SETTINGS)
    assert not still.is_another(far, MINE, SETTINGS)
    assert not a_face(motion=0.1).is_another(far, THEIRS, SETTINGS)
    assert crowded.is_another(near, THEIRS, SETTINGS)
    assert not crowded.is_another(here, THEIRS, SETTINGS)


def test_company_is_remembered_for_a_while() -> None:
    small, beside, on_top = Face(300, 90, 50, 1.0), Face(300, 90, 100, 1.0), Face(100, 90, 120, 1.0)
    assert not a_face().seen_with(BOX, [BOX, small, on_top], SETTINGS).has_company
    face = a_face().seen_with(BOX, [BOX, beside], SETTINGS)
    for _ in range(COMPANY_FRAMES):
        assert face.has_company
        face = face.aged()
    assert not face.has_company


def test_looks_are_kept_while_the_face_is_calm() -> None:
    face = a_face()
    for _ in range(MEMORY_FRAMES):
        face = face.aged().moved(POINTS, BOX, MINE, SETTINGS)
    assert (face.remembered, face.changing, face.startling) == (0, False, False)
    changed = face.aged().moved(POINTS, BOX, THEIRS, SETTINGS)
    assert (changed.changing, changed.startling) == (True, True)
    for _ in range(SURVEY_FRAMES):
        assert not replace(changed, unsurveyed=0).wants_survey
        changed = changed.aged()
    assert changed.wants_survey


def test_a_detection_begins_the_calibration_anew_where_it_is_elsewhere() -> None:
    face = a_face(age=6)
    near = face.corrected(moved_by(0.1), POINTS, MINE, SETTINGS)
    far = face.corrected(moved_by(0.6), POINTS, MINE, SETTINGS)
    assert (near.age, near.model.count, far.model.count) == (0, 2, 1)
    assert far.motion > near.motion > 0


def test_what_never_was_sure_yields_to_a_sure_face_of_twice_its_merit() -> None:
    doubtful = FollowedFace.found(replace(BOX, score=0.1), POINTS, MINE, 1, SETTINGS)
    large = Face(300, 90, 400, 1.5)
    assert doubtful.yields_to(large, SETTINGS)
    assert not doubtful.yields_to(replace(large, score=0.5), SETTINGS)
    assert not a_face().yields_to(large, SETTINGS)
    assert doubtful.wants_look(SETTINGS) == (doubtful.unlooked >= SETTINGS.look_every // 6)
    assert replace(doubtful, unlooked=SETTINGS.look_every // 6).wants_look(SETTINGS)
    assert not replace(a_face(), unlooked=SETTINGS.look_every // 6).wants_look(SETTINGS)
