"""Eyes, turn and tilt from landmarks made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from model.drawing.faces import extremeness, eye_opening, open_mouth_shut_eyes, tilt_degrees, turn


def face(eyes: float = 6.0, mouth: float = 4.0, nose_x: float = 0.0, tilt: float = 0.0) -> np.ndarray:
    """(68, 2) float32 of a face about (112, 112): eyes 20 wide and 40 apart, the jaw 100 wide."""
    points = np.zeros((68, 2))
    points[0], points[16], points[30] = (-50, 0), (50, 0), (nose_x, 20)
    for first, x in ((36, -40), (42, 20)):
        points[first : first + 6] = [
            (x, 0),
            (x + 7, -eyes / 2),
            (x + 13, -eyes / 2),
            (x + 20, 0),
            (x + 13, eyes / 2),
            (x + 7, eyes / 2),
        ]
    points[51], points[57] = (0, 45 - mouth / 2), (0, 45 + mouth / 2)
    angle = np.radians(tilt)
    turned = points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (112 + turned).astype(np.float32)


def test_an_eyes_opening_is_its_height_over_its_width() -> None:
    opening = eye_opening(np.stack([face(eyes=6), face(eyes=0), face(eyes=6, tilt=40)]))
    assert opening == pytest.approx([0.3, 0, 0.3], abs=1e-6)


def test_a_turned_head_has_its_nose_nearer_to_one_side() -> None:
    faces = np.stack([face(), face(nose_x=25), face(nose_x=-25, tilt=30), face(nose_x=50), face(nose_x=80)])
    assert turn(faces) == pytest.approx([0, 0.5, -0.5, 1, 1], abs=0.25)
    assert turn(faces)[[0, 1, 3]] == pytest.approx([0, 0.5, 1], abs=1e-6)


def test_a_tilt_is_the_angle_of_the_eyes() -> None:
    assert tilt_degrees(np.stack([face(), face(tilt=20), face(tilt=-90)])) == pytest.approx([0, 20, -90], abs=1e-3)


def test_the_more_turned_and_tilted_the_more_extreme() -> None:
    order = extremeness(np.stack([face(), face(tilt=10), face(nose_x=25), face(nose_x=25, tilt=30)]))
    assert (np.diff(order) > 0).all()
    assert order[:2] == pytest.approx([0, np.sin(np.radians(10))], abs=1e-3)


def test_an_open_mouth_with_shut_eyes_scores_by_both() -> None:
    open_eyes = [face(eyes=6, mouth=4)] * 5
    frames = np.stack([*open_eyes, face(eyes=0, mouth=4), face(eyes=6, mouth=40), face(eyes=1.5, mouth=40)])
    scores = open_mouth_shut_eyes(frames)
    assert scores[:5] == pytest.approx([0] * 5)
    assert scores[6] == 0, "a mouth alone is not enough"
    assert 0 < scores[5] < scores[7], "nor do shut eyes above a closed mouth win"
    assert scores[7] == pytest.approx(40 / 80 * 0.75)
