"""The reference: dlib alone, detector and predictor on every whole frame, nothing remembered between frames."""

from __future__ import annotations

from pathlib import Path

from pipeline.tracking.detection import FaceDetector, LandmarkPredictor, Luma, main_face
from pipeline.tracking.tracker import NO_FACE, FaceObservation


class PlainDetector:
    """Per-frame dlib on the full picture, which `FaceTracker` is measured against.

    Args:
        landmark_model: the verified model file.
        upsample: dlib's setting: 0 for the picture as it is (faces from 72 pixels), 1 for the doubled one.
        studio_range: see `LandmarkPredictor`.
    """

    def __init__(self, landmark_model: Path, upsample: int = 0, studio_range: bool = True) -> None:
        self._detector = FaceDetector()
        self._predictor = LandmarkPredictor(landmark_model, studio_range)
        self._upsample = upsample

    def observe(self, luma: Luma) -> FaceObservation:
        """The main face of one frame, (H, W) uint8."""
        faces = self._detector.search(luma, upsample=self._upsample)
        if not faces:
            return FaceObservation(None, 0.0, 0, NO_FACE)
        face = main_face(faces)
        return FaceObservation(self._predictor.landmarks(luma, face), face.score, len(faces), None)
