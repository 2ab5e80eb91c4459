"""K, the weight of every pixel in Eqs. 12 and 13 ("Objective Functions"; unnumbered), one byte a pixel.

K = max(γ^B, floor), B the distance to the nearest landmark in pixels of the paper's 224-pixel crop: at another frame
size distances are scaled, so that K weighs the same parts of a face alike. Landmarks are rounded to the pixel grid (a
reading of ours: the paper does not say; K differs by up to 3.6 % for a landmark between pixels). Squared distances are
then integers, and only 195 distinct values of K exist at 224 pixels: a code per pixel and a table of levels hold the K
of rounded landmarks without loss. Larger frames have more distances than a byte has codes; there K is within 0.3 %.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.arithmetic import power
from pipeline.geometry import Points
from pipeline.shards import FRAME_SIZE

GAMMA = 0.95
FLOOR = 0.3
MOST_ABOVE = 255  # levels above the floor that a byte can tell apart
MOST_REACH = 1024  # pixels; a stamp has (2r + 1)² codes


class KTable(NamedTuple):
    """The coding of K for one (γ, floor)."""

    levels: npt.NDArray[np.float32]  # (L,) K of each code, falling; the last is the floor
    stamp: npt.NDArray[np.uint8]  # (2r+1, 2r+1) codes around a landmark, r the reach of K above the floor


def pixel_side(frame_size: int) -> float:
    """The side of a pixel of a crop, in pixels of the paper's crop."""
    return FRAME_SIZE / frame_size


@lru_cache(maxsize=8)
def k_table(gamma: float = GAMMA, floor: float = FLOOR, pixel: float = 1.0) -> KTable:
    """Levels and the stamp of codes around one landmark, for pixels of a side (`pixel_side`).

    Raises:
        ValueError: γ or the floor is not in (0, 1), or K falls so slowly that it reaches over all the frame.
    """
    if not (0 < gamma < 1 and 0 < floor < 1):
        raise ValueError(f"gamma and floor must be in (0, 1), got {gamma} and {floor}")
    reach = next((reach for reach in range(1, MOST_REACH) if power(gamma, [reach * pixel])[0] <= floor), MOST_REACH)
    if reach == MOST_REACH:
        raise ValueError(f"gamma {gamma} with floor {floor} has K fall to its floor beyond {MOST_REACH} pixels")
    offset = np.arange(-reach, reach + 1)
    squares = offset * offset
    squared = squares[:, None] + squares
    distinct = np.unique(squared[squared <= reach * reach])
    weights = power(gamma, np.sqrt(distinct) * pixel)
    above = distinct[weights > floor]
    if len(above) <= MOST_ABOVE:
        weights, codes = weights[: len(above)], np.searchsorted(above, squared)
    else:  # equal steps of distance stand for all of them
        step = reach / MOST_ABOVE
        weights = power(gamma, np.arange(MOST_ABOVE) * step * pixel)
        weights = weights[weights > floor]
        codes = np.rint(np.sqrt(squared) / step)
    levels = np.append(weights, floor).astype(np.float32)
    stamp = np.minimum(codes, len(weights)).astype(np.uint8)
    levels.setflags(write=False)
    stamp.setflags(write=False)
    return KTable(levels, stamp)


def k_codes(
    landmarks: Points, size: int, gamma: float = GAMMA, floor: float = FLOOR, pixel: float = 1.0
) -> npt.NDArray[np.uint8]:
    """K of one frame as codes: `k_table(gamma, floor, pixel).levels[codes]` is max(γ^B, floor) of rounded landmarks.

    Codes rise with the distance, so the nearest landmark's is the smallest: each landmark stamps its neighbourhood
    with a minimum. Points outside the picture count as well.

    Args:
        landmarks: (68, 2) crop pixels; rounded half to even.
        size: height and width of the frame.
        pixel: the side of its pixels, in pixels of the paper's 224-pixel crop (`pixel_side`).

    Returns:
        (size, size) uint8.
    """
    from pipeline.preparing.stamp import stamp_minimum

    levels, stamp = k_table(gamma, floor, pixel)
    codes = np.full((size, size), len(levels) - 1, np.uint8)
    stamp_minimum(codes, stamp, np.rint(landmarks).astype(np.int64))
    return codes
