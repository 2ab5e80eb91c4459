"""What a frame and a face look like in few numbers: for noticing scene cuts, jumps and strangers cheaply."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.tracking.detection import Luma

THUMBNAIL_PX = 48  # samples along the longer side of a frame
SUDDEN = 6.0  # times the usual difference; faces in fast motion come to 4, and 5 in 1 of 85 that startled the tracker
SAME_SCENE = 0.55  # correlation of two frames' thumbnails; a hand-held camera stays above it, most cuts do not


@dataclass(frozen=True)
class Samples:
    """Levels of a picture in whole numbers, so that no sum of them is ever rounded.

    Attributes:
        values: (n,) int64.
        unit: how many make one level.
    """

    values: npt.NDArray[np.int64]
    unit: int = 1

    @cached_property
    def total(self) -> int:
        """Their sum."""
        return int(self.values.sum())

    @cached_property
    def power(self) -> int:
        """n times the sum of their squared differences to the mean, which is taken to be a squared level at least."""
        count = self.values.size
        squares = int((self.values * self.values).sum())
        return max(count * squares - self.total * self.total, count * self.unit * self.unit)


def thumbnail(luma: Luma) -> Samples:
    """Every n-th pixel of a frame, about 48 along the longer side."""
    step = max(1, max(luma.shape) // THUMBNAIL_PX)
    return Samples(luma[step // 2 :: step, step // 2 :: step].ravel().astype(np.int64))


def likeness(a: Samples, b: Samples) -> float:
    """Correlation of two sets of samples, -1 to 1; near 0 where one is flat."""
    shared = a.values.size * int((a.values * b.values).sum()) - a.total * b.total
    return shared / math.sqrt(a.power * b.power)


class Scene:
    """Notices the first frame of another scene.

    Args:
        cut_levels: least mean difference to the frame before, in levels, of a cut. Besides, either what is seen has
            hardly anything in common with it, or the difference is large and four times the usual one.
    """

    def __init__(self, cut_levels: float) -> None:
        self._cut_levels = cut_levels
        self._last = Samples(np.zeros(0, np.int64))
        self._usual = 0.0
        self.sudden = True  # it changes far more than of late: perhaps a cut between two shots that are much alike

    def is_cut(self, luma: Luma) -> bool:
        """Whether this frame begins another scene (the very first frame does); call it once a frame."""
        now = thumbnail(luma)
        last, self._last = self._last, now
        if last.values.shape != now.values.shape:
            self.sudden = True
            return True
        difference = int(np.abs(now.values - last.values).sum()) / now.values.size
        self.sudden = difference > max(self._cut_levels / 4, SUDDEN * self._usual)
        cut = difference > self._cut_levels and (
            difference > max(2 * self._cut_levels, 4 * self._usual) or likeness(now, last) < SAME_SCENE
        )
        self._usual = 0.0 if cut else 0.8 * self._usual + 0.2 * difference
        return cut
