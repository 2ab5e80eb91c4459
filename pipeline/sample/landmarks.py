"""Where a speaker's 68 landmarks lie for a state of mouth, eyes and brows: the one source of picture and ground truth.

The face frame has its origin half-way between the outer eye corners, x right and y down in the picture; one unit is
the distance between those corners, for every speaker.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.geometry import MOUTH
from pipeline.sample.speakers import Speaker

Points = npt.NDArray[np.float64]

MOUTH_Y = 0.747
"""Height in units of the line where the lips meet."""
WIDEST_GAP = 0.285
"""Distance in units between the inner lips at openness 1."""

# The average face's right half as one looks at it from the picture's left; the other half is its mirror image.
_JAW = [(-0.79, -0.03), (-0.785, 0.175), (-0.757, 0.38), (-0.712, 0.575), (-0.645, 0.762), (-0.53, 0.93),
        (-0.375, 1.085), (-0.196, 1.198), (0.0, 1.238)]  # fmt: skip
_BROW = [(-0.652, -0.19), (-0.556, -0.28), (-0.418, -0.308), (-0.274, -0.29), (-0.142, -0.236)]
_NOSE = [(0.0, -0.04), (0.0, 0.095), (0.0, 0.226), (0.0, 0.362), (-0.147, 0.482), (-0.076, 0.506), (0.0, 0.526)]
_EYE = [(-0.5, 0.0), (-0.411, -0.054), (-0.304, -0.052), (-0.21, 0.018), (-0.31, 0.044), (-0.418, 0.043)]


@dataclass(frozen=True)
class FaceState:
    """What moves in a face at one moment.

    Attributes:
        open: mouth openness, 0 (lips meet) to 1.
        wide: mouth width, -1 (rounded, as in "u") to 1 (spread, as in "i").
        tuck: lower lip drawn in, 0 to 1 ("f", "m").
        tongue: tongue raised to the upper teeth, 0 to 1 ("th").
        blink: 0 (eyes open) to 1 (closed).
        brow: -1 (lowered) to 1 (raised).
        gaze: where the eyes look, x and y, each -1 to 1.
    """

    open: float = 0.0
    wide: float = 0.0
    tuck: float = 0.0
    tongue: float = 0.0
    blink: float = 0.0
    brow: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)


def face_landmarks(speaker: Speaker, state: FaceState) -> Points:
    """The landmarks in the face frame, (68, 2) in units, in dlib's order (0-based)."""
    points = np.empty((68, 2))
    points[0:17] = move_jaw(_mirrored_row(_shaped_jaw(speaker)), jaw_drop(state))
    points[17:27] = _mirrored_row(_brow(speaker, state), through_middle=False)
    points[27:36] = _nose(speaker)
    left_eye = _eye(speaker, state)
    points[36:42] = left_eye
    points[42:48] = (left_eye * (-1, 1))[[3, 2, 1, 0, 5, 4]]
    points[MOUTH] = _mouth(speaker, state)
    return points


def mouth_openness(landmarks: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Distance between the outer middle lip points (52 and 58 in the paper), of landmarks (..., 68, 2)."""
    apart = landmarks[..., 51, :] - landmarks[..., 57, :]
    return np.asarray(np.hypot(apart[..., 0], apart[..., 1]), dtype=np.float64)


def jaw_drop(state: FaceState) -> float:
    """How far lower teeth, lower lip and chin are down, in units."""
    return 0.87 * WIDEST_GAP * state.open


def move_jaw(points: Points, drop: float) -> Points:
    """Carry points (..., 2) of the resting face along with the jaw; above the mouth nothing moves."""
    moved = np.array(points, dtype=np.float64)
    moved[..., 1] += drop * jaw_weight(moved[..., 0], moved[..., 1])
    return moved


def jaw_weight(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The share 0-1 of the jaw's drop that a point of the resting face takes: sharp at the lips, soft in the cheeks."""
    side = smooth_step((np.abs(x) - 0.22) / 0.42)
    start = MOUTH_Y - 0.03 - 0.42 * side
    return smooth_step((y - start) / (0.14 + 0.72 * side))


def smooth_step(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """0 below 0, 1 above 1, with level ends."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _mirrored_row(half: Points, through_middle: bool = True) -> Points:
    """A left-to-right row of points from its left half; the middle point is shared where the row goes through it."""
    right = half[::-1] * (-1, 1)
    return np.concatenate([half, right[1:] if through_middle else right])


def _shaped_jaw(speaker: Speaker) -> Points:
    jaw = np.array(_JAW)
    lower = smooth_step((jaw[:, 1] - 0.2) / 0.8)
    jaw[:, 0] *= speaker.face_width * (1.0 + (speaker.jaw - 1.0) * lower)
    jaw[:, 1] += speaker.chin * lower
    return jaw


def _brow(speaker: Speaker, state: FaceState) -> Points:
    brow = np.array(_BROW)
    ends = np.interp(brow[:, 0], brow[[0, -1], 0], brow[[0, -1], 1])
    brow[:, 1] = ends + (brow[:, 1] - ends) * speaker.brow_arch
    brow[:, 1] -= 0.045 * state.brow - 0.012 * state.blink
    return brow


def _nose(speaker: Speaker) -> Points:
    half = np.array(_NOSE)
    half[:, 1] = -0.04 + (half[:, 1] + 0.04) * speaker.nose_length
    wings = half[4:] * (speaker.nose_width, 1.0)
    return np.concatenate([half[:4], _mirrored_row(wings)])


def _eye(speaker: Speaker, state: FaceState) -> Points:
    """The eye on the picture's left: outer corner, upper lid twice, inner corner, lower lid twice."""
    eye = np.array(_EYE)
    eye[:, 1] *= speaker.eye_size
    inward = (eye[:, 0] + 0.5) / 0.29
    eye[:, 0] += speaker.eye_spacing * inward
    eye[:, 1] += speaker.eye_tilt * inward
    lower = eye[[5, 4]] - (0.0, 0.008 * state.blink)
    eye[[1, 2]] += state.blink * (lower - (0.0, 0.012) - eye[[1, 2]])
    eye[[5, 4]] = lower
    return eye


def _mouth(speaker: Speaker, state: FaceState) -> Points:
    """Points 48-67: the outer lip line from the left corner clockwise, then the inner one."""
    gap = WIDEST_GAP * state.open
    rise, drop = 0.13 * gap, jaw_drop(state)
    half = 0.288 * speaker.mouth_width * (1.0 + 0.15 * state.wide - 0.1 * state.open)
    full = speaker.lip_fullness * (1.0 - 0.14 * state.wide)
    upper, lower = full * (1.0 - 0.15 * state.tuck), full * (1.0 - 0.26 * state.tuck)
    corner = MOUTH_Y + 0.006 + 0.38 * drop - 0.016 * state.wide
    lift = 0.022 * state.tuck * (1.0 - state.open)  # the tucked lip also rises a little
    left_upper = [
        (-1.0, corner),
        (-0.64 - 0.05 * state.open, MOUTH_Y - 0.055 * upper - 0.6 * rise + 0.04 * drop),
        (-0.27, MOUTH_Y - 0.086 * upper - rise),
        (0.0, MOUTH_Y - 0.07 * upper - rise),
    ]
    left_lower = [
        (-0.66 - 0.07 * state.open, MOUTH_Y + 0.08 * lower + 0.84 * drop - lift),
        (-0.3, MOUTH_Y + 0.115 * lower + 0.985 * drop - lift),
        (0.0, MOUTH_Y + 0.122 * lower + drop - lift),
    ]
    inner_upper = [(-0.83, corner - 0.002), (-0.36, MOUTH_Y - 0.8 * rise), (0.0, MOUTH_Y + 0.006 - rise)]
    inner_lower = [(-0.38, MOUTH_Y + 0.004 + 0.95 * drop), (0.0, MOUTH_Y + 0.009 + drop)]
    rows = [_mirrored_row(np.array(row) * (half, 1.0)) for row in (left_upper, left_lower, inner_upper, inner_lower)]
    return np.concatenate([rows[0], rows[1][::-1], rows[2], rows[3][::-1]])
