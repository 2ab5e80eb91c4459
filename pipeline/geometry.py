"""Landmark geometry: which of dlib's 68 points is what, distances between them, and maps between pixel grids.

Points are (x, y) with pixel centres at integers. Indices are 0-based; the paper's 1-based numbers are in the comments.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]

LANDMARKS = 68
JAW_RIGHT, JAW_LEFT = 0, 16  # 1 and 17, the ends of the jaw line beside the ears
NOSE_TIP = 30  # 31
EYE_OUTER_RIGHT, EYE_OUTER_LEFT = 36, 45  # 37 and 46
LIP_TOP_OUTER, LIP_BOTTOM_OUTER = 51, 57  # 52 and 58
EYES, MOUTH = slice(36, 48), slice(48, 68)  # 37 to 48 and 49 to 68


def mouth_openness(landmarks: Points) -> npt.NDArray[np.float32]:
    """Distance between the outer middle lip points (52 and 58), the paper's openness of the mouth.

    Args:
        landmarks: (..., 68, 2) pixels.

    Returns:
        (...,) float32, pixels of the same grid.
    """
    return _distance(landmarks, LIP_TOP_OUTER, LIP_BOTTOM_OUTER)


def face_width(landmarks: Points) -> npt.NDArray[np.float32]:
    """Distance between the ends of the jaw line (1 and 17); (..., 68, 2) -> (...,) pixels."""
    return _distance(landmarks, JAW_RIGHT, JAW_LEFT)


def eye_distance(landmarks: Points) -> npt.NDArray[np.float32]:
    """Distance between the outer eye corners (37 and 46), the unit of landmark error; (..., 68, 2) -> (...,)."""
    return _distance(landmarks, EYE_OUTER_RIGHT, EYE_OUTER_LEFT)


def _distance(landmarks: Points, a: int, b: int) -> npt.NDArray[np.float32]:
    apart = landmarks[..., a, :] - landmarks[..., b, :]
    x, y = apart[..., 0], apart[..., 1]
    return np.asarray(np.sqrt(x * x + y * y), np.float32)


def nose_tip(landmarks: Points) -> npt.NDArray[np.float32]:
    """The tip of the nose (31), TCD-TIMIT's crop centre in the paper; (..., 68, 2) -> (..., 2)."""
    return landmarks[..., NOSE_TIP, :]


def eyes_midpoint(landmarks: Points) -> npt.NDArray[np.float32]:
    """Midpoint of the outer eye corners (37, 46), FaceForensics' crop centre in the paper; (..., 68, 2) -> (..., 2)."""
    return np.asarray((landmarks[..., EYE_OUTER_RIGHT, :] + landmarks[..., EYE_OUTER_LEFT, :]) / 2, np.float32)


def resized(landmarks: Points, factor: float) -> Points:
    """Landmarks (..., 68, 2) in pixels of a picture, in those of the picture made `factor` times as large."""
    return landmarks if factor == 1 else np.asarray((landmarks + 0.5) * factor - 0.5, np.float32)


def apply_affine(transform: npt.ArrayLike, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Map points by a 2x3 affine map: (2, 3), (..., 2) -> (..., 2)."""
    matrix, places = np.asarray(transform, np.float64), np.asarray(points, np.float64)
    return places[..., :1] * matrix[:, 0] + places[..., 1:] * matrix[:, 1] + matrix[:, 2]
