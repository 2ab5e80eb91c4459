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
from pipeline.tracking.face_box import disagreement
from pipeline.tracking.face_look import FaceLook, face_look
from pipeline.tracking.followed import FollowedFace, Step
from pipeline.tracking.lost_face import LostFace
from pipeline.tracking.predictor import LandmarkPredictor
from pipeline.tracking.region import FaceRegion
from pipeline.tracking.scene import Scene, likeness
from pipeline.tracking.search import FaceSearch
from pipeline.tracking.settings import TrackSettings

__all__ = ["NO_FACE", "FaceObservation", "FaceTracker", "TrackSettings"]

NO_FACE = "no_face"


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


class FaceTracker:
    """Follows the main face of one video, strictly causally: what a frame gives depends on it and those before.

    | state | what a frame does | what comes next |
    | --- | --- | --- |
    | CARRY | the predictor goes on from the last landmarks, whose box is judged from themselves (`BoxModel`) | CARRY; \
DETECT on the same frame where a detection is due or the result is doubtful |
    | DETECT | the detector looks about the expected place, the predictor starts from its box | CARRY; LOST where \
there is no face, or somebody else's |
    | LOST | the lost face is looked for where it was, any face in the whole picture (`FaceSearch`) | CARRY with a \
face that may take its place (`LostFace`); LOST without |

    After a scene cut a face is LOST that no longer looks the same in its place. A wider neighbourhood is searched
    while a face is changing, the whole picture now and then. Decisions are those of `FollowedFace` and `LostFace`,
    which see numbers alone; here pictures are looked at.

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
        self._face: FollowedFace | None = None
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
        if luma.shape != self._shape:  # nothing of the last picture has a place in this one
            cut, self._shape, self._face = True, luma.shape, None
        if self._face is not None:
            self._face = self._follow(self._face.aged(), luma, cut)
        if self._face is None:
            if cut:
                self._lost = None
                self._search.restart()
            self._face = self._find(luma)
        face = self._face
        if face is None:
            return FaceObservation(None, 0.0, 0, NO_FACE)
        begins = cut or face.frames == 0 or (face.startling and self._scene.sudden)
        return FaceObservation(face.landmarks, face.box.score, face.faces, None, begins)

    def _follow(self, face: FollowedFace, luma: Luma, cut: bool) -> FollowedFace | None:
        """The face on this frame; None where it is lost."""
        settings, seen, rival = self._settings, None, None
        alike = likeness(face.look.whole, face_look(luma, face.landmarks).whole) if cut else None
        step = face.first_step(alike, settings)
        if step is Step.CARRY:
            step, face = self._carry(face, luma)
            if step is Step.CARRY:
                return face
        if step is Step.DETECT:
            face, seen, rival = self._detect(face, luma)
        if seen is None:
            self._lost = LostFace(face.box, face.known, face.has_company or rival is not None, rival)
            self._search.lost()
            return None
        face = self._correct(face, luma, seen)
        return self._look_around(face, luma) if face.wants_look(settings) else face

    def _carry(self, face: FollowedFace, luma: Luma) -> tuple[Step, FollowedFace]:
        """Predict from the last landmarks alone."""
        landmarks = self._predictor.landmarks(luma, face.box)
        box = face.model.box(landmarks, face.box.score)
        look = face_look(luma, landmarks)
        step = face.after_prediction(landmarks, box, look, self._settings)
        if step is Step.CARRY:
            return step, face.moved(landmarks, box, look, self._settings)
        return step, replace(face, changing=True)

    def _detect(self, face: FollowedFace, luma: Luma) -> tuple[FollowedFace, Face | None, FaceLook | None]:
        """Look for the face with the detector.

        Returns:
            It with what was noticed; its detection, None where it is gone; and the look of somebody else in its place.
        """
        settings = self._settings
        survey = face.wants_survey
        reach = settings.far_reach if survey else settings.reach
        faces = self._detector.around(luma, face.box, reach, settings.lapse_score)
        nearest = max(faces, key=face.box.overlap, default=None)
        if survey and nearest is not None:
            face = replace(face, unsurveyed=0).seen_with(nearest, faces, settings)
        # Where it is expected it need not look the same; a weak score is looked at twice.
        if (
            nearest is not None
            and face.is_at(nearest, settings)
            and (nearest.score >= 0 or self._detector.confirms(luma, nearest))
        ):
            return face, nearest, None
        # Further away it has to, where there is reason to think of another.
        rival = None
        for other in self._near(luma, face.box):
            look = face_look(luma, self._predictor.landmarks(luma, other))
            if not face.is_another(other, look, settings):
                return face, other, None
            rival = rival or look
        return face, None, rival

    def _near(self, luma: Luma, box: Face) -> list[Face]:
        """Credible faces in the wider neighbourhood of a box, nearest first."""
        faces = self._search.credible(luma, self._detector.around(luma, box, self._settings.far_reach))
        return sorted(faces, key=box.overlap, reverse=True)

    def _correct(self, face: FollowedFace, luma: Luma, seen: Face) -> FollowedFace:
        """Take a detection in, and take the face to this frame with it."""
        # A small gap is the detector's coarseness, a large one motion.
        weight = min(1.0, disagreement(seen, face.box) / self._settings.largest_gap)
        landmarks = self._predictor.landmarks(luma, _between(face.box, seen, weight))
        return face.corrected(seen, landmarks, face_look(luma, landmarks), self._settings)

    def _count_faces(self, face: FollowedFace, luma: Luma) -> tuple[FollowedFace, list[Face]]:
        """Look at the whole picture: the face with what was seen, and the others."""
        coarsest = math.sqrt(luma.size / self._settings.look_pixels)
        faces = self._detector.search(luma, max(1.0, coarsest, reduction_for(face.box.size)))
        others = [other for other in faces if other.overlap(face.box) < SAME_PLACE]
        face = replace(face, unlooked=0, faces=1 + len(others)).seen_with(face.box, faces, self._settings)
        return face, others

    def _look_around(self, face: FollowedFace, luma: Luma) -> FollowedFace:
        """Count the faces in the picture; one that never was sure yields to one that clearly is."""
        face, others = self._count_faces(face, luma)
        if self._region is not None:
            others = [other for other in others if self._region.holds(other, luma.shape)]
        other = main_face(others) if others else None
        if other is None or not face.yields_to(other, self._settings):
            return face
        landmarks = self._predictor.landmarks(luma, other)
        return FollowedFace.found(other, landmarks, face_look(luma, landmarks), face.faces, self._settings)

    def _find(self, luma: Luma) -> FollowedFace | None:
        """The face lost last where it is seen again, else the main one of the picture."""
        lost = self._lost
        if lost is not None:
            lost.missing += 1
            if lost.missing <= self._settings.linger:
                near = self._near(luma, lost.box)
                found = self._first_welcome(luma, near, len(near))
                if found is not None:
                    return found
        faces = self._search.find(luma, self._region)
        found = self._first_welcome(luma, sorted(faces, key=merit, reverse=True), len(faces))
        if found is not None and self._region is not None:
            found, _ = self._count_faces(found, luma)  # that search was not told of the others
        return found

    def _first_welcome(self, luma: Luma, faces: list[Face], seen: int) -> FollowedFace | None:
        """Follow the first of some faces that may take the lost one's place."""
        lost = self._lost
        for face in faces:
            landmarks = self._predictor.landmarks(luma, face)
            look = face_look(luma, landmarks)
            if lost is None or lost.yields_to(face, look, seen == 1, self._settings):
                found = FollowedFace.found(face, landmarks, look, seen, self._settings)
                return replace(found, uncrowded=0) if lost is not None and lost.company else found
        return None


def _between(expected: Face, face: Face, weight: float) -> Face:
    """A box from the expected (weight 0) to the detected one (weight 1)."""
    return replace(
        face,
        left=expected.left + weight * (face.left - expected.left),
        top=expected.top + weight * (face.top - expected.top),
        size=expected.size + weight * (face.size - expected.size),
    )
