"""Landmark error: does the generated face do what it was told to? dlib looks at it, apart from every other frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from model.pictures import Pixels, to_pixels
from pipeline import geometry
from pipeline.shards import FRAME_SIZE
from pipeline.tracking import FaceTracker, TrackSettings


class LandmarkError:
    """Mean distance from dlib's landmarks on an image to those that it was made for, in % of the outer eye distance.

    Every image is looked at by itself, so that no other frame can help; small images are enlarged to 224 pixels, the
    size of the crops, before.

    Args:
        landmark_model: the verified file (`pipeline.tracking.landmark_model.landmark_model_path`).
    """

    def __init__(self, landmark_model: Path) -> None:
        self._model = landmark_model
        self._settings = TrackSettings()

    def __call__(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """The errors.

        Args:
            images: (B, 3, S, S) in [0, 255].
            landmarks: (B, 68, 2) in pixels of these images.

        Returns:
            (B,) float64; NaN where dlib finds no face.
        """
        wanted = landmarks.double().cpu().numpy()
        errors = [
            self._error(image, points) for image, points in zip(to_pixels(images / 127.5 - 1), wanted, strict=True)
        ]
        return torch.tensor(errors, dtype=torch.float64)

    def _error(self, image: Pixels, wanted: npt.NDArray[np.float64]) -> float:
        side = max(FRAME_SIZE, len(image))
        picture = Image.fromarray(image).convert("L").resize((side, side), Image.Resampling.BICUBIC)
        seen = FaceTracker(self._settings, self._model, studio_range=False).observe(np.asarray(picture))
        if seen.landmarks is None:
            return float("nan")
        found = (seen.landmarks.astype(np.float64) + 0.5) * (len(image) / side) - 0.5
        eyes = float(geometry.eye_distance(wanted.astype(np.float32)))
        return 100 * float(np.linalg.norm(found - wanted, axis=1).mean()) / eyes
