"""Where dlib's detector would put its box, judged from landmarks alone, and whether landmarks look like a face."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.tracking.detection import Face

Points = npt.NDArray[np.float32]

RIGID = slice(17, 48)  # brows, nose and eyes (18 to 48 in the paper's numbering): what speech moves least
# dlib's boxes on the doubled picture are 3 % smaller than on the picture itself (its sizes are 1.2 apart, and the
# fourth power of that is 2.07, not 2): the middle of the two agrees best with either.
BETWEEN_SETTINGS = 0.985


@dataclass(frozen=True)
class FaceFrame:
    """Position and size of a face from its rigid points: their mean and their root mean square distance to it."""

    x: float
    y: float
    scale: float

    @classmethod
    def of(cls, landmarks: Points) -> FaceFrame:
        """Frame of (68, 2) landmarks, in their pixels."""
        points = landmarks[RIGID]
        centre = points.sum(0) / len(points)
        spread = (points - centre).ravel()
        return cls(float(centre[0]), float(centre[1]), math.sqrt(float(spread @ spread) / len(points)))


class BoxModel:
    """The detector's box in units of the face frame, averaged over a track's detections.

    dlib's predictor is sensitive to how the box sits on the face, and dlib's boxes are coarse (sizes 1.2 apart,
    positions on a grid of cells). Their running mean in the face's own frame is dlib's box without that noise.

    Args:
        gain: weight of a new detection once there are enough; the first ones count alike.
    """

    def __init__(self, gain: float) -> None:
        self._gain = gain
        self._count = 0
        self._box = np.zeros(3)  # offset of the box's centre (x, y) and log of its size, in units of the frame

    def learn(self, landmarks: Points, face: Face) -> None:
        """Take in a detection and the landmarks of the same frame."""
        frame = FaceFrame.of(landmarks)
        x, y = face.centre
        seen = np.array([(x - frame.x) / frame.scale, (y - frame.y) / frame.scale, math.log(face.size / frame.scale)])
        self._count += 1
        self._box += max(self._gain, 1 / self._count) * (seen - self._box)

    def box(self, landmarks: Points, score: float) -> Face:
        """The box that the detector would put on these landmarks, carrying a score."""
        frame = FaceFrame.of(landmarks)
        size = BETWEEN_SETTINGS * frame.scale * math.exp(self._box[2])
        x, y = frame.x + self._box[0] * frame.scale, frame.y + self._box[1] * frame.scale
        return Face(x - size / 2, y - size / 2, size, score)


def disagreement(a: Face, b: Face) -> float:
    """How far two boxes are apart: of their centres' distance and their sizes' difference the larger, over the size."""
    (ax, ay), (bx, by) = a.centre, b.centre
    size = min(a.size, b.size)
    return max(math.hypot(ax - bx, ay - by) / size, abs(a.size - b.size) / size)


def shape_residual(landmarks: Points, reference: Points) -> float:
    """What remains between two face shapes after the best shift, turn and scaling (Procrustes), over the size.

    Returns:
        0 for similar shapes; faces of one speaker in neighbouring frames stay below 0.05, a frontal face against a
        neutral one below 0.2; 1 for shapes that have nothing in common.
    """
    a, b = _centred(landmarks), _centred(reference)
    # A turn with scaling is one complex factor; what the best one leaves is what the correlation lacks.
    shared = abs(np.vdot(a, b)) ** 2 / float(np.vdot(a, a).real * np.vdot(b, b).real)
    return math.sqrt(max(1 - shared, 0.0))


def _centred(landmarks: Points) -> npt.NDArray[np.complex128]:
    points = landmarks.astype(np.float64).view(np.complex128)[:, 0]
    return np.asarray(points - points.sum() / len(points), np.complex128)
