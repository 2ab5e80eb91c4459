"""Regions: the part of each frame that is kept in memory from tracking to cropping, within a budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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
    """A rectangle of a frame's planes, copied: all that is kept of a frame until its video's scale is known."""

    box: Box  # even left and top, so that chroma begins with it
    y: Plane
    u: Plane
    v: Plane
    colour: Colour

    @property
    def nbytes(self) -> int:
        """Bytes of its planes."""
        return self.y.nbytes + self.u.nbytes + self.v.nbytes


def keep_region(frame: Frame, box: Box) -> Region:
    """Copy the part of `box` that is inside the frame."""
    height, width = frame.y.shape
    inside = box.clipped(width, height)
    rows, columns = slice(inside.top, inside.bottom), slice(inside.left, inside.right)
    half_rows = slice(inside.top // 2, (inside.bottom + 1) // 2)
    half_columns = slice(inside.left // 2, (inside.right + 1) // 2)
    return Region(
        inside,
        frame.y[rows, columns].copy(),
        frame.u[half_rows, half_columns].copy(),
        frame.v[half_rows, half_columns].copy(),
        frame.colour,
    )
