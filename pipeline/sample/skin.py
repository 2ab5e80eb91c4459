"""The head without what moves in it: ears, shaded skin, nose, freckles and stubble, painted once per speaker."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.sample.canvas import Canvas, Mask, Picture, curve, disc, ribbon
from pipeline.sample.landmarks import MOUTH_Y, FaceState, Points, face_landmarks
from pipeline.sample.relief import Field, bump, noise, rounded, shade
from pipeline.sample.speakers import Speaker

_SKULL = [(0.80, -0.28), (0.80, -0.55), (0.735, -0.88), (0.53, -1.15), (0.26, -1.29), (0.0, -1.33)]


def head_outline(speaker: Speaker) -> Points:
    """Jaw and skull as one closed curve, in units; its lower half goes through landmarks 1-17."""
    jaw = face_landmarks(speaker, FaceState())[:17]
    right = np.array(_SKULL) * (speaker.face_width, 1.0)
    return curve(np.concatenate([jaw, right, right[-2::-1] * (-1, 1)]), closed=True)


def ear_outline(side: int) -> Points:
    """The ear at the picture's left (-1) or right (1)."""
    ear = [(0.74, -0.06), (0.85, -0.14), (0.93, -0.08), (0.92, 0.1), (0.875, 0.27), (0.82, 0.36), (0.74, 0.3)]
    return curve(np.array(ear) * (side, 1), closed=True)


def paint_skin(speaker: Speaker, canvas: Canvas, x: Field, y: Field) -> Mask:
    """Paint ears and face on the canvas; returns their joint mask. `x`, `y`: each pixel's place in units."""
    rng = np.random.default_rng([speaker.look, 1])
    shape = x.shape[0], x.shape[1]
    ears = np.maximum(canvas.full_cover(ear_outline(-1)), canvas.full_cover(ear_outline(1)))
    head = canvas.full_cover(head_outline(speaker))
    skin = _albedo(speaker, x, y, canvas.scale, rng)

    ear_relief = rounded(ears, canvas.scale, 0.09, 0.08, 0.012)
    ear_skin = shade(skin * np.array([0.97, 0.84, 0.80], np.float32), ear_relief, canvas.scale, speaker.light, 0.02)
    face_skin = shade(skin, _face_relief(speaker, head, canvas.scale, x, y), canvas.scale, speaker.light, 0.11)
    _fold_ears(canvas, ear_skin)
    canvas.picture[:] = ear_skin + head[..., None] * (face_skin - ear_skin)
    _paint_nose(speaker, canvas)
    _paint_folds(speaker, canvas)
    _paint_marks(speaker, canvas, rng)
    canvas.picture *= (1 + 0.012 * noise(shape, 2.0, rng))[..., None]
    return np.asarray(np.maximum(ears, head))


def _albedo(speaker: Speaker, x: Field, y: Field, scale: float, rng: np.random.Generator) -> Picture:
    """Skin colour with mottling, blush and the shadow of a shaven beard."""
    shape = x.shape[0], x.shape[1]
    skin = np.empty((*shape, 3), np.float32)
    skin[:] = speaker.skin
    skin *= (1 + 0.010 * noise(shape, 0.10 * scale, rng) + 0.006 * noise(shape, 0.03 * scale, rng))[..., None]
    red = 0.55 * (bump(x, y, (0.47, 0.42), 0.16, 0.12) + bump(x, y, (-0.47, 0.42), 0.16, 0.12))
    red += 0.45 * bump(x, y, (0, 0.40), 0.12, 0.10) + 0.25 * bump(x, y, (0, 1.15), 0.16, 0.1)
    red += 0.3 * (bump(x, y, (0.35, -0.02), 0.17, 0.07) + bump(x, y, (-0.35, -0.02), 0.17, 0.07))
    red += 0.06 * noise(shape, 0.12 * scale, rng)
    skin *= 1 + red[..., None] * np.array([0.0, -0.17, -0.15], np.float32)
    if speaker.stubble > 0:
        beard = np.clip(1.15 * bump(x, y, (0, 1.22), 0.62, 0.30) + 0.9 * bump(x, y, (0, 0.63), 0.24, 0.06), 0, 1)
        beard += 0.9 * (bump(x, y, (0.7, 0.7), 0.13, 0.35) + bump(x, y, (-0.7, 0.7), 0.13, 0.35))
        beard = np.clip(beard, 0, 1) * speaker.stubble
        shadow = 0.75 * np.array(speaker.hair, np.float32) + 0.15 * np.array(speaker.skin, np.float32)
        hairs = np.clip(0.55 + 0.35 * noise(shape, 2.2, rng), 0, 1) * beard * 0.62
        skin += hairs[..., None] * (shadow - skin)
    return skin


def _face_relief(speaker: Speaker, head: Mask, scale: float, x: Field, y: Field) -> Field:
    """Height of the resting face in units, for shading only."""
    relief = rounded(head, scale, 0.72, 0.50, 0.05)

    def both(centre: tuple[float, float], width: float, tall: float) -> Field:
        return bump(x, y, centre, width, tall) + bump(x, y, (-centre[0], centre[1]), width, tall)

    relief += 0.040 * both((0.34, -0.22), 0.20, 0.055)  # brow ridge
    relief -= 0.115 * both((0.33, -0.03), 0.15, 0.085)  # eye sockets
    relief -= 0.05 * both((0.155, 0.0), 0.05, 0.08)
    relief += 0.055 * both((0.355, 0.01), 0.105, 0.075)  # eyeballs
    relief += 0.050 * both((0.48, 0.33), 0.17, 0.13)  # cheeks
    relief -= 0.030 * both((0.52, 0.78), 0.13, 0.16)
    relief += 0.060 * bump(x, y, (0, MOUTH_Y), 0.25, 0.17)  # the muzzle
    relief -= 0.016 * bump(x, y, (0, 0.605), 0.026, 0.06)  # philtrum
    relief -= 0.045 * bump(x, y, (0, 0.985), 0.17, 0.045)  # below the lip
    relief += 0.065 * bump(x, y, (0, 1.13), 0.14, 0.095)  # chin
    relief += _nose_relief(speaker, x, y)
    return np.asarray(cv2.GaussianBlur(relief, (0, 0), 0.012 * scale), np.float32)


def _nose_relief(speaker: Speaker, x: Field, y: Field) -> Field:
    tip = -0.04 + 0.44 * speaker.nose_length
    along = np.clip((y + 0.16) / (tip + 0.16), 0, 1)
    beyond = np.clip((y - tip) / 0.10, 0, 1)
    ridge = (0.035 + 0.17 * along**1.4) * (1 - beyond**2) * np.clip((y + 0.28) / 0.16, 0, 1)
    width = (0.060 + 0.035 * along) * (0.6 + 0.4 * speaker.nose_width)
    nose = ridge * np.exp(-0.5 * (x / width) ** 2)
    nose = nose + 0.05 * bump(x, y, (0, tip - 0.03), 0.065, 0.055)
    for side in (-1, 1):
        nose = nose + 0.085 * bump(x, y, (side * 0.128 * speaker.nose_width, tip + 0.03), 0.048, 0.048)
    return np.asarray(nose, np.float32)


def _paint_nose(speaker: Speaker, canvas: Canvas) -> None:
    """Nostrils, wings and the nose's own shadow, at landmarks 28-36."""
    nose = face_landmarks(speaker, FaceState())[27:36]
    base, shadow_side = nose[6, 1], -np.sign(speaker.light)
    cast = np.array([(0.02, base - 0.16), (0.15, base - 0.06), (0.19, base + 0.07), (0.02, base + 0.09)])
    canvas.tint(curve(cast * (shadow_side, 1), closed=True), (0.80, 0.72, 0.70), 0.55, soft=0.035)
    under = nose[4:] + np.array([(0.0, 0.0), (0.0, 0.02), (0.0, 0.025), (0.0, 0.02), (0.0, 0.0)])
    canvas.tint(ribbon(curve(under), [0.02, 0.05, 0.055, 0.05, 0.02]), (0.66, 0.54, 0.50), 0.75, soft=0.012)
    for side, wing in ((-1, nose[4]), (1, nose[8])):
        hole = disc((side * 0.078 * speaker.nose_width, base - 0.026), 0.034 * speaker.nose_width, 0.0155)
        canvas.tint(hole, (0.24, 0.15, 0.14), 0.9, soft=0.005)
        fold = wing + np.array([(0.012, 0.012), (0.034, -0.03), (0.014, -0.084), (-0.02, -0.115)]) * (side, 1)
        canvas.tint(ribbon(curve(fold), [0.012, 0.026, 0.018, 0.004]), (0.62, 0.50, 0.46), 0.7, soft=0.007)


def _paint_folds(speaker: Speaker, canvas: Canvas) -> None:
    """From the nose to the mouth's corners, and below the eyes."""
    for side in (-1, 1):
        wing = 0.165 * speaker.nose_width
        laugh = np.array([(wing, 0.46), (wing + 0.09, 0.56), (wing + 0.17, 0.70)]) * (side, 1)
        canvas.tint(ribbon(curve(laugh), [0.01, 0.03, 0.004]), (0.82, 0.74, 0.72), 0.45, soft=0.012)
        bag = np.array([(0.21, 0.075), (0.30, 0.122), (0.42, 0.115), (0.49, 0.07)]) * (side, 1)
        canvas.tint(ribbon(curve(bag), [0.008, 0.024, 0.02, 0.004]), (0.80, 0.70, 0.70), 0.4, soft=0.01)


def _paint_marks(speaker: Speaker, canvas: Canvas, rng: np.random.Generator) -> None:
    """Freckles over nose and cheeks, and a mole."""
    for _ in range(round(170 * speaker.freckles)):
        place = (rng.normal(0, 0.34), rng.normal(0.34, 0.12))
        if abs(place[0]) < 0.62 and 0.1 < place[1] < 0.62:
            canvas.tint(
                disc(place, rng.uniform(0.004, 0.0105), corners=8), (0.76, 0.62, 0.52), rng.uniform(0.3, 0.8), 0.003
            )
    if speaker.mole is not None:
        canvas.fill(disc(speaker.mole, 0.016), (62, 38, 30), 0.85, 0.004)


def _fold_ears(canvas: Canvas, ear_skin: Picture) -> None:
    """The ear's inner fold and hollow."""
    ears = Canvas(ear_skin, canvas.project, canvas.scale)
    for side in (-1, 1):
        rim = np.array([(0.80, -0.05), (0.862, -0.045), (0.868, 0.07), (0.83, 0.19)]) * (side, 1)
        ears.tint(ribbon(curve(rim), [0.01, 0.03, 0.03, 0.012]), (0.66, 0.54, 0.50), 0.8, soft=0.009)
        ears.tint(disc((side * 0.80, 0.12), 0.035, 0.08), (0.58, 0.46, 0.42), 0.8, soft=0.016)
