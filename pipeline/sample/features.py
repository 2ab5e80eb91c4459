"""What moves in a face and is painted anew in every frame: eyes, brows and the mouth with all that is in it."""

from __future__ import annotations

import numpy as np

from pipeline.sample.canvas import Canvas, curve, disc, ribbon
from pipeline.sample.landmarks import MOUTH_Y, FaceState, Points, face_landmarks, jaw_drop
from pipeline.sample.speakers import Speaker

_LASH = (34, 24, 22)
_TOOTH_WIDTHS = (0.052, 0.044, 0.041, 0.038)  # from the middle outwards


def paint_features(canvas: Canvas, speaker: Speaker, state: FaceState, landmarks: Points) -> None:
    """Paint brows, eyes and mouth at the landmarks (68, 2) in units that `face_landmarks` gives for this state."""
    resting_eye = face_landmarks(speaker, FaceState())[36:42]
    for side in (-1, 1):
        mirrored = landmarks * (-side, 1)  # each eye and brow is painted as the left one
        eye = mirrored[36:42] if side == -1 else mirrored[[45, 44, 43, 42, 47, 46]]
        brow = mirrored[17:22] if side == -1 else mirrored[26:21:-1]
        _paint_brow(canvas, speaker, brow, side)
        _paint_eye(canvas, speaker, state, eye, resting_eye, side)
    _paint_mouth(canvas, speaker, state, landmarks[48:68])


def _placed(points: Points, side: int) -> Points:
    """Left-eye points to the side they belong to."""
    return points * (-side, 1)


def _paint_brow(canvas: Canvas, speaker: Speaker, brow: Points, side: int) -> None:
    line = curve(brow + (0, 0.006))
    weight = speaker.brow_weight
    colour = 0.62 * np.array(speaker.hair) + 0.06 * np.array(speaker.skin)
    shape = ribbon(line, np.array([0.012, 0.042, 0.056, 0.06, 0.046]) * weight)
    canvas.fill(_placed(shape, side), colour, 0.62, soft=0.012)
    canvas.fill(_placed(ribbon(line, np.array([0.006, 0.026, 0.036, 0.036, 0.02]) * weight), side), colour, 0.6, 0.005)
    rng = np.random.default_rng([speaker.look, 2])
    for place in np.linspace(0.04, 0.98, 20):
        root = line[int(place * (len(line) - 1))] + rng.normal(0, 0.006, 2) + (0, 0.016 * weight)
        lean = np.array([-0.045 - 0.02 * (1 - place), -0.036 * weight * (0.35 + 0.65 * place)])
        hair = ribbon(np.stack([root, root + 0.5 * lean + (0, -0.004), root + lean]), [0.008, 0.007, 0.002])
        canvas.fill(_placed(hair, side), 0.8 * colour, 0.65)


def _paint_eye(canvas: Canvas, speaker: Speaker, state: FaceState, eye: Points, resting: Points, side: int) -> None:
    upper, lower = curve(eye[:4]), curve([eye[3], eye[4], eye[5], eye[0]])
    open_upper = curve(resting[:4])
    contour = np.concatenate([upper, lower])

    def eyeball(inner: Canvas) -> None:
        _paint_eyeball(inner, speaker, state, resting, side)
        inner.tint(_placed(ribbon(upper + (0, 0.008), [0.03, 0.045, 0.03]), side), (0.42, 0.38, 0.40), 0.75, 0.014)

    canvas.clipped(_placed(contour, side), eyeball, soft=0.003)
    if state.blink > 0.02:
        _paint_lid(canvas, speaker, upper, open_upper, side)
    crease = open_upper + (0, -0.034 + 0.01 * state.blink)
    skin_shadow = (0.56, 0.44, 0.42)
    canvas.tint(
        _placed(ribbon(crease[2:-2], [0.008, 0.016, 0.012, 0.004]), side), skin_shadow, 0.8 - 0.4 * state.blink, 0.005
    )
    feminine = speaker.sex == "F"
    wing = eye[0] + ((-0.035, -0.022 + 0.03 * state.blink) if feminine else (-0.012, -0.004))
    lashes = np.concatenate([wing[None], upper])
    thick = 1.25 if feminine else 0.9
    widths = np.array([0.006, 0.026, 0.026, 0.022, 0.014, 0.006]) * thick
    canvas.fill(_placed(ribbon(lashes, widths), side), _LASH, 0.92, 0.003)
    canvas.tint(_placed(ribbon(lower, [0.003, 0.007, 0.009, 0.01]), side), (0.5, 0.36, 0.34), 0.7, 0.004)
    canvas.fill(
        _placed(disc(eye[3] + (0.004, 0.004), 0.011, 0.008, 10), side), (206, 134, 124), 0.6 * (1 - state.blink), 0.004
    )


def _paint_eyeball(canvas: Canvas, speaker: Speaker, state: FaceState, resting: Points, side: int) -> None:
    """White, iris, pupil and glint; the caller clips them to the lids."""
    middle = resting.mean(axis=0)
    canvas.fill(_placed(disc(middle, 0.22, 0.14), side), (228, 222, 216))
    for corner in (resting[0], resting[3]):
        canvas.tint(_placed(disc(corner, 0.06, 0.06), side), (0.84, 0.70, 0.68), 0.8, 0.025)
    gaze = np.array([0.05 * state.gaze[0], 0.02 * state.gaze[1]])
    centre = _placed(middle, side) + gaze + (0, -0.006)
    iris = np.array(speaker.iris, float)
    canvas.fill(disc(centre, 0.073), 0.32 * iris, 1.0, 0.004)
    canvas.fill(disc(centre, 0.064), 0.92 * iris, 1.0, 0.006)
    canvas.fill(disc(centre + (0, 0.022), 0.042, 0.03), np.minimum(1.55 * iris + 22, 255), 0.6, 0.012)
    canvas.fill(disc(centre, 0.031), (12, 10, 12), 1.0, 0.003)
    canvas.fill(disc(centre + (0.024 * np.sign(speaker.light), -0.024), 0.0135), (255, 255, 252), 0.95, 0.002)
    canvas.fill(disc(centre + (-0.028 * np.sign(speaker.light), 0.022), 0.008), (255, 255, 255), 0.35, 0.003)


def _paint_lid(canvas: Canvas, speaker: Speaker, upper: Points, open_upper: Points, side: int) -> None:
    """The part of the upper lid that a blink uncovers, in the speaker's own lid colour."""
    lid = _placed(np.concatenate([open_upper + (0, -0.012), upper[::-1]]), side)
    colour = np.array(speaker.lid, float)
    canvas.fill(lid, colour, 0.95, 0.004)
    middle = 0.5 * (open_upper + upper)

    def roundness(inner: Canvas) -> None:
        inner.fill(
            _placed(ribbon(middle[6:-6], [0.006, 0.04, 0.006]), side), np.minimum(colour * 1.25 + 14, 255), 0.5, 0.014
        )
        inner.tint(_placed(ribbon(open_upper, [0.02, 0.03, 0.02]), side), (0.7, 0.64, 0.64), 0.7, 0.01)

    canvas.clipped(lid, roundness)


def _paint_mouth(canvas: Canvas, speaker: Speaker, state: FaceState, mouth: Points) -> None:
    """Lips around the 20 mouth points, and between them teeth, tongue and darkness."""
    lips = np.array(speaker.lips, float)
    top, bottom = curve(mouth[:7]), curve(np.concatenate([mouth[6:12], mouth[:1]]))
    inner_top, inner_bottom = curve(mouth[12:17]), curve(np.concatenate([mouth[16:20], mouth[12:13]]))
    seam = np.concatenate([mouth[:1], inner_top, mouth[6:7]])
    below = bottom[::-1] + (0, 0.045)
    canvas.tint(ribbon(below[8:-8], [0.01, 0.05, 0.01]), (0.66, 0.56, 0.54), 0.6, 0.022)
    canvas.fill(np.concatenate([top, bottom]), lips, 0.94, 0.004)

    def relief(inner: Canvas) -> None:
        inner.tint(np.concatenate([top, seam[::-1]]), (0.76, 0.70, 0.70), 0.85, 0.012)
        inner.tint(ribbon(bottom, [0.02, 0.045, 0.02]), (0.70, 0.64, 0.64), 0.6, 0.016)
        shine = 0.5 * (inner_bottom[::-1] + curve(np.concatenate([mouth[:1], mouth[11:6:-1], mouth[6:7]]))[
            np.linspace(0, 48, len(inner_bottom)).astype(int)])  # fmt: skip
        inner.fill(ribbon(shine[8:-8], [0.004, 0.034, 0.004]), np.minimum(lips * 1.15 + 60, 255), 0.5, 0.016)
        bow = 0.35 * inner_top + 0.65 * curve(mouth[1:6])
        inner.fill(ribbon(bow[8:-8], [0.003, 0.012, 0.003]), np.minimum(lips + 60, 255), 0.28, 0.01)

    canvas.clipped(np.concatenate([top, bottom]), relief, soft=0.003)
    cavity = np.concatenate([inner_top, inner_bottom])
    if state.open > 0.02:
        canvas.clipped(cavity, lambda inner: _paint_cavity(inner, speaker, state, mouth), soft=0.003)
    dark = (58, 20, 22)
    line = 0.017 if state.open < 0.06 else 0.011
    canvas.fill(ribbon(seam, [0.006, line, line, line, 0.006]), dark, 0.8, 0.004)
    canvas.fill(ribbon(inner_bottom, [0.004, 0.008, 0.004]), dark, 0.4, 0.004)
    for corner, side in ((mouth[0], -1), (mouth[6], 1)):
        canvas.tint(disc(corner + (0.008 * side, 0.004), 0.022, 0.018), (0.52, 0.40, 0.38), 0.7, 0.012)


def _paint_cavity(canvas: Canvas, speaker: Speaker, state: FaceState, mouth: Points) -> None:
    drop = jaw_drop(state)
    canvas.fill(disc((0, MOUTH_Y + 0.5 * drop), 0.5, 0.4), (52, 14, 18))
    tongue = np.array(speaker.tongue, float)
    lift = 0.75 * drop * state.tongue
    top = MOUTH_Y + 0.06 + 0.56 * drop - lift
    canvas.fill(disc((0, top + 0.16), 0.185, 0.16), 0.72 * tongue, 1.0, 0.012)
    canvas.fill(disc((0, top + 0.135), 0.14, 0.095), tongue, 0.9, 0.03)
    canvas.tint(
        ribbon(np.array([(0, top + 0.03), (0, top + 0.09), (0, top + 0.2)]), [0.006, 0.014, 0.01]),
        (0.7, 0.6, 0.6),
        0.7,
        0.008,
    )
    _paint_teeth(canvas, speaker, MOUTH_Y + 0.012 + drop, 0.8, upper=False)
    _paint_teeth(canvas, speaker, MOUTH_Y + 0.045, 1.0, upper=True)
    inner_top = curve(mouth[12:17])
    canvas.tint(ribbon(inner_top + (0, 0.01), [0.03, 0.05, 0.03]), (0.34, 0.26, 0.26), 0.8, 0.016)
    for corner, side in ((mouth[12], 1), (mouth[16], -1)):
        canvas.tint(disc(corner + (0.02 * side, 0), 0.075, 0.16), (0.25, 0.16, 0.16), 0.85, 0.03)


def _paint_teeth(canvas: Canvas, speaker: Speaker, edge: float, size: float, upper: bool) -> None:
    """A row of eight teeth whose biting edge lies at height `edge`."""
    rng = np.random.default_rng([speaker.look, 3 if upper else 4])
    out = -1 if upper else 1  # from the biting edge to the root
    gap = speaker.tooth_gap if upper else 0.3 * speaker.tooth_gap
    jitter = rng.normal(0, 0.011 * speaker.tooth_unevenness, 8)
    span = 0.5 * gap + size * sum(_TOOTH_WIDTHS)
    gums = np.array(
        [(-span, edge + out * 0.10), (span, edge + out * 0.10), (span, edge + out * 0.3), (-span, edge + out * 0.3)]
    )
    canvas.fill(gums, 0.8 * np.array(speaker.tongue, float), 0.9, 0.01)
    for side in (-1, 1):
        start = 0.5 * gap
        for order, width in enumerate(_TOOTH_WIDTHS):
            index = 3 - order if side == -1 else 4 + order
            bite = edge + jitter[index] + out * 0.006 * order * (1.4 if upper else 0.8)
            left, right = start + 0.0018, start + size * width - 0.0018
            shape = [(left, bite + out * 0.15), (left, bite + out * 0.02), (left + 0.008, bite), (right - 0.008, bite),
                     (right, bite + out * 0.02), (right, bite + out * 0.15)]  # fmt: skip
            gold = upper and index == speaker.gold_tooth
            colour = np.array((214, 164, 60) if gold else speaker.teeth, float) * (1 - 0.07 * order)
            canvas.fill(np.array(shape) * (side, 1), colour if upper else 0.86 * colour)
            start += size * width
