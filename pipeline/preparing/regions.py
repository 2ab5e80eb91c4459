"""What is kept of a frame from tracking to cropping: the region about its face, or the crop itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.decode import Colour, Frame, Plane


class Box(NamedTuple):
    """Source pixels [left, right) x [top, bottom); may reach outside the picture."""

    left: int
    top: int
    right: int
    bottom: int

    def clipped(self, width: int, height: int) -> Box:
        """The part inside a picture of that size; where they do not meet, the picture's nearest pixels."""
        left, top = (min(max(low, 0), (size - 1) // 2 * 2) for low, size in ((self.left, width), (self.top, height)))
        return Box(left, top, max(min(self.right, width), left + 1), max(min(self.bottom, height), top + 1))

    def contains(self, other: Box) -> bool:
        """Whether `other` lies within this box."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )


@dataclass(frozen=True)
class Region:
    """A rectangle of a frame's planes: all that is kept of a frame until its video's scale is known."""

    box: Box  # even left and top, so that chroma begins with it
    y: Plane
    u: Plane
    v: Plane
    colour: Colour

    @property
    def arrays(self) -> tuple[Plane, ...]:
        """What it takes memory for."""
        return self.y, self.u, self.v

    @property
    def nbytes(self) -> int:
        """Bytes of its planes."""
        return sum(plane.nbytes for plane in self.arrays)

    def filled(self, arrays: Sequence[Plane]) -> Region:
        """The same with other `arrays`."""
        y, u, v = arrays
        return Region(self.box, y, u, v, self.colour)

    def part(self, box: Box) -> Region:
        """The part of `box`, which lies within this one's and begins at even pixels; not copied."""
        left, top = box.left - self.box.left, box.top - self.box.top
        right, bottom = box.right - self.box.left, box.bottom - self.box.top
        rows, columns = slice(top // 2, (bottom + 1) // 2), slice(left // 2, (right + 1) // 2)
        return Region(box, self.y[top:bottom, left:right], self.u[rows, columns], self.v[rows, columns], self.colour)


@dataclass(frozen=True)
class Crop:
    """A finished crop, and where it was cut."""

    transform: npt.NDArray[np.float32]  # (2, 3) source pixels -> crop pixels
    pixels: npt.NDArray[np.uint8]  # (size, size, 3) RGB

    @property
    def arrays(self) -> tuple[npt.NDArray[np.uint8], ...]:
        """What it takes memory for."""
        return (self.pixels,)

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels."""
        return self.pixels.nbytes

    def filled(self, arrays: Sequence[npt.NDArray[np.uint8]]) -> Crop:
        """The same with other `arrays`."""
        (pixels,) = arrays
        return Crop(self.transform, pixels)


def region_of(frame: Frame, box: Box) -> Region:
    """The part of `box` that is inside the frame, which must outlive it: nothing is copied."""
    height, width = frame.y.shape
    return Region(Box(0, 0, width, height), frame.y, frame.u, frame.v, frame.colour).part(box.clipped(width, height))


def keep_region(frame: Frame, box: Box) -> Region:
    """Copy the part of `box` that is inside the frame."""
    region = region_of(frame, box)
    return region.filled([plane.copy() for plane in region.arrays])
