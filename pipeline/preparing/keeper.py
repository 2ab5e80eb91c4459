"""What is kept of each frame while its video is tracked, so that it need not be decoded again to be cropped."""

from __future__ import annotations

import math

from pipeline.decode import Frame
from pipeline.geometry import Points
from pipeline.preparing import crop_plan, crops
from pipeline.preparing.region_store import RegionStore
from pipeline.preparing.regions import Crop, region_of
from pipeline.settings import Settings
from pipeline.track import SoFar


class Keeper:
    """Told of every frame with a face, in order: keeps its region at first, and its crop once a scale has settled.

    A region serves whatever the video's scale turns out to be, but at 1080p it takes eight times the bytes of a crop. A
    crop serves if scale and place are in the end those that it was cut by (`crop_plan.plan_crops` says so): where the
    later faces are of another size, or the first ones turn out to be somebody else's, frames are decoded again. Where
    landmarks or centres are smoothed, no scale settles: regions are kept to the end.

    Args:
        store: where.
    """

    def __init__(self, settings: Settings, store: RegionStore) -> None:
        self._settings = settings
        self._store = store
        self._half = 0.0  # of the largest crop that a frame so far makes likely
        self._faces = 0
        # Faces after which it is next asked whether a scale has settled.
        self._due = float(crop_plan.SETTLING_FACES) if crop_plan.may_settle(settings) else math.inf
        self._scale: float | None = None

    def __call__(self, place: int, frame: Frame, landmarks: Points, so_far: SoFar) -> None:
        """Keep what is needed of a frame; see `pipeline.track.follow`."""
        if self._scale is None:
            self._keep_region(place, frame, landmarks)
            self._settle(so_far)
        else:
            size = self._settings.frame_size
            transform = crops.crop_transform(landmarks, self._scale, self._settings.centre, size)
            pixels = crops.cut(region_of(frame, crops.source_box(transform, size)), transform, size)
            self._store.keep_crop(place, Crop(transform, pixels))

    def _keep_region(self, place: int, frame: Frame, landmarks: Points) -> None:
        centre = self._settings.centre
        self._half = max(self._half, crops.likely_half(landmarks, centre, self._settings.face_fraction))
        self._store.keep(place, frame, crops.likely_box(landmarks, centre, self._half))

    def _settle(self, so_far: SoFar) -> None:
        """See whether a scale has settled: seldom, as that costs some work for each frame so far."""
        self._faces += 1
        if self._faces >= self._due:
            self._scale = crop_plan.settled_scale(so_far(), self._settings)
            self._due *= 1.25
