"""What a face looks like, in the place where its landmarks put its eyes and mouth: to know it again, or to doubt it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.appearance import Samples, normalised
from pipeline.detection import Luma
from pipeline.face_box import Points

SIDE = 32  # samples along the side of a look
EYES, MOUTH = slice(36, 48), slice(48, 68)  # 37 to 48 and 49 to 68 in the paper's numbering
EYES_AT, MOUTH_AT = complex(0.5, 0.36), complex(0.5, 0.74)  # where their middles come to lie, in units of the side
BLUR_SIGMA = 3.0  # samples; what is finer tells people apart, what is coarser is mostly light

# Twice as many samples as are kept, averaged in pairs against aliasing; complex numbers are x + iy.
_STEPS = (np.arange(2 * SIDE) + 0.5) / (2 * SIDE)
_GRID = (_STEPS[None, :] + 1j * _STEPS[:, None]).ravel() - EYES_AT


@dataclass(frozen=True)
class FaceLook:
    """A face in 32x32 samples, each set of zero mean and unit length.

    Attributes:
        whole: as sampled; what is one face's stays above 0.8 from frame to frame.
        fine: less its own blur. Between one face's neighbouring frames the correlation is above 0.7 (98 of 100, fast
            motion included), between two people's below 0.6 (98 of 100).
    """

    whole: Samples
    fine: Samples


def face_look(luma: Luma, landmarks: Points) -> FaceLook:
    """The look of what lies under (68, 2) landmarks; outside the picture its edge is repeated."""
    import cv2

    samples = _upright(luma, landmarks)
    return FaceLook(
        normalised(samples.ravel()), normalised((samples - cv2.GaussianBlur(samples, (0, 0), BLUR_SIGMA)).ravel())
    )


def whole_look(luma: Luma, landmarks: Points) -> Samples:
    """`face_look(luma, landmarks).whole` alone."""
    return normalised(_upright(luma, landmarks).ravel())


def _upright(luma: Luma, landmarks: Points) -> npt.NDArray[np.float32]:
    """(32, 32) samples with the eyes' middle and the mouth's at their places: shift, turn and scale in one."""
    height, width = luma.shape
    eyes, mouth = landmarks[EYES].mean(0), landmarks[MOUTH].mean(0)
    turn = complex(mouth[0] - eyes[0], mouth[1] - eyes[1]) / (MOUTH_AT - EYES_AT)
    places = _GRID * turn
    rows = np.minimum(np.maximum(places.imag + eyes[1], 0), height - 1).astype(np.intp)
    columns = np.minimum(np.maximum(places.real + eyes[0], 0), width - 1).astype(np.intp)
    pairs = luma[rows, columns].astype(np.float32).reshape(SIDE, 2, SIDE, 2)
    return np.asarray(pairs.sum((1, 3)) / 4, np.float32)
