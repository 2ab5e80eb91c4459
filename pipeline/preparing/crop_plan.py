"""Which frames of a video are kept, why the others are not, and how each is cut: one scale for the whole video."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline import geometry
from pipeline.geometry import Points
from pipeline.preparing import crops
from pipeline.preparing.smoothing import smooth
from pipeline.result import DROP_REASONS
from pipeline.settings import AUTO, Settings
from pipeline.shards import FRAME_SIZE
from pipeline.track import CORRUPT, WHOLE, Track

BLOCK = 4096  # frames whose landmarks are measured at a time
# Nose, eyes and mouth (28 to 68 in the paper's numbering): outside the picture, where nothing is seen, they are
# guessed. So are jaw and brows, in every close-up, but neither the crop's place nor the bank depends on those.
OF_CONSEQUENCE = slice(27, 68)
KEPT = -1
# The scale of a video's first faces (40 seconds at 25 a second) is the scale of all, unless that of all is off by more
# than half of the room that crops leave beyond the landmarks (`crops.ROOM`): a face that should take 60 % of the width
# takes 57.6 to 62.4, and what of it was inside the crop stays there. A count of faces alone, and no machine's memory or
# clock, decides it.
SETTLING_FACES, SETTLED = 1000, 0.04
# Of --smooth-centres auto, pixels of the paper's crop: what is steady (white noise of that deviation, the median over
# frames, by second differences; unsmoothed centres have 0.5), and how far a centre may be off in a hundredth of them.
SIGMAS, STEADY, MOST_LAG = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0), 0.1, 2.0


@dataclass(frozen=True)
class CropPlan:
    """What becomes of each frame of a track, n rows.

    Attributes:
        landmarks: (n, 68, 2) float32 source pixels, as they are to be stored: the track's, smoothed where the settings
            want it.
        scale: crop pixels per source pixel; 0 where no frame was left to measure.
        dropped: (n,) places in `DROP_REASONS`, `KEPT` for frames that are kept.
        transforms: (n, 2, 3) float32 source pixels -> crop pixels; NaN without a face that is to be cropped. Frames
            that are out of the picture by their padding alone have one.
    """

    landmarks: Points
    scale: float
    dropped: npt.NDArray[np.int8]
    transforms: npt.NDArray[np.float32]

    @property
    def kept(self) -> npt.NDArray[np.int64]:
        """(k,) places of the frames that are kept, rising."""
        return np.flatnonzero(self.dropped == KEPT)

    @property
    def drops(self) -> dict[str, int]:
        """Frames dropped, by reason."""
        return {reason: int((self.dropped == place).sum()) for place, reason in enumerate(DROP_REASONS)}

    def without(self, unwanted: npt.NDArray[np.bool_]) -> CropPlan:
        """The same without some frames (n,) that the user does not want; crops of the others stay what they are."""
        excluded = np.int8(DROP_REASONS.index("excluded"))
        return replace(self, dropped=np.where(unwanted & (self.dropped == KEPT), excluded, self.dropped))


def plan_crops(track: Track, settings: Settings) -> CropPlan:
    """Decide what is kept of a track and how it is cut: the only place where that is decided."""
    landmarks = _steadied(track, settings)
    dropped = _unfit(landmarks, track, settings)
    transforms = np.full((len(track), 2, 3), np.nan, np.float32)
    measured = np.flatnonzero(dropped == KEPT)
    if not len(measured):
        return CropPlan(landmarks, 0.0, dropped, transforms)
    # One scale for the whole video, from the faces that are left: nothing zooms in and out.
    scale = _scale_of_all(landmarks, measured, settings)
    # A frame's padding is known only now that the scale is.
    centred = _centred(landmarks, scale, settings)
    for place in measured.tolist():
        transforms[place] = crops.crop_transform(centred[place], scale, settings.centre, settings.frame_size)
        width, height = track.sizes[place].tolist()
        if crops.padding_fraction(transforms[place], settings.frame_size, width, height) > settings.max_padding:
            dropped[place] = DROP_REASONS.index("out_of_frame")
    return CropPlan(landmarks, scale, dropped, transforms)


def may_settle(settings: Settings) -> bool:
    """Whether later frames change earlier crops by the scale alone: not where landmarks or centres are smoothed."""
    return not settings.smooth_landmarks and not settings.smooth_centres


def settled_scale(track: Track, settings: Settings) -> float | None:
    """The scale of a longer video that begins with this track, if its later faces are of about the size of its first.

    None while there are too few faces to say. Landmarks must not be smoothed (`may_settle`).
    """
    measured = np.flatnonzero(_unfit(track.landmarks, track, settings) == KEPT)
    if len(measured) < SETTLING_FACES:
        return None
    return scale_of(track.landmarks, measured[:SETTLING_FACES], settings)


def _unfit(landmarks: Points, track: Track, settings: Settings) -> npt.NDArray[np.int8]:
    """(n,) why frames are not even measured, `KEPT` for those that are."""
    widths = geometry.face_width(landmarks)  # NaN where there is no face
    dropped = np.full(len(track), KEPT, np.int8)

    def drop(reason: str, where: npt.NDArray[np.bool_]) -> None:  # the first reason counts
        dropped[where & (dropped == KEPT)] = DROP_REASONS.index(reason)

    drop("corrupt", track.damage >= CORRUPT if settings.after_damage == "keep" else track.damage != WHOLE)
    drop("no_face", ~np.isfinite(widths))
    if settings.scenes == "main":
        drop("other_person", track.person > 0)
    drop("too_small", widths < settings.min_face_px)
    drop("out_of_frame", ~_inside(landmarks, track.sizes))
    return dropped


def _scale_of_all(landmarks: Points, measured: npt.NDArray[np.int64], settings: Settings) -> float:
    """The scale of a video: that of its first faces where that of all is about the same."""
    scale = scale_of(landmarks, measured, settings)
    settled = scale_of(landmarks, measured[:SETTLING_FACES], settings)
    return settled if abs(settled / scale - 1) <= SETTLED else scale


def _centred(landmarks: Points, scale: float, settings: Settings) -> Points:
    """The landmarks by which crops are centred."""
    if settings.smooth_centres != AUTO:
        return smooth(landmarks, settings.smooth_centres)
    return smooth(landmarks, steady_sigma(landmarks, scale * FRAME_SIZE / settings.frame_size, settings.centre))


def steady_sigma(landmarks: Points, scale: float, centre: str) -> float:
    """How much a video's crops need smoothing: the least of `SIGMAS` that leaves their centre steady.

    Args:
        landmarks: (n, 68, 2) source pixels, NaN where there is no face.
        scale: pixels of the paper's crop per source pixel.
        centre: a key of `crops.CENTRES`.

    Returns:
        Standard deviation in frames; less than would steady it, where more would lag behind the head.
    """
    here = crops.CENTRES[centre](landmarks) * scale
    chosen = SIGMAS[0]
    for sigma in SIGMAS:
        there = crops.CENTRES[centre](smooth(landmarks, sigma)) * scale
        behind = np.abs(there - here)
        if not np.isfinite(behind).any() or np.nanpercentile(behind, 99) > MOST_LAG:
            return chosen
        chosen = sigma
        second = np.diff(there, n=2, axis=0)
        trembling = np.sqrt(second[:, 0] * second[:, 0] + second[:, 1] * second[:, 1]) / np.sqrt(6)
        if not np.isfinite(trembling).any() or np.nanmedian(trembling) <= STEADY:
            return chosen
    return chosen


def scale_of(landmarks: Points, places: npt.NDArray[np.int64], settings: Settings) -> float:
    """The one scale of a video's crops, from the faces (n, 68, 2) at some of its places (k,), k >= 1."""
    widths, reaches = [], []
    for block in np.split(places, range(BLOCK, len(places), BLOCK)):  # a long video's differences are many bytes
        widths.append(geometry.face_width(landmarks[block]))
        reaches.append(crops.reach(landmarks[block], settings.centre))
    return crops.crop_scale(
        np.concatenate(widths), np.concatenate(reaches), settings.face_fraction, settings.frame_size
    )


def _steadied(track: Track, settings: Settings) -> Points:
    """The landmarks smoothed as the settings want it, the main person's apart from the others'."""
    landmarks = track.landmarks
    if settings.smooth_landmarks == 0:
        return landmarks
    if settings.scenes == "main":
        landmarks = np.where(track.person[:, None, None] > 0, np.float32(np.nan), landmarks)
    smoothed = smooth(landmarks, settings.smooth_landmarks)
    return np.where(np.isfinite(smoothed), smoothed, track.landmarks)


def _inside(landmarks: Points, sizes: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """(n,) whether all that matters of a face lies in the picture; True where there is none."""
    inside = np.ones(len(landmarks), np.bool_)
    for first in range(0, len(landmarks), BLOCK):
        block = slice(first, first + BLOCK)
        points = landmarks[block, OF_CONSEQUENCE]
        beyond = (points < -0.5) | (points > sizes[block, None, :] - np.float32(0.5))
        inside[block] = ~beyond.any((1, 2))
    return inside
