"""The 68 landmarks of the face in a box, by dlib's model, looked up in the decoder's own picture."""

from __future__ import annotations

import math
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.tracking.detection import Face, Luma

if TYPE_CHECKING:
    from pipeline.tracking.ensemble import Ensemble

BITS = int(os.environ['BITS']) if 'BITS' in os.environ else None
STUDIO_BLACK, STUDIO_WHITE = 16, 235


class LandmarkPredictor:
    """dlib's 68-point predictor.

    Args:
        model: the verified model file (`landmark_model_path`).
        studio_range: luma is 16 to 235 as in most video files; it is then stretched to 0 to 255, the range of the
            pictures that the model was trained on. Not doing so moves landmarks by as much as dlib's own noise.
        subpixel: the points as the model gives them, which dlib rounds to whole pixels.
    """

    def __init__(self, model: Path, studio_range: bool = True, subpixel: bool = False) -> None:
        from pipeline.tracking.ensemble import predict  # numba is imported where it is used, as are dlib and cv2

        self._predict = predict
        self._ensemble = load_ensemble(model)
        self._subpixel = subpixel
        black, white = (STUDIO_BLACK, STUDIO_WHITE) if studio_range else (0, 255)
        stretched = (np.arange(256) - black) * 255 / (white - black)
        self._levels = np.rint(np.clip(stretched, 0, 255)).astype(np.float32)

    def landmarks(self, luma: Luma, face: Face) -> npt.NDArray[np.float32]:
        """The 68 points of the face in a box, (68, 2) float32 source pixels (pixel centres at integers)."""
        left, top, size = on_grid(face)
        points = self._predict(luma, self._levels, left, top, size, self._ensemble)
        return points if self._subpixel else np.floor(points + np.float32(0.5))


def on_grid(face: Face) -> tuple[float, float, float]:
    if BITS is None:
        return face.left, face.top, face.size
    step = math.ldexp(1.0, math.frexp(face.size)[1] - BITS)
    x, y = face.centre
    size = round(face.size / step) * step
    return round(x / step) * step - size / 2, round(y / step) * step - size / 2, size


@lru_cache(maxsize=1)
def load_ensemble(model: Path) -> Ensemble:
    """Read the landmark model once (half a second), so that processes forked from this one have it at once."""
    from pipeline.tracking.ensemble import read_ensemble

    return read_ensemble(model)
