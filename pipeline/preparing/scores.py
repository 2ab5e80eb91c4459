"""Scores that curators of talking heads ask for, from the landmarks that are there anyway, and filters by them.

The five head scores and the consistency of TalkVid, by its published definitions; each from 0 to 100, 100 the best:

- movement: 100 - 100 × the landmarks' mean displacement from frame to frame over the picture's shorter side
- orientation: 100 - √Σ (|angle| / 180 · 100)² over pitch, yaw and roll in degrees
- completeness: eyes 0.3, nose 0.4 and mouth 0.3 of 100, each where it is inside the picture
- resolution: 30 × the face's share of the picture in per cent, at most 100
- rotation: 100 - √Σ (change of angle from frame to frame)²
- consistency: 100, less 20 for each frame with other than one face, at least 0

Readings of ours: the face's share is that of the landmarks' bounding box; all frames of the main person count, also
those that are dropped for other reasons; movement and rotation are of neighbouring frames; no score is below 0.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from pipeline import geometry
from pipeline.arithmetic import ordered_sum
from pipeline.errors import InputError
from pipeline.geometry import EYES, LANDMARKS, MOUTH, Points
from pipeline.result import FRAME_SCORES, SCORE_COLUMNS
from pipeline.track import Track

Values = npt.NDArray[np.float64]

NOSE = slice(27, 36)
PARTS = ((EYES, 30.0), (NOSE, 40.0), (MOUTH, 30.0))  # of completeness

# The face that pose is measured on: six of the 68 points of a widely used generic head, in tenths of a millimetre about
# the tip of the nose; x to the picture's right, y down, z away from the camera.
POSE_POINTS = (geometry.NOSE_TIP, 8, geometry.EYE_OUTER_RIGHT, geometry.EYE_OUTER_LEFT, 48, 54)
POSE_MODEL = np.array(
    [[0, 0, 0], [0, 330, 65], [-225, -170, 135], [225, -170, 135], [-150, 150, 125], [150, 150, 125]], np.float64
)

_DEMAND = re.compile(r"\s*([a-z_]+)\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)\s*")
_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


class Demand(NamedTuple):
    """One condition of `--require`."""

    column: str
    sign: str
    limit: float

    def unmet(self, scores: Mapping[str, float]) -> str:
        """A sentence where the scores do not meet it, else ""."""
        value = scores.get(self.column)
        if value is not None and _COMPARE[self.sign](value, self.limit):
            return ""
        return (
            f"{self.column} is {'not known' if value is None else format(value, 'g')}, not {self.sign} {self.limit:g}"
        )


def demands(text: str) -> list[Demand]:
    """The conditions of `--require`: "orientation_min >= 30, movement_mean >= 80".

    Raises:
        InputError: a part is no condition, or of no column that there is.
    """
    found = []
    for part in filter(str.strip, text.split(",")):
        match = _DEMAND.fullmatch(part)
        if match is None or match[1] not in SCORE_COLUMNS:
            raise InputError(
                f"--require must be conditions such as 'orientation_min >= 30, movement_mean >= 80' on "
                f"{', '.join(SCORE_COLUMNS)}; got {part.strip()!r}"
            )
        found.append(Demand(match[1], match[2], float(match[3])))
    return found


def head_scores(track: Track) -> dict[str, float]:
    """The five head scores, means and minima, and the consistency, of a video's main person; rounded to 0.01."""
    places = np.flatnonzero(np.isfinite(track.landmarks[:, 0, 0]) & (track.person <= 0))
    if not len(places):
        return {}
    points, sizes = track.landmarks[places].astype(np.float64), track.sizes[places].astype(np.float64)
    angles = np.stack([pose(each, size) for each, size in zip(points, sizes, strict=True)])
    together = np.diff(places) == 1  # the frame before shows the same person
    area = np.ptp(points[..., 0], axis=1) * np.ptp(points[..., 1], axis=1)
    moved, turned = np.diff(points, axis=0)[together], np.diff(angles, axis=0)[together]
    shorter = sizes.min(1)[1:][together]
    steps = ordered_sum(np.sqrt(moved[..., 0] * moved[..., 0] + moved[..., 1] * moved[..., 1])) / LANDMARKS
    shares = np.abs(angles) / 180 * 100
    scores = {
        "movement": 100 - 100 * steps / shorter,
        "orientation": 100 - np.sqrt(ordered_sum(shares * shares)),
        "completeness": _completeness(points, sizes),
        "resolution": 30 * 100 * area / (sizes[:, 0] * sizes[:, 1]),
        "rotation": 100 - np.sqrt(ordered_sum(turned * turned)),
    }
    found = {}
    for name in FRAME_SCORES:
        values = np.clip(scores[name], 0.0, 100.0) if len(scores[name]) else np.array([100.0])  # nothing moved
        found[f"{name}_mean"] = round(float(ordered_sum(values)) / len(values), 2)
        found[f"{name}_min"] = round(float(values.min()), 2)
    others = int((track.faces != 1).sum())
    return found | {"consistency": float(max(100 - 20 * others, 0))}


def pose(landmarks: Points | Values, size: npt.ArrayLike) -> Values:
    """Pitch, yaw and roll of a head in degrees, 0 where it looks into the camera.

    Args:
        landmarks: (68, 2) pixels.
        size: width and height of the picture; the camera is taken to have a focal length of its width, its centre in
            the picture's.

    Returns:
        (3,): pitch above 0 looks down, yaw above 0 to the picture's right, roll above 0 is clockwise.
    """
    width, height = (float(side) for side in np.asarray(size))
    seen = np.asarray(landmarks, np.float64)[list(POSE_POINTS)]
    camera = np.array([[width, 0, (width - 1) / 2], [0, width, (height - 1) / 2], [0, 0, 1.0]])
    # SQPnP needs no first guess and has no second answer; the iterative method finds the same, 17 times as slowly.
    _, turn, _ = cv2.solvePnP(POSE_MODEL, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    matrix = cv2.Rodrigues(turn)[0]
    flat = np.sqrt(matrix[0, 0] * matrix[0, 0] + matrix[1, 0] * matrix[1, 0])
    radians = (
        np.arctan2(matrix[2, 1], matrix[2, 2]),
        np.arctan2(-matrix[2, 0], flat),
        np.arctan2(matrix[1, 0], matrix[0, 0]),
    )
    return np.array([float(radians[0]), -float(radians[1]), float(radians[2])]) * (180 / np.pi)


def _completeness(points: Values, sizes: Values) -> Values:
    inside = (points >= -0.5) & (points <= sizes[:, None, :] - 0.5)
    total = np.zeros(len(points))
    for part, worth in PARTS:
        total += worth * inside[:, part].all((1, 2))
    return total


def picture_scores(frames: npt.NDArray[np.uint8], landmarks: Points) -> dict[str, float]:
    """Sharpness and exposure of a video, medians over some of its crops.

    Sharpness is `sharpness`; exposure the mean luma within the landmarks' box, from 0 to 255.

    Args:
        frames: (n, S, S, 3) uint8 RGB, n >= 1.
        landmarks: (n, 68, 2) crop pixels.
    """
    exposure = [
        float(np.average(_luma_of_face(frame, points))) for frame, points in zip(frames, landmarks, strict=True)
    ]
    return {"sharpness": round(sharpness(frames, landmarks), 2), "exposure": round(float(np.median(exposure)), 2)}


def sharpness(frames: npt.NDArray[np.uint8], landmarks: Points) -> float:
    """Deviation of luma's Laplacian in per cent of luma's own, within the landmarks' box; the median over the frames.

    Measured against the picture's own contrast, so that neither dim light nor dark skin counts as blur.

    Args:
        frames: (n, H, W, 3) uint8 RGB, n >= 1.
        landmarks: (n, 68, 2) crop pixels.
    """
    values = []
    for frame, points in zip(frames, landmarks, strict=True):
        luma = _luma_of_face(frame, points)
        values.append(100 * float(np.std(cv2.Laplacian(luma, cv2.CV_64F))) / max(float(np.std(luma)), 1.0))
    return float(np.median(values))


def _luma_of_face(frame: npt.NDArray[np.uint8], points: Points) -> npt.NDArray[np.uint8]:
    height, width = frame.shape[:2]
    left, top = np.clip(np.floor(points.min(0)).astype(int), 0, (width - 3, height - 3))
    right, bottom = np.clip(np.ceil(points.max(0)).astype(int), (left + 3, top + 3), (width, height))
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[top:bottom, left:right])
