"""The reference: dlib alone, detector and predictor on every whole frame, nothing remembered between frames."""

from __future__ import annotations

from pathlib import Path

import cv2
import dlib
import numpy as np

from pipeline.tracking.detection import Face, FaceDetector, Luma, main_face
from pipeline.tracking.face_box import Points
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
        self._predictor = dlib.shape_predictor(str(landmark_model))
        self._upsample = upsample
        self._studio_range = studio_range

    def observe(self, luma: Luma) -> FaceObservation:
        """The main face of one frame, (H, W) uint8."""
        faces = self._detector.search(luma, upsample=self._upsample)
        if not faces:
            return FaceObservation(None, 0.0, 0, NO_FACE)
        face = main_face(faces)
        return FaceObservation(self.landmarks(luma, face), face.score, len(faces), None)

    def landmarks(self, luma: Luma, face: Face) -> Points:
        """dlib's 68 points, (68, 2) float32: whole pixels."""
        if self._studio_range:
            gain = 255 / 219
            luma = np.asarray(cv2.addWeighted(luma, gain, luma, 0, -16 * gain), np.uint8)  # saturates
        corners = face.left, face.top, face.left + face.size, face.top + face.size
        shape = self._predictor(np.ascontiguousarray(luma), dlib.rectangle(*map(round, corners)))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float32)
