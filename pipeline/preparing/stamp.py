"""Stamping: K's inner loop (`pipeline.preparing.k_map`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from pipeline.compiled import compiled

Codes = npt.NDArray[np.uint8]


@compiled(types.uint8[:, ::1], types.Array(types.uint8, 2, "C", readonly=True), types.int64[:, ::1])
def stamp_minimum(canvas: Codes, stamp: Codes, places: npt.NDArray[np.int64]) -> None:
    """Lower every value of the canvas to the smallest of those that stamps centred on `places` put there.

    Args:
        canvas: (H, W), changed in place.
        stamp: (2r+1, 2r+1).
        places: (n, 2) x, y; stamps may hang over the canvas's edge or lie outside it.
    """
    height, width = canvas.shape
    for i in range(len(places)):
        left, top = places[i, 0] - len(stamp) // 2, places[i, 1] - len(stamp) // 2
        first, end = max(-left, 0), min(width - left, len(stamp))
        if first >= end:
            continue
        for row in range(max(-top, 0), min(height - top, len(stamp))):
            under, over = canvas[top + row, left + first : left + end], stamp[row, first:end]
            for column in range(len(under)):
                under[column] = min(under[column], over[column])
