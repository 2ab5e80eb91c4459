"""dlib's detector on parts of pictures, with the boxes that it gives on the whole one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import BuildError

Luma = npt.NDArray[np.uint8]

BOX_PX = 72  # side of the box that dlib reports for its smallest window (80 px with its surroundings)
PYRAMID_STEP = 1.2  # dlib's pyramid: every level is 5/6 of the one before
QUARTER_STEP = math.sqrt(math.sqrt(PYRAMID_STEP))
CELL_PX = 8  # side of a cell of the detector's histograms of gradients
SAME_PLACE = 0.4  # overlap of two boxes of one face


@dataclass(frozen=True)
class Face:
    """A square face box in source pixels (pixel centres at integers) and the detector's score.

    Attributes:
        left, top: first column and row.
        size: last column less first column, as dlib reports boxes.
        score: dlib's confidence; its own threshold is 0, sure faces are above 1.
    """

    left: float
    top: float
    size: float
    score: float

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box, (x, y)."""
        return self.left + self.size / 2, self.top + self.size / 2

    def overlap(self, other: Face) -> float:
        """Intersection over union with another box, 0 to 1."""
        width = min(self.left + self.size, other.left + other.size) - max(self.left, other.left)
        height = min(self.top + self.size, other.top + other.size) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.size * self.size + other.size * other.size - shared)


def merit(face: Face) -> float:
    """How much a face is the picture's main one: its size, less where the detector is unsure of it."""
    return face.size * (0.25 + min(max(face.score, 0.0), 1.0))


def main_face(faces: list[Face]) -> Face:
    """The face with the most merit; the earlier (higher score, in dlib's order) of equals."""
    return max(faces, key=merit)


def reduction_for(size: float) -> float:
    """The reduction at which a face of this size is just above dlib's smallest one.

    Reductions are whole levels of the pyramid that dlib itself would build on the picture (doubled for faces too
    small for it), so that boxes found on the reduced picture are those found on the whole one: dlib's box sizes are
    1.2 apart, and its landmarks depend on them.
    """
    just_above = BOX_PX * QUARTER_STEP
    reduction = 1.0 if size >= just_above else 0.5
    while size >= just_above * reduction * PYRAMID_STEP:
        reduction *= PYRAMID_STEP
    return reduction


def search_reductions(height: int, width: int, first_pixels: float) -> Iterator[float]:
    """Reductions of a first search, from a picture of about `first_pixels` to the whole one, about halving."""
    levels = [1.0]
    while height * width > first_pixels * levels[-1] * levels[-1]:
        levels.append(levels[-1] * PYRAMID_STEP)
    yield from levels[:0:-4]
    yield 1.0


class FaceDetector:
    """dlib's frontal detector (histograms of gradients, five views) behind boxes in source pixels."""

    def __init__(self) -> None:
        self._detector = load_detector()

    def search(self, luma: Luma, reduction: float = 1.0, threshold: float = 0.0, upsample: int = 0) -> list[Face]:
        """All faces of a picture that dlib finds after a reduction, best score first.

        Args:
            luma: (H, W).
            reduction: at least 1; faces are found from `72 * reduction` pixels on.
            threshold: lowest score.
            upsample: 1 doubles the (reduced) picture, as dlib's own setting of this name.
        """
        height, width = luma.shape
        picture = _resized(luma, max(1, round(width / reduction)), max(1, round(height / reduction)))
        return self._run(picture, 0.0, 0.0, reduction, threshold, upsample)

    def around(
        self, luma: Luma, near: Face, reach: float, threshold: float = 0.0, off_step: bool = False
    ) -> list[Face]:
        """Faces of about `near`'s size (0.85 times and more) in its neighbourhood, best score first.

        Args:
            luma: (H, W).
            near: where to look.
            reach: half the side of the square looked at, in units of the face size.
            threshold: lowest score.
            off_step: look half a pyramid step beside the usual sizes: an independent second opinion.
        """
        reduction = reduction_for(near.size) * (math.sqrt(PYRAMID_STEP) if off_step else 1.0)
        cell = CELL_PX * reduction
        (x, y), half = near.centre, reach * near.size
        left, top = (max(0, round(math.floor((v - half) / cell) * cell)) for v in (x, y))
        height, width = luma.shape
        right, bottom = min(width, math.ceil(x + half)), min(height, math.ceil(y + half))
        columns, rows = int((right - left) / reduction), int((bottom - top) / reduction)
        if min(columns, rows) < BOX_PX // 2:
            return []
        part = luma[top : top + round(rows * reduction), left : left + round(columns * reduction)]
        return self._run(_resized(part, columns, rows), left, top, reduction, threshold, 0)

    def confirms(self, luma: Luma, face: Face) -> bool:
        """A second look at a doubtful face: chance finds do not survive another size of the picture."""
        return any(face.overlap(again) > SAME_PLACE for again in self.around(luma, face, 0.9, off_step=True))

    def _run(
        self, picture: Luma, left: float, top: float, reduction: float, threshold: float, upsample: int
    ) -> list[Face]:
        boxes, scores, _ = self._detector.run(picture, upsample, threshold)
        shift = 0.5 * reduction - 0.5
        return [
            Face(
                left + box.left() * reduction + shift,
                top + box.top() * reduction + shift,
                (box.right() - box.left()) * reduction,
                score,
            )
            for box, score in zip(boxes, scores, strict=True)
        ]


@lru_cache(maxsize=1)
def load_detector() -> Any:
    """dlib's detector, made once, so that processes forked from this one have it at once.

    Raises:
        BuildError: dlib cannot be loaded: it is not installed, or memory is too short for it.
    """
    try:
        import dlib
    except ImportError as error:
        raise BuildError(f"dlib cannot be loaded ({error}): is dlib-bin installed, and enough memory free?") from error
    return dlib.get_frontal_face_detector()


def _halved(luma: Luma) -> Luma:
    """Means of 2x2 pixels; an odd last row or column is left out."""
    import cv2

    rows, columns = luma.shape[0] // 2, luma.shape[1] // 2
    even = luma[: 2 * rows, : 2 * columns]
    return np.asarray(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def _resized(luma: Luma, width: int, height: int) -> Luma:
    """A picture of another size: halved while that can be, then interpolated, as in dlib's own pyramid."""
    import cv2

    while luma.shape[1] >= 2 * width and luma.shape[0] >= 2 * height:
        luma = _halved(luma)
    if luma.shape == (height, width):
        return np.ascontiguousarray(luma)
    return np.asarray(cv2.resize(luma, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)
