"""A square of a plane at another size: the triangle filter, as wide as what it reduces, at sub-pixel places."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numba import types

from pipeline.compiled import compiled
from pipeline.decode import Plane

SUPPORT = 1.0  # half the filter's width, in pixels of the coarser of the two grids


def resample(plane: Plane, left: float, top: float, side: float, size: int) -> Plane:
    """The square from (left, top) as size x size pixels, antialiased as Pillow's BILINEAR is.

    Args:
        plane: (H, W) uint8; outside it its border is replicated.
        left, top, side: in pixels of the plane, whose first pixel covers [0, 1) x [0, 1).

    Returns:
        (size, size) uint8.
    """
    step = side / size
    reach = math.ceil(SUPPORT * max(step, 1.0))
    first = min(max(math.floor(left) - reach, 0), plane.shape[1] - 1)
    part = plane[:, first : max(math.ceil(left + side) + reach, first + 1)]
    rows = _blend_rows(part, top, step, size)
    columns = _blend_rows(cv2.transpose(rows), left - first, step, size)
    return np.asarray(cv2.transpose(columns), np.uint8)


@compiled(types.Array(types.uint8, 2, "A", readonly=True), types.float64, types.float64, types.int64)
def _blend_rows(plane: Plane, begin: float, step: float, size: int) -> Plane:
    """(size, W): row i is the weighted mean of the plane's rows about the middle of the i-th step from `begin`."""
    height, width = plane.shape
    out = np.empty((size, width), np.uint8)
    line = np.empty(width, np.float32)
    reach = SUPPORT * max(step, 1.0)
    for i in range(size):
        centre = begin + (i + 0.5) * step - 0.5
        first, last = math.ceil(centre - reach), math.floor(centre + reach)
        total = 0.0
        for row in range(first, last + 1):
            total += reach - abs(row - centre)
        line[:] = 0.5  # rounds
        for row in range(first, last + 1):
            weight = np.float32((reach - abs(row - centre)) / total)
            source = plane[min(max(row, 0), height - 1)]
            for column in range(width):
                line[column] += weight * np.float32(source[column])
        for column in range(width):
            out[i, column] = np.uint8(line[column])
    return out
