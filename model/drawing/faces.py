"""What figures choose frames by: how far eyes and mouth are open and how a head is turned, from its landmarks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline import geometry
from pipeline.geometry import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, JAW_LEFT, JAW_RIGHT, Points

Values = npt.NDArray[np.float64]

# Of each eye the corners, and the pairs of upper and lower lid points (0-based).
EYE_CORNERS = ((36, 39), (42, 45))
EYE_LIDS = (((37, 41), (38, 40)), ((43, 47), (44, 46)))


def eye_opening(landmarks: Points) -> Values:
    """Height over width of the eyes, the mean of both: about 0.3 open, below 0.15 shut; (n, 68, 2) -> (n,)."""
    ratios = [
        sum(_distance(landmarks, *lids) for lids in pairs) / (2 * _distance(landmarks, *corners))
        for corners, pairs in zip(EYE_CORNERS, EYE_LIDS, strict=True)
    ]
    return np.asarray(np.mean(ratios, axis=0), np.float64)


def turn(landmarks: Points) -> Values:
    """How far the head is turned to a side (yaw), in [-1, 1], 0 from the front; (n, 68, 2) -> (n,).

    Where the nose tip stands between the ends of the jaw line, along the line through the outer eye corners.
    """
    points = landmarks.astype(np.float64)
    axis = points[:, EYE_OUTER_LEFT] - points[:, EYE_OUTER_RIGHT]
    nose = geometry.nose_tip(landmarks).astype(np.float64)
    right = ((nose - points[:, JAW_RIGHT]) * axis).sum(-1)
    left = ((points[:, JAW_LEFT] - nose) * axis).sum(-1)
    return np.asarray(np.clip((right - left) / np.maximum(np.abs(right) + np.abs(left), 1e-9), -1, 1))


def tilt_degrees(landmarks: Points) -> Values:
    """How far the line through the outer eye corners is from level (roll), positive clockwise; (n, 68, 2) -> (n,)."""
    axis = landmarks[:, EYE_OUTER_LEFT].astype(np.float64) - landmarks[:, EYE_OUTER_RIGHT]
    return np.asarray(np.degrees(np.arctan2(axis[:, 1], axis[:, 0])))


def extremeness(landmarks: Points) -> Values:
    """How extreme a pose is: |turn| + |sin tilt|, each 1 at a right angle or so; (n, 68, 2) -> (n,)."""
    return np.asarray(np.abs(turn(landmarks)) + np.abs(np.sin(np.radians(tilt_degrees(landmarks)))))


def open_mouth_shut_eyes(landmarks: Points) -> Values:
    """How much each frame of a video is what the text on Figure 5 describes; (n, 68, 2) -> (n,), 0 or more.

    The mouth's openness in units of the distance of the eyes, times the share of the video's median eye opening that
    is gone.
    """
    openness = geometry.mouth_openness(landmarks) / np.maximum(geometry.eye_distance(landmarks), 1e-6)
    eyes = eye_opening(landmarks)
    return np.asarray(openness * np.clip(1 - eyes / max(float(np.median(eyes)), 1e-6), 0, 1), np.float64)


def _distance(landmarks: Points, a: int, b: int) -> Values:
    return np.asarray(np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=-1), np.float64)
