"""The bank: the N images of a speaker that FLNet fetches from, chosen by mouth openness ("Network Inputs")."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.settings import BANK_SIZE


def choose_bank(openness: npt.ArrayLike, size: int = BANK_SIZE) -> npt.NDArray[np.int32]:
    """Sort a video's frames by mouth openness, closed to open, and take `size` uniformly, both ends included.

    Args:
        openness: (n,) pixels, n >= size. Equal values keep their order in time.
        size: N of the paper.

    Returns:
        (size,) int32 distinct frame numbers, most closed first.

    Raises:
        ValueError: fewer frames than `size`.
    """
    values = np.asarray(openness)
    if len(values) < size:
        raise ValueError(f"a bank of {size} needs at least {size} frames, got {len(values)}")
    order = np.argsort(values, kind="stable")
    picks = np.rint(np.linspace(0, len(values) - 1, size)).astype(int)
    return np.asarray(order[picks], np.int32)
