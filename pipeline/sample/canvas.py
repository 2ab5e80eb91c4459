"""Painting smooth shapes: curves, anti-aliased soft-edged fills and tapered strokes, in units of the face."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.sample.landmarks import Points

Picture = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]
Numbers = Sequence[float] | npt.NDArray[np.floating]

_SUBPIXEL_BITS = 4
_FINE = 2  # masks are drawn this many times finer, then averaged


def curve(points: npt.ArrayLike, closed: bool = False, steps: int = 8) -> Points:
    """A smooth line through all points (Catmull-Rom), `steps` samples between neighbours."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        knots = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    before, start, end, after = (knots[i : len(knots) - 3 + i, None, :] for i in range(4))
    t = (np.arange(steps) / steps)[None, :, None]
    pieces = 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
    line: Points = pieces.reshape(-1, 2)
    return np.asarray(line if closed else np.concatenate([line, knots[-2:-1]]))


def ribbon(path: Points, widths: npt.ArrayLike) -> Points:
    """The outline of a stroke along `path` (n, 2) whose full width is given at evenly spaced stations, in units."""
    stations = np.asarray(widths, dtype=np.float64).reshape(-1)
    half = 0.5 * np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, len(stations)), stations)
    along = np.gradient(path, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    edge = normal * half[:, None]
    return np.concatenate([path + edge, (path - edge)[::-1]])


def shifted(points: Points, right: float, down: float) -> Points:
    """The points moved by so many units."""
    moved: Points = points + np.array([right, down])
    return moved


def disc(centre: Numbers, radius_x: float, radius_y: float | None = None, corners: int = 24) -> Points:
    """An ellipse's outline."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    height = radius_x if radius_y is None else radius_y
    return np.stack([centre[0] + radius_x * np.cos(angle), centre[1] + height * np.sin(angle)], axis=-1)


class Canvas:
    """A picture (H, W, 3) float32 in 0-255 that is painted in place, at points that `project` carries to its pixels.

    Args:
        scale: pixels a unit, by which soft edges are measured.
    """

    def __init__(self, picture: Picture, project: Callable[[Points], Points], scale: float) -> None:
        self.picture = picture
        self.project = project
        self.scale = scale

    def mirrored(self) -> Canvas:
        """The same picture with left and right of the face exchanged."""
        return Canvas(self.picture, lambda points: self.project(points * (-1, 1)), self.scale)

    def cover(self, outline: Points, soft: float = 0.0) -> tuple[slice, slice, Mask] | None:
        """How much of each pixel an outline covers, 0-1: rows, columns and the mask there; None outside the picture.

        `soft` is the blur of its edge in units (standard deviation).
        """
        pixels = self.project(outline)
        margin = 2 + int(np.ceil(3 * soft * self.scale))
        height, width = self.picture.shape[:2]
        left, top = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - margin, 0)
        right, bottom = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + margin + 1, (width, height))
        if left >= right or top >= bottom:
            return None
        fine = np.zeros(((bottom - top) * _FINE, (right - left) * _FINE), np.uint8)
        corners = ((pixels - (left, top) + 0.5) * _FINE - 0.5) * (1 << _SUBPIXEL_BITS)
        cv2.fillPoly(fine, [np.rint(corners).astype(np.int32)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        mask = cv2.resize(fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        if soft * self.scale > 0.2:
            mask = cv2.GaussianBlur(mask, (0, 0), soft * self.scale)
        return slice(top, bottom), slice(left, right), mask

    def full_cover(self, outline: Points) -> Mask:
        """The same over the whole picture, (H, W)."""
        full = np.zeros(self.picture.shape[:2], np.float32)
        covered = self.cover(outline)
        if covered is not None:
            full[covered[0], covered[1]] = covered[2]
        return full

    def fill(self, outline: Points, colour: Numbers, opacity: float = 1.0, soft: float = 0.0) -> None:
        """Lay a colour over the inside of an outline."""
        covered = self.cover(outline, soft)
        if covered is not None:
            rows, columns, mask = covered
            patch = self.picture[rows, columns]
            patch += (mask * opacity)[..., None] * (np.asarray(colour, np.float32) - patch)

    def tint(self, outline: Points, factor: Numbers, opacity: float = 1.0, soft: float = 0.0) -> None:
        """Multiply the inside of an outline by a colour factor (below 1 darkens, above 1 lightens)."""
        covered = self.cover(outline, soft)
        if covered is not None:
            rows, columns, mask = covered
            self.picture[rows, columns] *= 1 + (mask * opacity)[..., None] * (np.asarray(factor, np.float32) - 1)

    def clipped(self, outline: Points, paint: Callable[[Canvas], None], soft: float = 0.0) -> None:
        """Let `paint` draw on this canvas, but keep only what falls inside the outline."""
        covered = self.cover(outline, soft)
        if covered is None:
            return
        rows, columns, mask = covered
        origin = np.array([columns.start, rows.start])
        inner = Canvas(self.picture[rows, columns].copy(), lambda points: self.project(points) - origin, self.scale)
        paint(inner)
        patch = self.picture[rows, columns]
        patch += mask[..., None] * (inner.picture - patch)
