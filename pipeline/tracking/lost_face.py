"""Who may take the place of a face that was lost: the same person at once, others in the same scene after a while."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.tracking.detection import SAME_PLACE, Face
from pipeline.tracking.face_box import disagreement
from pipeline.tracking.face_look import FaceLook
from pipeline.tracking.scene import likeness
from pipeline.tracking.settings import TrackSettings

NEAR = 2.0  # in units of the face size: how far a face may come while it is not seen


@dataclass
class LostFace:
    """A face that was followed until lately.

    Attributes:
        box: where it was.
        looks: what it looked like, lately and a little earlier.
        company: another face was seen beside it not long before.
        rival: what somebody else looks like who appeared where it vanished, and most likely stands in front of it.
        missing: frames since then.
    """

    box: Face
    looks: tuple[FaceLook, ...]
    company: bool
    rival: FaceLook | None
    missing: int = 0

    def yields_to(self, face: Face, look: FaceLook, alone: bool, settings: TrackSettings) -> bool:
        """Whether a face is followed from now on: it is the same, or has waited long enough.

        Args:
            alone: there is no other face in the picture.
        """
        alike = max(likeness(look.fine, known.fine) for known in self.looks)
        if alike >= settings.same_likeness:
            return True
        back = face.overlap(self.box) >= SAME_PLACE
        if self.rival is not None:
            back = back and alike > likeness(look.fine, self.rival.fine)
            return back or self.missing > settings.rival_patience
        if back or (alone and not self.company and disagreement(face, self.box) < NEAR):
            return True
        return self.missing > settings.patience
