"""Eyes and brows, painted anew in every frame; the right ones are left ones on a mirrored canvas."""

from __future__ import annotations

import numpy as np

from pipeline.sample.canvas import Canvas, curve, disc, ribbon, shifted
from pipeline.sample.landmarks import FaceState, Points, face_landmarks
from pipeline.sample.speakers import Speaker

_LASH = (34, 24, 22)
# From each landmark to the painted brow: the points run along the upper edge, and the last hairs go beyond them.
_BROW_INK = np.array([(-0.03, 0.03), (-0.024, 0.03), (-0.022, 0.032), (-0.02, 0.022), (-0.018, 0.01)])
# From each landmark to the painted lid line: the outer corner's point lies where white begins, inside the lashes.
_RIM = np.array([(-0.04, 0.008), (-0.022, 0.008), (-0.02, 0.01), (-0.006, 0.01), (-0.018, 0.01), (-0.024, 0.009)])


def paint_eyes(canvas: Canvas, speaker: Speaker, state: FaceState, landmarks: Points) -> None:
    """Paint both brows and eyes at the landmarks (68, 2) in units."""
    resting = face_landmarks(speaker, FaceState())[36:42]
    right = landmarks * (-1, 1)
    gaze, glint = np.array(state.gaze), np.sign(speaker.light)
    for half, brow, eye, side in (
        (canvas, landmarks[17:22], landmarks[36:42], 1),
        (canvas.mirrored(), right[26:21:-1], right[[45, 44, 43, 42, 47, 46]], -1),
    ):
        _paint_brow(half, speaker, brow)
        _paint_eye(half, speaker, state.blink, eye, resting, gaze * (side, 1), glint * side)


def _paint_brow(canvas: Canvas, speaker: Speaker, brow: Points) -> None:
    """A soft band and single hairs along the five brow points, outer end first."""
    line = curve(brow + _BROW_INK)
    weight = speaker.brow_weight
    skin = np.array(speaker.skin)
    colour = np.minimum(0.62 * np.array(speaker.hair) + 0.06 * skin, 0.48 * skin)  # fair brows still show
    canvas.fill(ribbon(line, np.array([0.012, 0.040, 0.056, 0.062, 0.05]) * weight), colour, 0.55, soft=0.011)
    canvas.fill(ribbon(line, np.array([0.006, 0.026, 0.038, 0.040, 0.022]) * weight), colour, 0.6, soft=0.005)
    rng = np.random.default_rng([speaker.look, 2])
    for place in np.linspace(0.16, 0.99, 18):
        at = int(place * (len(line) - 1))
        outwards = line[max(at - 3, 0)] - line[at]
        outwards = outwards / max(float(np.hypot(*outwards)), 1e-6)
        root = shifted(line[at] + rng.normal(0, 0.004, 2), 0, 0.018 * weight * place)
        tip = root + 0.055 * outwards + (0.0, -0.026 * weight * place)
        hair = ribbon(np.stack([root, 0.5 * (root + tip) + (0.0, -0.003), tip]), [0.009, 0.007, 0.002])
        canvas.fill(hair, 0.75 * colour, 0.6)


def _paint_eye(
    canvas: Canvas, speaker: Speaker, blink: float, eye: Points, resting: Points, gaze: Points, glint: float
) -> None:
    """Eyeball, lid, crease and lashes of an eye; `resting` is the same eye open."""
    feminine = speaker.sex == "F"
    eye, resting = eye + _RIM, resting + _RIM
    outer = eye[:1]
    upper, lower = curve(eye[:4]), curve(eye[[3, 4, 5, 0]])
    open_upper = curve(resting[:4])

    def eyeball(inner: Canvas) -> None:
        _paint_eyeball(inner, speaker, resting, gaze, glint)
        inner.tint(ribbon(shifted(upper, 0, 0.008), [0.01, 0.04, 0.02]), (0.46, 0.42, 0.44), 0.7, 0.012)

    canvas.clipped(np.concatenate([upper, lower]), eyeball, soft=0.003)
    if blink > 0.02:
        _paint_lid(canvas, speaker, upper, open_upper)
    crease = shifted(open_upper, 0, -0.036 + 0.01 * blink)
    canvas.tint(ribbon(crease[2:-2], [0.006, 0.016, 0.012, 0.004]), (0.56, 0.44, 0.42), 0.8 - 0.4 * blink, 0.005)
    wing = shifted(outer, *((-0.03, -0.02 + 0.03 * blink) if feminine else (-0.008, 0.0)))
    widths = np.array([0.004, 0.016, 0.024, 0.022, 0.014, 0.005]) * (1.25 if feminine else 0.95)
    canvas.fill(ribbon(np.concatenate([wing, upper]), widths), _LASH, 0.92, 0.003)
    canvas.tint(ribbon(lower, [0.003, 0.007, 0.009, 0.007]), (0.5, 0.36, 0.34), 0.7, 0.004)
    canvas.fill(disc(eye[3] + (0.002, 0.003), 0.012, 0.008, 10), (206, 134, 124), 0.7 * (1 - blink), 0.004)


def _paint_eyeball(canvas: Canvas, speaker: Speaker, resting: Points, gaze: Points, glint: float) -> None:
    """White, iris, pupil and glint; the caller clips them to the lids."""
    middle = resting.mean(axis=0)
    canvas.fill(disc(middle, 0.24, 0.14), (232, 227, 222))
    canvas.tint(disc(resting[0], 0.06, 0.06), (0.88, 0.78, 0.76), 0.6, 0.025)
    canvas.tint(disc(resting[3], 0.05, 0.05), (0.82, 0.66, 0.64), 0.8, 0.02)
    centre = middle + (0.05, 0.02) * gaze + (0.0, -0.006)
    iris = np.array(speaker.iris, float)
    canvas.fill(disc(centre, 0.073), 0.32 * iris, 1.0, 0.004)
    canvas.fill(disc(centre, 0.064), 0.92 * iris, 1.0, 0.006)
    canvas.fill(disc(shifted(centre, 0, 0.022), 0.042, 0.03), np.minimum(1.55 * iris + 22, 255), 0.6, 0.012)
    canvas.fill(disc(centre, 0.031), (12, 10, 12), 1.0, 0.003)
    canvas.fill(disc(shifted(centre, 0.024 * glint, -0.024), 0.0135), (255, 255, 252), 0.95, 0.002)
    canvas.fill(disc(shifted(centre, -0.028 * glint, 0.022), 0.008), (255, 255, 255), 0.35, 0.003)


def _paint_lid(canvas: Canvas, speaker: Speaker, upper: Points, open_upper: Points) -> None:
    """The part of the upper lid that a blink uncovers, in the speaker's own lid colour."""
    lid = np.concatenate([shifted(open_upper, 0, -0.012), upper[::-1]])
    colour = np.array(speaker.lid, float)
    middle = 0.5 * (open_upper + upper)

    def roundness(inner: Canvas) -> None:
        inner.fill(lid, colour, 0.95, 0.004)
        inner.fill(ribbon(middle[6:-6], [0.006, 0.04, 0.006]), np.minimum(colour * 1.25 + 14, 255), 0.5, 0.014)
        inner.tint(ribbon(open_upper, [0.02, 0.03, 0.02]), (0.7, 0.64, 0.64), 0.7, 0.01)

    canvas.clipped(lid, roundness, soft=0.004)
