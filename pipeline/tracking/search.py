"""Searching whole pictures for a face: what is looked at, and how often while there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.tracking.detection import Face, FaceDetector, Luma, search_reductions
from pipeline.tracking.region import FaceRegion, moved

Counts = Callable[[Face], bool]

ROWS_APART = 32  # of those by which pictures are told apart first
RESTARTS_APART = 12  # frames: pictures that change all the time (noise) do not begin a search each time


@dataclass(frozen=True)
class SearchSettings:
    """How frames without a face are searched.

    Attributes:
        first_pixels: size of the reduced picture that a search of the whole one begins with.
        enough_score: a face of this score ends a search before the picture is looked at in more detail.
        confirm_score: a face below it counts only if a second look, half a pyramid step off, sees it too.
        eager_pixels: pictures up to this size are searched whole on every frame while there is no face.
        longest_wait: frames from one search of a larger picture to the next, after a while without a face.
        upsampled_pixels: pixels of the doubled picture searched a frame, on average, for the smallest faces.
        upsampled_after_loss: frames after the loss of a face before the doubled picture is searched for it.
    """

    first_pixels: int = 120_000
    enough_score: float = 0.5
    confirm_score: float = 0.3
    eager_pixels: int = 300_000
    longest_wait: int = 2
    upsampled_pixels: int = 200_000
    upsampled_after_loss: int = 12


class _NothingFound:
    """The picture searched last, if nothing was found in it: an equal one need not be searched again.

    Title cards and blank leaders last for many frames. Where a picture has no contrast at all, all of the detector's
    gradients are zero: nothing is found in it, whatever its level.
    """

    def __init__(self) -> None:
        self._picture: Luma | None = None
        self._region: FaceRegion | None = None
        self._doubled = False

    def knows(self, luma: Luma, region: FaceRegion | None) -> tuple[bool, bool]:
        """Whether it is known that nothing will be found in a picture, and whether not even in the doubled one."""
        if luma.size and luma[0, 0] == luma[-1, -1] and luma.min() == luma.max():
            return True, True
        last = self._picture
        if last is None or self._region != region:
            return False, False
        # A few rows first: most pictures differ in any.
        same = all(np.array_equal(last[::step], luma[::step]) for step in (ROWS_APART, 1))
        return same, same and self._doubled

    def note(self, luma: Luma, region: FaceRegion | None, doubled: bool) -> None:
        """Nothing was found in a picture, nor in the doubled one if that was searched."""
        self._picture, self._region, self._doubled = luma.copy(), region, doubled


class FaceSearch:
    """Searches frames while there is no face: at once after a start, a cut or a loss, then at bounded cost."""

    def __init__(self, settings: SearchSettings, detector: FaceDetector) -> None:
        self._settings = settings
        self._detector = detector
        self._nothing_found = _NothingFound()
        self._since_restart = RESTARTS_APART
        self.restart()

    def restart(self) -> None:
        """Begin anew, in a scene not seen before."""
        if self._since_restart >= RESTARTS_APART:
            self._since_restart = self._wait = self._wait_upsampled = 0

    def lost(self) -> None:
        """Begin anew because a face was lost from this scene: it was not among the smallest."""
        self._since_restart = self._wait = 0
        self._wait_upsampled = self._settings.upsampled_after_loss

    def find(self, luma: Luma, region: FaceRegion | None = None) -> list[Face]:
        """Credible faces of this frame; none where there are none or it is not this frame's turn. Once a frame.

        Args:
            region: only faces in it count; None: in all of the picture.
        """
        if region is None:
            return self._find(luma, lambda _: True, None)
        part, left, top = region.with_room(luma)
        if not part.size:
            return []
        faces = self._find(part, lambda face: region.holds(moved(face, left, top), luma.shape), region)
        return [moved(face, left, top) for face in faces]

    def _find(self, luma: Luma, counts: Counts, region: FaceRegion | None) -> list[Face]:
        settings = self._settings
        self._since_restart += 1
        self._wait -= 1
        self._wait_upsampled -= 1
        if self._wait > 0:
            return []
        slow = luma.size > settings.eager_pixels
        self._wait = min(settings.longest_wait, 1 + self._since_restart // 8) if slow else 1
        barren, doubled = self._nothing_found.knows(luma, region)
        faces = [] if barren else self._reduced(luma, counts)
        if not faces and self._wait_upsampled <= 0:
            self._wait_upsampled = max(1, round(4 * luma.size / settings.upsampled_pixels))
            if not doubled:
                faces = self._counting(luma, self._detector.search(luma, upsample=1), counts)
                barren, doubled = False, True
        if not faces and not barren:
            self._nothing_found.note(luma, region, doubled)
        return faces

    def _reduced(self, luma: Luma, counts: Counts) -> list[Face]:
        """Faces that show in the picture at up to its own size."""
        height, width = luma.shape
        faces: list[Face] = []
        small = luma.size <= self._settings.eager_pixels
        for reduction in (1.0,) if small else search_reductions(height, width, self._settings.first_pixels):
            faces = self._counting(luma, self._detector.search(luma, reduction), counts) or faces
            if faces and faces[0].score >= self._settings.enough_score:
                break
        return faces

    def _counting(self, luma: Luma, faces: list[Face], counts: Counts) -> list[Face]:
        return self.credible(luma, [face for face in faces if counts(face)])

    def credible(self, luma: Luma, faces: list[Face]) -> list[Face]:
        """Those of some faces that are sure enough, or stand a second look."""
        return [
            face for face in faces if face.score >= self._settings.confirm_score or self._detector.confirms(luma, face)
        ]
