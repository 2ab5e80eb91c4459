"""Landmark error: does the generated face do what it was told to? dlib looks at it, apart from every other frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from model.pictures import Pixels, to_pixels
from model.pixels import from_levels
from pipeline import geometry
from pipeline.shards import FRAME_SIZE
from pipeline.tracking import FaceTracker, TrackSettings


class LandmarkError:
    """Mean distance from dlib's landmarks on an image to those that it was made for, in % of the outer eye distance.

    Every image is looked at by itself, so that no other frame can help. It is looked at as a square, as the crops are,
    of 224 pixels at least: an image of unequal sides is a crop that was stretched.

    Args:
        landmark_model: the verified file (`pipeline.tracking.landmark_model.landmark_model_path`).
    """

    def __init__(self, landmark_model: Path) -> None:
        self._model = landmark_model
        self._settings = TrackSettings()

    def __call__(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """The errors.

        Args:
            images: (B, 3, H, W) in [0, 255].
            landmarks: (B, 68, 2) in pixels of these images.

        Returns:
            (B,) float64; NaN where dlib finds no face.
        """
        wanted = landmarks.double().cpu().numpy()
        errors = [
            self._error(image, points) for image, points in zip(to_pixels(from_levels(images)), wanted, strict=True)
        ]
        return torch.tensor(errors, dtype=torch.float64)

    def _error(self, image: Pixels, wanted: npt.NDArray[np.float64]) -> float:
        height, width = image.shape[:2]
        side = max(FRAME_SIZE, height, width)
        picture = Image.fromarray(image).convert("L").resize((side, side), Image.Resampling.BICUBIC)
        seen = FaceTracker(self._settings, self._model, studio_range=False).observe(np.asarray(picture))
        if seen.landmarks is None:
            return float("nan")
        wanted = (wanted + 0.5) * (side / width, side / height) - 0.5
        eyes = float(geometry.eye_distance(wanted.astype(np.float32)))
        return 100 * float(np.linalg.norm(seen.landmarks - wanted, axis=1).mean()) / eyes
