"""What a face looks like, in the place where its landmarks put its eyes and mouth: to know it again, or to doubt it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.arithmetic import ordered_sum
from pipeline.geometry import EYES, MOUTH
from pipeline.tracking.detection import Luma
from pipeline.tracking.face_box import Points
from pipeline.tracking.scene import Samples

SIDE = 32  # samples along the side of a look
EYES_AT, MOUTH_AT = 0.36, 0.74  # how far down their middles come to lie, in units of the side; across, in the middle

# A Gaussian of 3 samples in 256ths, from its middle on. What is finer tells people apart, what is coarser is mostly
# light.
BLUR = (34, 32, 27, 21, 14, 9, 5, 2, 1)
BLUR_TOTAL = 2 * sum(BLUR) - BLUR[0]

# Twice as many samples as are kept, averaged in pairs against aliasing: places from the eyes' middle, across and down.
_STEPS = (np.arange(2 * SIDE) + 0.5) / (2 * SIDE)
_ACROSS, _DOWN = _STEPS - 0.5, _STEPS[:, None] - EYES_AT


@dataclass(frozen=True)
class FaceLook:
    """A face in 32x32 samples, upright; (32, 32) int64 quarters of a level."""

    samples: npt.NDArray[np.int64]

    @cached_property
    def whole(self) -> Samples:
        """The samples as they are; one face's keep a likeness above 0.8 from frame to frame."""
        return Samples(self.samples.ravel(), 4)

    @cached_property
    def fine(self) -> Samples:
        """The same less their own blur.

        Between one face's neighbouring frames the likeness is above 0.7 (98 of 100, fast motion included), between
        two people's below 0.6 (98 of 100).
        """
        whole = BLUR_TOTAL * BLUR_TOTAL
        return Samples((whole * self.samples - _blurred(_blurred(self.samples).T).T).ravel(), 4 * whole)


def face_look(luma: Luma, landmarks: Points) -> FaceLook:
    """The look of what lies under (68, 2) landmarks: eyes and mouth at their places by one shift, turn and scale.

    Outside the picture its edge is repeated.
    """
    height, width = luma.shape
    eyes_x, eyes_y = _middle(landmarks[EYES])
    mouth_x, mouth_y = _middle(landmarks[MOUTH])
    # A step down the look is `right` and `down` in the picture, a step across it the same turned by a quarter.
    right, down = (mouth_x - eyes_x) / (MOUTH_AT - EYES_AT), (mouth_y - eyes_y) / (MOUTH_AT - EYES_AT)
    x = eyes_x + (_ACROSS * down + _DOWN * right)
    y = eyes_y + (_DOWN * down - _ACROSS * right)
    columns = np.minimum(np.maximum(x, 0), width - 1).astype(np.intp)
    rows = np.minimum(np.maximum(y, 0), height - 1).astype(np.intp)
    pairs = luma[rows, columns].reshape(SIDE, 2, SIDE, 2)
    return FaceLook(pairs.sum((1, 3), dtype=np.int64))


def _middle(landmarks: Points) -> tuple[float, float]:
    x, y = (ordered_sum(landmarks.T) / len(landmarks)).tolist()
    return x, y


def _blurred(samples: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Columns of samples, mirrored at their ends, blurred and times `BLUR_TOTAL`."""
    reach = len(BLUR) - 1
    padded = np.pad(samples, ((reach, reach), (0, 0)), "reflect")
    total = BLUR[0] * samples
    for offset, weight in enumerate(BLUR[1:], 1):
        total += weight * (padded[reach - offset :][:SIDE] + padded[reach + offset :][:SIDE])
    return total
