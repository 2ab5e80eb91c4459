"""K, the weight of every pixel in Eqs. 12 and 13 ("Objective Functions"; unnumbered), one byte a pixel.

K = max(γ^B, floor), B the distance in pixels to the nearest landmark. Landmarks are rounded to the pixel grid (a
reading of ours: the paper does not say; K differs by up to 3.6 % for a landmark between pixels). B² is then an integer,
and only 195 distinct values of K exist: a code per pixel and a table of levels hold the K of rounded landmarks without
loss.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.arithmetic import power
from pipeline.geometry import Points

GAMMA = 0.95
FLOOR = 0.3


class KTable(NamedTuple):
    """The coding of K for one (γ, floor)."""

    levels: npt.NDArray[np.float32]  # (L,) K of each code, falling; the last is the floor
    stamp: npt.NDArray[np.uint8]  # (2r+1, 2r+1) codes around a landmark, r the reach of K above the floor


@lru_cache(maxsize=8)
def k_table(gamma: float = GAMMA, floor: float = FLOOR) -> KTable:
    """Levels and the stamp of codes around one landmark.

    Raises:
        ValueError: γ or the floor is not in (0, 1), or more than 256 levels would be needed.
    """
    if not (0 < gamma < 1 and 0 < floor < 1):
        raise ValueError(f"gamma and floor must be in (0, 1), got {gamma} and {floor}")
    reach = next((reach for reach in range(1, 257) if power(gamma, [reach])[0] <= floor), 257)
    if reach > 256:  # and there are more distances than that
        raise ValueError(f"gamma {gamma} with floor {floor} needs more levels of K than one byte holds")
    offset = np.arange(-reach, reach + 1)
    squares = offset * offset
    squared = squares[:, None] + squares
    distinct = np.unique(squared[squared <= reach * reach])
    weights = power(gamma, np.sqrt(distinct))
    seen = weights > floor
    above = distinct[seen]
    if len(above) > 255:
        raise ValueError(f"gamma {gamma} with floor {floor} needs {len(above) + 1} levels of K, one byte holds 256")
    levels = np.append(weights[seen], floor).astype(np.float32)
    stamp = np.minimum(np.searchsorted(above, squared), len(above)).astype(np.uint8)
    levels.setflags(write=False)
    stamp.setflags(write=False)
    return KTable(levels, stamp)


def k_codes(landmarks: Points, size: int, gamma: float = GAMMA, floor: float = FLOOR) -> npt.NDArray[np.uint8]:
    """K of one frame as codes: `k_table(gamma, floor).levels[codes]` is max(γ^B, floor) of the rounded landmarks.

    Codes rise with the distance, so the nearest landmark's is the smallest: each landmark stamps its neighbourhood
    with a minimum. Points outside the picture count as well.

    Args:
        landmarks: (68, 2) crop pixels; rounded half to even.
        size: height and width of the frame.

    Returns:
        (size, size) uint8.
    """
    from pipeline.preparing.stamp import stamp_minimum

    levels, stamp = k_table(gamma, floor)
    codes = np.full((size, size), len(levels) - 1, np.uint8)
    stamp_minimum(codes, stamp, np.rint(landmarks).astype(np.int64))
    return codes
