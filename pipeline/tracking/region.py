"""The part of the picture that somebody has said the face to follow is in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.tracking.detection import Face, Luma

ROOM = 0.5  # of the box's size on each side that is searched with it: the detector wants to see what is about a face


@dataclass(frozen=True)
class FaceRegion:
    """A box around a face: left, top, right, bottom.

    In pixels, or in shares of the picture's width and height where none is above 1.
    """

    left: float
    top: float
    right: float
    bottom: float

    def in_pixels(self, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
        """The box in a picture of that shape (H, W)."""
        box = (self.left, self.top, self.right, self.bottom)
        height, width = shape
        scale = (width, height, width, height) if max(box) <= 1 else (1, 1, 1, 1)
        return tuple(value * factor for value, factor in zip(box, scale, strict=True))  # type: ignore[return-value]

    def lies_in(self, shape: tuple[int, ...]) -> bool:
        """Whether any of it is in a picture of that shape."""
        left, top, right, bottom = self.in_pixels(shape)
        return right > 0 and bottom > 0 and left < shape[1] - 1 and top < shape[0] - 1

    def holds(self, face: Face, shape: tuple[int, ...]) -> bool:
        """Whether a face's middle is in it."""
        left, top, right, bottom = self.in_pixels(shape)
        x, y = face.centre
        return left <= x <= right and top <= y <= bottom

    def with_room(self, luma: Luma) -> tuple[Luma, int, int]:
        """The part of a picture that is to be searched, and its first column and row."""
        left, top, right, bottom = self.in_pixels(luma.shape)
        across, down = ROOM * (right - left), ROOM * (bottom - top)
        first, last = max(int(left - across), 0), max(int(right + across), 1)
        above, below = max(int(top - down), 0), max(int(bottom + down), 1)
        return luma[above:below, first:last], first, above


def moved(face: Face, left: int, top: int) -> Face:
    """A face found in a part of a picture, in the whole one."""
    return replace(face, left=face.left + left, top=face.top + top)
