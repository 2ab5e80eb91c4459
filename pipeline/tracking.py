"""Landmarks of the main face on every frame: dlib's predictor always, its detector now and then and in doubt."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.appearance import Samples, Scene, face_patch, likeness, normalised
from pipeline.detection import Face, FaceDetector, LandmarkPredictor, Luma, main_face, merit, reduction_for
from pipeline.face_box import BoxModel, Points, disagreement, shape_residual
from pipeline.face_search import FaceSearch
from pipeline.track_settings import TrackSettings

__all__ = ["NO_FACE", "FaceObservation", "FaceTracker", "TrackSettings"]

NO_FACE = "no_face"
SAME_PLACE = 0.4  # overlap of two boxes of one face
LOOK_GAIN = 0.05  # weight of a detection in a face's usual look


@dataclass(frozen=True)
class FaceObservation:
    """What one frame shows.

    Attributes:
        landmarks: (68, 2) float32 source pixels (centres at integers), or None where there is no credible face.
        score: the detector's score at the last detection of this face.
        faces: credible faces in the picture when it was last looked at, the main one included.
        drop: None, or why there are no landmarks: "no_face".
    """

    landmarks: npt.NDArray[np.float32] | None
    score: float
    faces: int
    drop: str | None


@dataclass
class _Track:
    """A face being followed: its last landmarks, and what is known of it."""

    landmarks: Points
    box: Face  # the detector's box on these landmarks, with the score of the last detection
    patch: Samples  # what was in that box
    usual: Samples  # what is in it as a rule
    model: BoxModel
    motion: float  # of late, a frame, in units of the face size
    faces: int
    age: int = 0  # frames since the last detection
    unlooked: int = 0  # frames since the last look at the whole picture


class FaceTracker:
    """Follows the main face of one video, strictly causally: what a frame gives depends on it and those before.

    Args:
        settings: what decides the result.
        landmark_model: the verified model file (`landmark_model_path`).
        studio_range: luma levels are 16 to 235, as in most video files (see `LandmarkPredictor`).
    """

    def __init__(self, settings: TrackSettings, landmark_model: Path, studio_range: bool = True) -> None:
        self._settings = settings
        self._detector = FaceDetector()
        self._predictor = LandmarkPredictor(landmark_model, studio_range, settings.halve_from)
        self._search = FaceSearch(settings.search, self._detector)
        self._scene = Scene(settings.cut_levels)
        self._track: _Track | None = None
        self._lost: _Track | None = None  # the face that was followed last in this scene
        self._missing = 0  # frames since then

    def observe(self, luma: Luma) -> FaceObservation:
        """The main face of the next frame.

        Args:
            luma: (H, W) uint8, neighbouring columns side by side in memory (rows may be apart). Not kept.
        """
        if luma.ndim != 2 or luma.dtype != np.uint8:
            raise ValueError(f"luma must be (H, W) uint8, got {luma.shape} {luma.dtype}")
        cut = self._scene.is_cut(luma)
        if self._track is not None and not self._follow(self._track, luma, cut):
            self._track, self._lost, self._missing = None, self._track, 0
            self._search.lost()
        if self._track is None:
            if cut:
                self._lost = None
                self._search.restart()
            self._track = self._find(luma)
        track = self._track
        if track is None:
            return FaceObservation(None, 0.0, 0, NO_FACE)
        return FaceObservation(track.landmarks, track.box.score, track.faces, None)

    def _follow(self, track: _Track, luma: Luma, cut: bool) -> bool:
        """Take the track one frame on; False where the face is gone."""
        settings = self._settings
        track.age += 1
        track.unlooked += 1
        expected = track.box
        alike = likeness(track.patch, face_patch(luma, expected)) >= settings.least_likeness
        if cut and not alike:
            return False
        if alike and track.age < self._interval(track):
            landmarks = self._predictor.landmarks(luma, expected)
            box = track.model.box(landmarks, expected.score)
            motion = disagreement(box, expected)
            residual = shape_residual(landmarks, track.landmarks)
            if motion < settings.largest_motion and residual < settings.largest_residual:
                self._advance(track, luma, landmarks, box, motion)
                return True
        face = self._detect(track, luma)
        if face is None:
            return False
        self._correct(track, luma, face)
        if track.unlooked >= self._look_interval(track):
            self._look_around(track, luma)
        return True

    def _interval(self, track: _Track) -> int:
        """Frames from one detection to the next."""
        settings = self._settings
        if track.box.score < settings.sure_score / 2:
            return 1
        if track.box.score < settings.sure_score or track.motion > settings.calm_motion:
            return max(1, settings.detect_every // 3)
        return settings.detect_every

    def _detect(self, track: _Track, luma: Luma) -> Face | None:
        """The followed face as the detector sees it; None where it does not."""
        settings, expected = self._settings, track.box

        def fitness(face: Face) -> float:
            return face.overlap(expected) + likeness(track.usual, face_patch(luma, face))

        if likeness(track.usual, track.patch) >= settings.same_likeness:
            faces = self._detector.around(luma, expected, settings.reach, settings.lapse_score)
            face = max(faces, key=fitness, default=None)
            if face is not None and face.overlap(expected) >= SAME_PLACE:
                return face if face.score >= 0 or self._detector.confirms(luma, face) else None
        faces = self._detector.around(luma, expected, settings.far_reach)
        face = max(faces, key=fitness, default=None)
        if face is None or (face.overlap(expected) < SAME_PLACE and not self._is_same(track, luma, face)):
            return None
        return face

    def _is_same(self, track: _Track, luma: Luma, face: Face) -> bool:
        """Whether a face elsewhere looks like the track's."""
        return likeness(track.usual, face_patch(luma, face)) >= self._settings.same_likeness

    def _correct(self, track: _Track, luma: Luma, face: Face) -> None:
        """Take a detection in, and take the track to this frame with it."""
        expected = track.box
        gap = disagreement(face, expected)
        if gap >= self._settings.largest_gap:
            track.model = BoxModel(self._settings.box_gain)
        # A small gap is the detector's coarseness, a large one motion.
        weight = min(1.0, gap / self._settings.largest_gap)
        landmarks = self._predictor.landmarks(luma, _between(expected, face, weight))
        track.model.learn(landmarks, face)
        track.age = 0
        box = track.model.box(landmarks, face.score)
        self._advance(track, luma, landmarks, box, disagreement(box, expected))
        track.usual = normalised(track.usual + LOOK_GAIN * (track.patch - track.usual))

    def _advance(self, track: _Track, luma: Luma, landmarks: Points, box: Face, motion: float) -> None:
        track.landmarks = landmarks
        track.box = box
        track.motion += 0.5 * (motion - track.motion)
        track.patch = face_patch(luma, box)

    def _look_interval(self, track: _Track) -> int:
        """Frames between looks at the whole picture: more often while it is doubtful that this is a face."""
        sure = track.box.score >= self._settings.sure_score / 2
        return self._settings.look_every if sure else self._settings.look_every // 6

    def _look_around(self, track: _Track, luma: Luma) -> None:
        """Count the faces in the picture; a doubtful one yields to one that is clearly more of a face."""
        settings = self._settings
        track.unlooked = 0
        coarsest = math.sqrt(luma.size / settings.look_pixels)
        faces = self._detector.search(luma, max(1.0, coarsest, reduction_for(track.box.size)))
        others = [face for face in faces if face.overlap(track.box) < SAME_PLACE]
        track.faces = 1 + len(others)
        if others and track.box.score < settings.sure_score / 2:
            other = main_face(others)
            if other.score >= settings.sure_score and merit(other) > 2 * merit(track.box):
                self._track = self._start(luma, other, track.faces)

    def _find(self, luma: Luma) -> _Track | None:
        """The face lost last where it is seen again, else the main one of the picture."""
        settings, lost = self._settings, self._lost
        self._missing += 1
        if lost is not None and self._missing <= settings.linger:
            near = self._detector.around(luma, lost.box, settings.far_reach)
            face = max(near, key=lost.box.overlap, default=None)
            if face is not None and (face.overlap(lost.box) >= SAME_PLACE or self._is_same(lost, luma, face)):
                return self._start(luma, face, lost.faces)
        faces = self._search.find(luma)
        if lost is not None and self._missing <= settings.patience:
            faces = [face for face in faces if self._is_same(lost, luma, face)]
        return self._start(luma, main_face(faces), len(faces)) if faces else None

    def _start(self, luma: Luma, face: Face, faces: int) -> _Track:
        landmarks = self._predictor.landmarks(luma, face)
        model = BoxModel(self._settings.box_gain)
        model.learn(landmarks, face)
        patch = face_patch(luma, face)
        return _Track(landmarks, face, patch, patch, model, self._settings.calm_motion, faces)


def _between(expected: Face, face: Face, weight: float) -> Face:
    """A box from the expected (weight 0) to the detected one (weight 1)."""
    return replace(
        face,
        left=expected.left + weight * (face.left - expected.left),
        top=expected.top + weight * (face.top - expected.top),
        size=expected.size + weight * (face.size - expected.size),
    )
