"""What a frame and a face look like in few numbers: for noticing scene cuts, jumps and strangers cheaply."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline.tracking.detection import Luma

THUMBNAIL_PX = 48  # samples along the longer side of a frame
SUDDEN = 6.0  # times the usual difference; faces in fast motion come to 4, and 5 in 1 of 85 that startled the tracker
SAME_SCENE = 0.55  # correlation of two frames' thumbnails; a hand-held camera stays above it, most cuts do not

Samples = npt.NDArray[np.float32]


def thumbnail(luma: Luma) -> Samples:
    """Every n-th pixel of a frame, about 48 along the longer side, float32 0 to 255, flattened."""
    step = max(1, max(luma.shape) // THUMBNAIL_PX)
    return luma[step // 2 :: step, step // 2 :: step].ravel().astype(np.float32)


def normalised(samples: Samples) -> Samples:
    """Samples less their mean, of unit length (shorter where they are all but equal)."""
    centred = samples - samples.sum() / samples.size
    return np.asarray(centred / max(math.sqrt(float(centred @ centred)), 1.0), np.float32)


def likeness(a: Samples, b: Samples) -> float:
    """Correlation of two normalised sets of samples, -1 to 1; 0 where one is flat."""
    return float(a @ b)


class Scene:
    """Notices the first frame of another scene.

    Args:
        cut_levels: least mean difference to the frame before, in levels, of a cut. Besides, either what is seen has
            hardly anything in common with it, or the difference is large and four times the usual one.
    """

    def __init__(self, cut_levels: float) -> None:
        self._cut_levels = cut_levels
        self._last: Samples = np.zeros(0, np.float32)
        self._usual = 0.0
        self.sudden = True  # it changes far more than of late: perhaps a cut between two shots that are much alike

    def is_cut(self, luma: Luma) -> bool:
        """Whether this frame begins another scene (the very first frame does); call it once a frame."""
        now = thumbnail(luma)
        last, self._last = self._last, now
        if last.shape != now.shape:
            self.sudden = True
            return True
        difference = float(np.abs(now - last).sum()) / now.size
        self.sudden = difference > max(self._cut_levels / 4, SUDDEN * self._usual)
        cut = difference > self._cut_levels and (
            difference > max(2 * self._cut_levels, 4 * self._usual)
            or likeness(normalised(now), normalised(last)) < SAME_SCENE
        )
        self._usual = 0.0 if cut else 0.8 * self._usual + 0.2 * difference
        return cut
