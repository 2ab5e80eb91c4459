"""Landmarks of the main face on every frame: dlib's predictor always, its detector now and then and in doubt."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.tracking.detection import (
    SAME_PLACE,
    Face,
    FaceDetector,
    Luma,
    main_face,
    merit,
    reduction_for,
)
from pipeline.tracking.face_box import BoxModel, Points, disagreement, shape_residual
from pipeline.tracking.face_look import FaceLook, face_look
from pipeline.tracking.lost_face import LostFace
from pipeline.tracking.predictor import LandmarkPredictor
from pipeline.tracking.region import FaceRegion
from pipeline.tracking.scene import Scene, likeness
from pipeline.tracking.search import FaceSearch
from pipeline.tracking.settings import TrackSettings

__all__ = ["NO_FACE", "FaceObservation", "FaceTracker", "TrackSettings"]

NO_FACE = "no_face"
COMPANY_FRAMES = 50  # for so long somebody seen beside a face may be the one who comes to stand in front of it
MEMORY_FRAMES = 12  # between looks kept: what slides in front of a face is not yet in the older one
BESIDE = 0.2  # overlap of two faces' boxes at most; dlib gives boxes within boxes, too
SURVEY_FRAMES = 4  # between looks at the wider neighbourhood of a face that is changing


@dataclass(frozen=True)
class FaceObservation:
    """What one frame shows.

    Attributes:
        landmarks: (68, 2) float32 source pixels (centres at integers), or None where there is no credible face.
        score: the detector's score at the last detection of this face.
        faces: credible faces in the picture when it was last looked at, the main one included.
        drop: None, or why there are no landmarks: "no_face".
        begins: the face may be somebody else's than on the frame before: it is another scene, the face was found anew,
            or all of a sudden it looks different.
    """

    landmarks: npt.NDArray[np.float32] | None
    score: float
    faces: int
    drop: str | None
    begins: bool = False


@dataclass
class _Track:
    """A face being followed: its last landmarks, and what is known of it."""

    landmarks: Points
    box: Face  # the detector's box on these landmarks, with the score of the last detection
    look: FaceLook  # of these landmarks
    known: tuple[FaceLook, FaceLook]  # of earlier ones, the newer `MEMORY_FRAMES` old at most while it is calm
    model: BoxModel
    motion: float  # of late, a frame, in units of the face size
    faces: int
    age: int = 0  # frames since the last detection
    remembered: int = 0  # frames since `known` was renewed
    changing: bool = False  # it does not look as it did a frame ago
    startling: bool = False  # it looks quite different from a frame ago
    proven: bool = False  # the detector was sure of it once
    unlooked: int = 0  # frames since the last look at the whole picture
    unsurveyed: int = 0  # frames since the last look at the wider neighbourhood
    uncrowded: int = COMPANY_FRAMES  # frames since another face was seen beside it
    rival: FaceLook | None = None  # it is gone, and somebody else is there

    @property
    def company(self) -> bool:
        """Whether somebody else was seen beside it not long ago."""
        return self.rival is not None or self.uncrowded < COMPANY_FRAMES


class FaceTracker:
    """Follows the main face of one video, strictly causally: what a frame gives depends on it and those before.

    Args:
        settings: what decides the result.
        landmark_model: the verified model file (`landmark_model_path`).
        studio_range: luma levels are 16 to 235, as in most video files (see `LandmarkPredictor`).
        region: where the face is that is to be followed when it is first seen; None: the main face of the picture.
    """

    def __init__(
        self,
        settings: TrackSettings,
        landmark_model: Path,
        studio_range: bool = True,
        region: FaceRegion | None = None,
    ) -> None:
        self._region = region
        self._settings = settings
        self._detector = FaceDetector()
        self._predictor = LandmarkPredictor(landmark_model, studio_range, settings.subpixel)
        self._search = FaceSearch(settings.search, self._detector)
        self._scene = Scene(settings.cut_levels)
        self._track: _Track | None = None
        self._lost: LostFace | None = None  # the face that was followed last in this scene
        self._shape: tuple[int, ...] = (0, 0)  # of the frame before

    def observe(self, luma: Luma) -> FaceObservation:
        """The main face of the next frame.

        Args:
            luma: (H, W) uint8, neighbouring columns side by side in memory (rows may be apart). Not kept.
        """
        if luma.ndim != 2 or luma.dtype != np.uint8:
            raise ValueError(f"luma must be (H, W) uint8, got {luma.shape} {luma.dtype}")
        cut = self._scene.is_cut(luma)
        before = track = self._track
        if luma.shape != self._shape:  # nothing of the last picture has a place in this one
            cut, self._shape, self._track, track = True, luma.shape, None, None
        if track is not None and not self._follow(track, luma, cut):
            self._lost = LostFace(track.box, track.known, track.company, track.rival)
            self._track = None
            self._search.lost()
        if self._track is None:
            if cut:
                self._lost = None
                self._search.restart()
            self._track = self._find(luma)
        track = self._track
        if track is None:
            return FaceObservation(None, 0.0, 0, NO_FACE)
        begins = cut or track is not before or (track.startling and self._scene.sudden)
        return FaceObservation(track.landmarks, track.box.score, track.faces, None, begins)

    def _follow(self, track: _Track, luma: Luma, cut: bool) -> bool:
        """Take the track one frame on; False where the face is gone."""
        settings = self._settings
        track.age += 1
        track.unlooked += 1
        track.unsurveyed += 1
        track.uncrowded += 1
        if cut and likeness(track.look.whole, face_look(luma, track.landmarks).whole) < settings.least_likeness:
            return False
        if track.age < self._interval(track) and self._carry_on(track, luma):
            return True
        face = self._detect(track, luma)
        if face is None:
            return False
        self._correct(track, luma, face)
        if track.unlooked >= self._look_interval(track):
            self._look_around(track, luma)
        return True

    def _carry_on(self, track: _Track, luma: Luma) -> bool:
        """Predict from the last landmarks alone; False where the result gives rise to doubt."""
        settings = self._settings
        landmarks = self._predictor.landmarks(luma, track.box)
        box = track.model.box(landmarks, track.box.score)
        look = face_look(luma, landmarks)
        if (
            disagreement(box, track.box) >= settings.largest_motion
            or shape_residual(landmarks, track.landmarks) >= settings.largest_residual
            or likeness(look.whole, track.look.whole) < settings.least_likeness
        ):
            track.changing = True
            return False
        self._advance(track, landmarks, box, look)
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
        survey = track.changing and track.unsurveyed >= SURVEY_FRAMES
        reach = settings.far_reach if survey else settings.reach
        faces = self._detector.around(luma, expected, reach, settings.lapse_score)
        face = max(faces, key=expected.overlap, default=None)
        if survey and face is not None:
            track.unsurveyed = 0
            self._note_company(track, face, faces)
        if (
            face is not None
            and disagreement(face, expected) < settings.largest_gap
            and (face.score >= 0 or self._detector.confirms(luma, face))
        ):
            return face
        rival = None
        for face in self._near(luma, expected):
            look = face_look(luma, self._predictor.landmarks(luma, face))
            if not self._is_somebody_else(track, face, look):
                return face
            rival = rival or look
        track.rival = rival
        return None

    def _near(self, luma: Luma, box: Face) -> list[Face]:
        """Credible faces in the wider neighbourhood of a box, nearest first."""
        faces = self._search.credible(luma, self._detector.around(luma, box, self._settings.far_reach))
        return sorted(faces, key=box.overlap, reverse=True)

    def _note_company(self, track: _Track, face: Face, faces: list[Face]) -> None:
        """Remember that there is somebody else, of at least half the face's size, beside it."""
        others = [other for other in faces if other.score >= self._settings.search.confirm_score]
        others = [other for other in others if other.overlap(face) < BESIDE and other.size > face.size / 2]
        if others:
            track.uncrowded = 0

    def _is_somebody_else(self, track: _Track, face: Face, look: FaceLook) -> bool:
        """Whether a face beside the expected place is another one: it looks different, and there is reason for it.

        Reasons are that somebody was seen beside the track's face, or that this one held still so far: real faces
        move gradually, and one that leaps looks much the same after it.
        """
        settings, gap = self._settings, disagreement(face, track.box)
        still = track.motion < settings.largest_motion and track.box.score >= settings.sure_score / 2
        if track.company:
            return gap >= settings.largest_gap and likeness(look.fine, track.look.fine) < settings.same_likeness
        return still and gap >= settings.leap and likeness(look.fine, track.look.fine) < settings.other_likeness

    def _correct(self, track: _Track, luma: Luma, face: Face) -> None:
        """Take a detection in, and take the track to this frame with it."""
        gap = disagreement(face, track.box)
        if gap >= self._settings.largest_gap:
            track.model = BoxModel(self._settings.box_gain)
        # A small gap is the detector's coarseness, a large one motion.
        weight = min(1.0, gap / self._settings.largest_gap)
        landmarks = self._predictor.landmarks(luma, _between(track.box, face, weight))
        track.model.learn(landmarks, face)
        track.age = 0
        self._advance(track, landmarks, track.model.box(landmarks, face.score), face_look(luma, landmarks))

    def _advance(self, track: _Track, landmarks: Points, box: Face, look: FaceLook) -> None:
        settings = self._settings
        alike = likeness(look.whole, track.look.whole)
        track.changing, track.startling = alike < settings.certain_likeness, alike < settings.least_likeness
        track.remembered += 1
        if track.remembered >= MEMORY_FRAMES and likeness(look.fine, track.look.fine) >= settings.certain_likeness:
            track.known, track.remembered = (track.known[1], look), 0
        track.motion += 0.5 * (disagreement(box, track.box) - track.motion)
        track.proven |= box.score >= settings.sure_score / 2
        track.landmarks, track.box, track.look = landmarks, box, look

    def _look_interval(self, track: _Track) -> int:
        """Frames between looks at the whole picture: more often while it is doubtful that this is a face."""
        return self._settings.look_every if track.proven else self._settings.look_every // 6

    def _look_around(self, track: _Track, luma: Luma) -> None:
        """Count the faces in the picture; one that never was sure yields to one that clearly is."""
        settings = self._settings
        track.unlooked = 0
        coarsest = math.sqrt(luma.size / settings.look_pixels)
        faces = self._detector.search(luma, max(1.0, coarsest, reduction_for(track.box.size)))
        others = [face for face in faces if face.overlap(track.box) < SAME_PLACE]
        track.faces = 1 + len(others)
        self._note_company(track, track.box, faces)
        if self._region is not None:
            others = [face for face in others if self._region.holds(face, luma.shape)]
        if others and not track.proven:
            other = main_face(others)
            if other.score >= settings.sure_score and merit(other) > 2 * merit(track.box):
                landmarks = self._predictor.landmarks(luma, other)
                self._track = self._start(other, landmarks, face_look(luma, landmarks), track.faces)

    def _find(self, luma: Luma) -> _Track | None:
        """The face lost last where it is seen again, else the main one of the picture."""
        lost = self._lost
        if lost is not None:
            lost.missing += 1
            if lost.missing <= self._settings.linger:
                near = self._near(luma, lost.box)
                track = self._first_welcome(luma, near, len(near))
                if track is not None:
                    return track
        faces = self._search.find(luma, self._region)
        track = self._first_welcome(luma, sorted(faces, key=merit, reverse=True), len(faces))
        if track is not None and self._region is not None:
            self._look_around(track, luma)  # for the others, of whom that search was not told
        return track

    def _first_welcome(self, luma: Luma, faces: list[Face], seen: int) -> _Track | None:
        """Follow the first of some faces that may take the lost one's place."""
        for face in faces:
            landmarks = self._predictor.landmarks(luma, face)
            look = face_look(luma, landmarks)
            if self._lost is None or self._lost.yields_to(face, look, seen == 1, self._settings):
                track = self._start(face, landmarks, look, seen)
                if self._lost is not None and self._lost.company:
                    track.uncrowded = 0
                return track
        return None

    def _start(self, face: Face, landmarks: Points, look: FaceLook, faces: int) -> _Track:
        model = BoxModel(self._settings.box_gain)
        model.learn(landmarks, face)
        proven = face.score >= self._settings.sure_score / 2
        return _Track(landmarks, face, look, (look, look), model, self._settings.calm_motion, faces, proven=proven)


def _between(expected: Face, face: Face, weight: float) -> Face:
    """A box from the expected (weight 0) to the detected one (weight 1)."""
    return replace(
        face,
        left=expected.left + weight * (face.left - expected.left),
        top=expected.top + weight * (face.top - expected.top),
        size=expected.size + weight * (face.size - expected.size),
    )
