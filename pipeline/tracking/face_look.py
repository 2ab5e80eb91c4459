"""What a face looks like, in the place where its landmarks put its eyes and mouth: to know it again, or to doubt it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.geometry import EYES, MOUTH
from pipeline.tracking.detection import Luma
from pipeline.tracking.face_box import Points
from pipeline.tracking.scene import Samples

SIDE = 32  # samples along the side of a look
EYES_AT, MOUTH_AT = 0.36, 0.74  # how far down their middles come to lie, in units of the side; across, in the middle

# A Gaussian of 3 samples in 256ths, from its middle on. What is finer tells people apart, what is coarser is mostly
# light.
BLUR = np.array([34, 32, 27, 21, 14, 9, 5, 2, 1], np.int32)
BLUR_TOTAL = 2 * int(BLUR.sum()) - int(BLUR[0])

# Twice as many samples as are kept, averaged in pairs against aliasing: places from the eyes' middle, across and down.
_STEPS = (np.arange(2 * SIDE) + 0.5) / (2 * SIDE)
_ACROSS, _DOWN = _STEPS - 0.5, _STEPS - EYES_AT


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
        from pipeline.tracking.loops import less_blur  # numba is imported where it is used

        return Samples(less_blur(self.samples, BLUR, BLUR_TOTAL), 4 * BLUR_TOTAL * BLUR_TOTAL)


def face_look(luma: Luma, landmarks: Points) -> FaceLook:
    """The look of what lies under (68, 2) landmarks: eyes and mouth at their places by one shift, turn and scale.

    Outside the picture its edge is repeated.
    """
    from pipeline.tracking.loops import middle, sample_turned

    eyes_x, eyes_y = middle(landmarks[EYES])
    mouth_x, mouth_y = middle(landmarks[MOUTH])
    right, down = (mouth_x - eyes_x) / (MOUTH_AT - EYES_AT), (mouth_y - eyes_y) / (MOUTH_AT - EYES_AT)
    return FaceLook(sample_turned(luma, _ACROSS, _DOWN, eyes_x, eyes_y, right, down))
