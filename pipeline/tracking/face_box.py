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
        from pipeline.tracking.loops import middle, spread  # numba is imported where it is used

        return cls(*middle(landmarks[RIGID]), spread(landmarks[RIGID]))


@dataclass(frozen=True)
class BoxModel:
    """The detector's box in units of the face frame, averaged over a track's detections.

    dlib's predictor is sensitive to how the box sits on the face, and dlib's boxes are coarse (sizes 1.2 apart,
    positions on a grid of cells). Their running mean in the face's own frame is dlib's box without that noise.

    Attributes:
        gain: weight of a new detection once there are enough; the first ones count alike.
        count: of detections.
        mean: offset of the box's centre (x, y) and its size, in units of the frame.
    """

    gain: float
    count: int = 0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def learned(self, landmarks: Points, face: Face) -> BoxModel:
        """The model with one more detection, and the landmarks of the same frame."""
        frame = FaceFrame.of(landmarks)
        x, y = face.centre
        seen = np.array([x - frame.x, y - frame.y, face.size]) / frame.scale
        weight, mean = max(self.gain, 1 / (self.count + 1)), np.array(self.mean)
        x, y, size = (mean + weight * (seen - mean)).tolist()
        return BoxModel(self.gain, self.count + 1, (x, y, size))

    def box(self, landmarks: Points, score: float) -> Face:
        """The box that the detector would put on these landmarks, carrying a score."""
        frame = FaceFrame.of(landmarks)
        right, down, size = (frame.scale * part for part in self.mean)
        size *= BETWEEN_SETTINGS
        return Face(frame.x + right - size / 2, frame.y + down - size / 2, size, score)


def disagreement(a: Face, b: Face) -> float:
    """How far two boxes are apart: of their centres' distance and their sizes' difference the larger, over the size."""
    (ax, ay), (bx, by) = a.centre, b.centre
    right, down = ax - bx, ay - by
    return max(math.sqrt(right * right + down * down), abs(a.size - b.size)) / min(a.size, b.size)


def shape_residual(landmarks: Points, reference: Points) -> float:
    """What remains between two face shapes after the best shift, turn and scaling (Procrustes), over the size.

    Returns:
        0 for similar shapes; faces of one speaker in neighbouring frames stay below 0.05, a frontal face against a
        neutral one below 0.2; 1 for shapes that have nothing in common.
    """
    from pipeline.tracking.loops import unlike

    return unlike(landmarks, reference)
