"""The stage: the source's own full pictures, into which a result is pasted where its crops were cut out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.config import Size
from model.pictures import Pixels, fitted
from pipeline.clips import frames_at
from pipeline.content import PICTURE_SUFFIXES
from pipeline.errors import InputError
from pipeline.pictures import open_picture
from pipeline.preparing.crops import box_corners, whole
from pipeline.preparing.resample import resample
from pipeline.preparing.tracked_clip import Transform
from pipeline.shards import FRAME_SIZE

RIM = 1 / 12  # of the crop's side: the width over which a result fades into the picture around it


@dataclass(frozen=True)
class Stage:
    """Where the source's face is in its full pictures; n of them.

    Attributes:
        path: the source's video, or a picture.
        pts_seconds: (n,) when each is shown, rising.
        transforms: (n, 2, 3) float32 source pixels -> pixels of a 224-pixel crop; NaN without a face.
    """

    path: Path
    pts_seconds: npt.NDArray[np.float64]
    transforms: Transform

    def places(self, fps: float, count: int) -> npt.NDArray[np.int64]:
        """(count,) which picture each frame of a result stands on.

        They follow in the source's own time; one without a face has the last before it (before the first face, the
        first), and after the end the last is held.
        """
        shown_from = np.maximum.accumulate(self.pts_seconds)
        moments = shown_from[0] + (np.arange(count) + 0.5) / fps
        shown = np.searchsorted(shown_from, moments, side="right") - 1
        faces = np.flatnonzero(np.isfinite(self.transforms[:, 0, 0]))
        return np.asarray(faces[np.maximum(np.searchsorted(faces, shown, side="right") - 1, 0)], np.int64)

    def words(self, fps: float, count: int) -> str:
        """What a result of so many frames stands on, for the user."""
        if self.path.suffix.lower() in PICTURE_SUFFIXES:
            return f"pasted into {self.path.name}"
        places = self.places(fps, count)
        held = int((places == places[-1]).sum()) - 1
        words = f"pasted into the frames of {self.path.name} in their order, from the first on"
        return words + (f"; the last one shown, number {places[-1]}, is held for {held} frames" if held > fps else "")

    def pictures(self, fps: float, count: int) -> Iterator[tuple[Pixels, Transform]]:
        """The picture (H, W, 3) uint8 RGB and the transform of each frame of a result; one is held in memory.

        Raises:
            VideoError: it cannot be read again as it was.
        InputError: its pictures change their size.
        """
        if self.path.suffix.lower() in PICTURE_SUFFIXES:
            picture = np.asarray(open_picture(self.path))
            for _ in range(count):
                yield picture, self.transforms[0]
            return
        places = self.places(fps, count).tolist()
        shape: tuple[int, ...] | None = None
        for place, frame in zip(places, frames_at(self.path, places), strict=True):
            shape = shape or frame.y.shape
            if frame.y.shape != shape:
                raise InputError(
                    f"{self.path}: the picture changes its size in frame {place}; --paste-back wants a source of one "
                    "size: cut it, or leave --paste-back out"
                )
            yield whole(frame), self.transforms[place]


def paste(picture: Pixels, result: Pixels, transform: Transform) -> Pixels:
    """A picture with a result in the place that its crop was cut from.

    The result is resampled to the picture's pixels, antialiased, at sub-pixel precision; within `RIM` of the crop's
    edge it fades in. What lies outside the crop stays as it is, byte for byte.

    Args:
        picture: (H, W, 3) uint8.
        result: (h, w, 3) uint8, of the whole crop, at any size.
        transform: (2, 3) picture pixels -> pixels of a 224-pixel crop, a scale and a shift.

    Returns:
        (H, W, 3) uint8.
    """
    pasted = picture.copy()
    left, top, right, _ = box_corners(transform, FRAME_SIZE)
    side = right - left
    first_x, first_y = int(np.floor(left)), int(np.floor(top))
    count = int(np.ceil(side)) + 1  # pixels that hold the crop, whichever part of one it begins in
    columns, rows = _inside(first_x, count, picture.shape[1]), _inside(first_y, count, picture.shape[0])
    if not (len(columns) and len(rows)):
        return pasted
    square = fitted(result, Size(max(result.shape[:2]), max(result.shape[:2])))
    step = len(square) / side  # pixels of the result in one of the picture's
    begin_x, begin_y = (first_x - left) * step, (first_y - top) * step
    planes = [resample(plane, begin_x, begin_y, count * step, count) for plane in np.moveaxis(square, 2, 0)]
    face = np.stack(planes, axis=2)[rows[0] - first_y :, columns[0] - first_x :][: len(rows), : len(columns)]
    mask = _fade(rows, top, side)[:, None, None] * _fade(columns, left, side)[None, :, None]
    area = pasted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    area[:] = np.rint(area + mask * (face.astype(np.float32) - area))
    return pasted


def _inside(first: int, count: int, size: int) -> npt.NDArray[np.int64]:
    """The numbers from `first` on that are of pixels of a picture."""
    return np.arange(max(first, 0), min(first + count, size))


def _fade(pixels: npt.NDArray[np.int64], begin: float, side: float) -> npt.NDArray[np.float32]:
    """How much of the result there is in each pixel: 0 at the crop's edge and beyond, 1 from `RIM` on, smooth."""
    place = (pixels + 0.5 - begin) / side
    depth = np.clip(np.minimum(place, 1 - place) / RIM, 0, 1)
    return np.asarray(depth * depth * (3 - 2 * depth), np.float32)
