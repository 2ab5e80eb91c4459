"""The mouth, painted anew in every frame: lips, and between them darkness, tongue, teeth and the upper lip's shadow."""

from __future__ import annotations

import numpy as np

from pipeline.sample.canvas import Canvas, curve, disc, ribbon, shifted
from pipeline.sample.landmarks import MOUTH_Y, FaceState, Points, jaw_drop
from pipeline.sample.speakers import Speaker

_DARK = (46, 14, 16)
_GOLD = (214, 164, 60)
_TOOTH_WIDTHS = (0.052, 0.044, 0.041, 0.038)  # from the middle outwards


def paint_mouth(canvas: Canvas, speaker: Speaker, state: FaceState, mouth: Points) -> None:
    """Paint the mouth at its 20 landmarks (points 49-68 in the paper) in units."""
    mouth = shifted(mouth, 0, -0.01)
    lips = np.array(speaker.lips, float)
    left, right = shifted(mouth[:1], -0.012, 0), shifted(mouth[6:7], 0.012, 0)  # the corners melt into the cheek
    top = curve(np.concatenate([left, mouth[1:6], right]))
    bottom = curve(np.concatenate([right, mouth[7:12], left]))
    inner_top, inner_bottom = curve(mouth[12:17]), curve(mouth[[16, 17, 18, 19, 12]])
    seam = np.concatenate([left, inner_top, right])
    below = shifted(bottom, 0, 0.035)
    canvas.tint(ribbon(below[8:-8], [0.01, 0.045, 0.01]), (0.60, 0.50, 0.48), 0.75, 0.015)
    canvas.tint(ribbon(shifted(top, 0, -0.016)[6:-6], [0.004, 0.02, 0.02, 0.004]), (1.2, 1.18, 1.18), 0.55, 0.008)
    outline = np.concatenate([top, bottom])
    canvas.fill(outline, lips, 0.96, 0.003)

    def relief(inner: Canvas) -> None:
        inner.tint(np.concatenate([top, seam[::-1]]), (0.76, 0.70, 0.70), 0.85, 0.008)
        shine = 0.5 * (inner_bottom + curve(mouth[[6, 8, 9, 10, 0]]))
        inner.fill(ribbon(shine[7:-7], [0.004, 0.036, 0.004]), np.minimum(lips * 1.12 + 58, 255), 0.5, 0.016)
        bow = 0.35 * inner_top + 0.65 * curve(mouth[1:6])
        inner.fill(ribbon(bow[8:-8], [0.003, 0.012, 0.003]), np.minimum(lips + 60, 255), 0.3, 0.01)
        inner.tint(ribbon(inner_bottom, [0.01, 0.03, 0.01]), (0.8, 0.66, 0.66), 0.6, 0.008)

    canvas.clipped(outline, relief, soft=0.003)
    if state.open > 0.02:
        cavity = np.concatenate([inner_top, inner_bottom])
        canvas.clipped(cavity, lambda inner: _paint_cavity(inner, speaker, state, mouth), soft=0.003)
    thick = np.interp(state.open, [0.0, 0.15], [0.021, 0.010])
    canvas.fill(ribbon(seam, [0.006, 0.7 * thick, thick, thick, thick, 0.7 * thick, 0.006]), _DARK, 0.88, 0.004)
    for corner, side in ((mouth[0], -1), (mouth[6], 1)):
        canvas.tint(disc(shifted(corner, 0.006 * side, 0.003), 0.02, 0.016), (0.52, 0.40, 0.38), 0.7, 0.011)


def _paint_cavity(canvas: Canvas, speaker: Speaker, state: FaceState, mouth: Points) -> None:
    """What lies between the inner lip lines; the caller clips it to them."""
    drop = jaw_drop(state)
    canvas.fill(disc((0, MOUTH_Y + 0.5 * drop), 0.5, 0.4), (44, 12, 16))
    tongue = np.array(speaker.tongue, float)
    top = MOUTH_Y + 0.06 + (0.56 - 0.75 * state.tongue) * drop
    canvas.fill(disc((0, top + 0.16), 0.185, 0.16), 0.72 * tongue, 1.0, 0.012)
    canvas.fill(disc((0, top + 0.135), 0.14, 0.095), tongue, 0.9, 0.03)
    groove = np.array([(0, top + 0.03), (0, top + 0.09), (0, top + 0.2)])
    canvas.tint(ribbon(groove, [0.006, 0.014, 0.01]), (0.7, 0.6, 0.6), 0.7, 0.008)
    _paint_teeth(canvas, speaker, MOUTH_Y + 0.018 + drop, upper=False)
    _paint_teeth(canvas, speaker, MOUTH_Y + 0.045, upper=True)
    canvas.tint(ribbon(shifted(curve(mouth[12:17]), 0, 0.008), [0.03, 0.045, 0.03]), (0.36, 0.28, 0.28), 0.8, 0.014)
    for corner, side in ((mouth[12], 1), (mouth[16], -1)):
        canvas.tint(disc(shifted(corner, 0.02 * side, 0), 0.07, 0.16), (0.25, 0.16, 0.16), 0.85, 0.03)


def _paint_teeth(canvas: Canvas, speaker: Speaker, edge: float, upper: bool) -> None:
    """Eight teeth of one jaw, whose biting edge lies at height `edge`, and the gum they stand in."""
    rng = np.random.default_rng([speaker.look, 3 if upper else 4])
    size, gap, dim = (1.0, speaker.tooth_gap, 1.0) if upper else (0.8, 0.3 * speaker.tooth_gap, 0.84)
    root = -1 if upper else 1  # the way from the biting edge to the root
    lengths = rng.normal(0, 0.011 * speaker.tooth_unevenness, 8)
    span = 0.5 * gap + size * sum(_TOOTH_WIDTHS)
    gum = np.array([(-span, 0.10), (span, 0.10), (span, 0.3), (-span, 0.3)])
    canvas.fill(gum * (1, root) + (0.0, edge), 0.8 * np.array(speaker.tongue, float), 0.9, 0.01)
    for side in (-1, 1):
        start = 0.5 * gap
        for order, width in enumerate(_TOOTH_WIDTHS):
            index = 3 - order if side == -1 else 4 + order
            bite = edge + lengths[index] + root * 0.008 * order
            left, right = start + 0.0018, start + size * width - 0.0018
            rows = ((left, 0.15), (left, 0.02), (left + 0.008, 0.0), (right - 0.008, 0.0), (right, 0.02), (right, 0.15))
            shape = np.array([(side * x, bite + root * y) for x, y in rows])
            enamel = np.array(_GOLD if upper and index == speaker.gold_tooth else speaker.teeth, float)
            canvas.fill(shape, enamel * dim * (1 - 0.07 * order))
            start += size * width
