"""A face that is followed: what is known of it, and what follows from that. Nothing here looks at a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from pipeline.tracking.detection import Face, merit
from pipeline.tracking.face_box import BoxModel, Points, disagreement, shape_residual
from pipeline.tracking.face_look import FaceLook
from pipeline.tracking.scene import likeness
from pipeline.tracking.settings import TrackSettings

COMPANY_FRAMES = 50  # for so long somebody seen beside a face may be the one who comes to stand in front of it
MEMORY_FRAMES = 12  # between looks kept: what slides in front of a face is not yet in the older one
LEARNT = 5  # detections after which the box hardly changes with one more
BESIDE = 0.2  # overlap of two faces' boxes at most; dlib gives boxes within boxes, too
SURVEY_FRAMES = 4  # between looks at the wider neighbourhood of a face that is changing


class Step(Enum):
    """What is done with a followed face on a frame."""

    CARRY = "the predictor goes on from the last landmarks"
    DETECT = "the detector looks where the face is expected"
    LOST = "it is gone"


@dataclass(frozen=True)
class FollowedFace:
    """A face as of one frame; every method that names a change returns the face after it.

    Attributes:
        landmarks: (68, 2) float32 source pixels.
        box: the detector's box on these landmarks, with the score of the last detection.
        look: of these landmarks.
        known: earlier looks, the newer `MEMORY_FRAMES` old at most while the face is calm.
        model: where the detector's box lies on this face.
        motion: of late, a frame, in units of the face size.
        faces: credible faces in the picture when it was last looked at.
        frames: for which it has been followed; 0 on the one on which it was found.
        age: frames since the last detection.
        remembered: frames since `known` was renewed.
        unlooked: frames since the last look at the whole picture.
        unsurveyed: frames since the last look at the wider neighbourhood.
        uncrowded: frames since another face was seen beside it.
        changing: it does not look as it did a frame ago.
        startling: it looks quite different from a frame ago.
        proven: the detector was sure of it once.
    """

    landmarks: Points
    box: Face
    look: FaceLook
    known: tuple[FaceLook, FaceLook]
    model: BoxModel
    motion: float
    faces: int
    frames: int = 0
    age: int = 0
    remembered: int = 0
    unlooked: int = 0
    unsurveyed: int = 0
    uncrowded: int = COMPANY_FRAMES
    changing: bool = False
    startling: bool = False
    proven: bool = False

    @classmethod
    def found(cls, face: Face, landmarks: Points, look: FaceLook, faces: int, settings: TrackSettings) -> FollowedFace:
        """A face that the detector has just found, among so many."""
        model = BoxModel(settings.box_gain).learned(landmarks, face)
        proven = _is_nearly_sure(face, settings)
        return cls(landmarks, face, look, (look, look), model, settings.calm_motion, faces, proven=proven)

    # Decisions.

    def first_step(self, alike: float | None, settings: TrackSettings) -> Step:
        """How a frame is begun.

        Args:
            alike: after a cut, how like the face's look is to what is in its place now; None without a cut.
        """
        if alike is not None and alike < settings.least_likeness:
            return Step.LOST
        return Step.CARRY if self.age < self._detection_interval(settings) else Step.DETECT

    def after_prediction(self, landmarks: Points, box: Face, look: FaceLook, settings: TrackSettings) -> Step:
        """Whether landmarks predicted from the last ones alone are taken (CARRY) or give rise to doubt (DETECT)."""
        doubtful = (
            disagreement(box, self.box) >= settings.largest_motion
            or shape_residual(landmarks, self.landmarks) >= settings.largest_residual
            or likeness(look.whole, self.look.whole) < settings.least_likeness
        )
        return Step.DETECT if doubtful else Step.CARRY

    def is_at(self, face: Face, settings: TrackSettings) -> bool:
        """Whether a detected face is where this one is expected."""
        return disagreement(face, self.box) < settings.largest_gap

    def is_another(self, face: Face, look: FaceLook, settings: TrackSettings) -> bool:
        """Whether a face beside the expected place is another one: it looks different, and there is reason for it.

        Reasons are that somebody was seen beside this face, or that it held still so far: real faces move gradually,
        and one that leaps looks much the same after it.
        """
        alike = likeness(look.fine, self.look.fine)
        if self.has_company:
            return not self.is_at(face, settings) and alike < settings.same_likeness
        still = self.motion < settings.largest_motion and _is_nearly_sure(self.box, settings)
        return still and disagreement(face, self.box) >= settings.leap and alike < settings.other_likeness

    def yields_to(self, other: Face, settings: TrackSettings) -> bool:
        """Whether this, of which the detector was never sure, is given up for a face that clearly is one."""
        return not self.proven and other.score >= settings.sure_score and merit(other) > 2 * merit(self.box)

    @property
    def has_company(self) -> bool:
        """Whether somebody else was seen beside it not long ago."""
        return self.uncrowded < COMPANY_FRAMES

    @property
    def wants_survey(self) -> bool:
        """Whether the detector should look at its wider neighbourhood."""
        return self.changing and self.unsurveyed >= SURVEY_FRAMES

    def wants_look(self, settings: TrackSettings) -> bool:
        """Whether the whole picture is to be looked at: more often while it is doubtful that this is a face."""
        return self.unlooked >= (settings.look_every if self.proven else settings.look_every // 6)

    def _detection_interval(self, settings: TrackSettings) -> int:
        """Frames from one detection to the next."""
        if not _is_nearly_sure(self.box, settings):
            return 1
        if self.box.score < settings.sure_score or self.motion > settings.calm_motion:
            return max(1, settings.detect_every // 4)
        learnt = self.model.count >= LEARNT
        return settings.detect_every if learnt else max(1, settings.detect_every // 2)

    # Changes.

    def aged(self) -> FollowedFace:
        """A frame later."""
        return replace(
            self,
            frames=self.frames + 1,
            age=self.age + 1,
            unlooked=self.unlooked + 1,
            unsurveyed=self.unsurveyed + 1,
            uncrowded=self.uncrowded + 1,
        )

    def moved(self, landmarks: Points, box: Face, look: FaceLook, settings: TrackSettings) -> FollowedFace:
        """With this frame's landmarks, box and look."""
        alike = likeness(look.whole, self.look.whole)
        calm = likeness(look.fine, self.look.fine) >= settings.certain_likeness
        renewed = self.remembered + 1 >= MEMORY_FRAMES and calm
        return replace(
            self,
            landmarks=landmarks,
            box=box,
            look=look,
            changing=alike < settings.certain_likeness,
            startling=alike < settings.least_likeness,
            known=(self.known[1], look) if renewed else self.known,
            remembered=0 if renewed else self.remembered + 1,
            motion=self.motion + 0.5 * (disagreement(box, self.box) - self.motion),
            proven=self.proven or _is_nearly_sure(box, settings),
        )

    def corrected(self, face: Face, landmarks: Points, look: FaceLook, settings: TrackSettings) -> FollowedFace:
        """With a detection, and this frame's landmarks and look."""
        model = self.model if self.is_at(face, settings) else BoxModel(settings.box_gain)
        model = model.learned(landmarks, face)
        detected = replace(self, model=model, age=0)
        return detected.moved(landmarks, model.box(landmarks, face.score), look, settings)

    def seen_with(self, face: Face, faces: Sequence[Face], settings: TrackSettings) -> FollowedFace:
        """Remembering whether somebody else, of at least half the size, is beside `face`, which is this one."""
        others = [other for other in faces if other.score >= settings.search.confirm_score]
        beside = any(other.overlap(face) < BESIDE and other.size > face.size / 2 for other in others)
        return replace(self, uncrowded=0) if beside else self


def _is_nearly_sure(face: Face, settings: TrackSettings) -> bool:
    return face.score >= settings.sure_score / 2
