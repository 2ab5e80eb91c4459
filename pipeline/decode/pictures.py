"""A folder of pictures as a clip, and single pictures as the frames of a video are given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.content import PICTURE_SUFFIXES, pictures_in
from pipeline.decode.frame import Colour, Frame, Plane
from pipeline.decode.reader import MAX_FRAMES
from pipeline.errors import InputError, VideoError
from pipeline.pictures import open_picture

# What Pillow's conversion gives (JFIF): BT.601 over the full range, chroma half-way between two columns.
PICTURE_COLOUR = Colour("smpte170m", full_range=True, chroma_left=False)


class PictureReader:
    """As `VideoReader`, over the pictures of a folder in their natural order: frames number 0, 1, 2, ...

    A picture that cannot be read is a complaint, no end, and keeps its number and its time.

    Args:
        folder: of PNG, JPEG, WebP, BMP or TIFF files; others in it are not looked at.
        fps: the rate that they were taken at.
        start, end: seconds; pictures at `start` and later, before `end`. None: all.

    Raises:
        VideoError: `unreadable` without a picture that can be read, `too_short` without one between start and end,
            `too_long` for more than `MAX_FRAMES`.
    """

    def __init__(self, folder: Path, fps: float, start: float | None = None, end: float | None = None) -> None:
        self.path = folder
        self.fps = self.chosen_fps = fps
        self.width = self.height = 0  # of the first picture, known from that on
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.errors: list[str] = []  # of pictures that could not be read
        self._start, self._end = start or 0.0, float("inf") if end is None else end

    def __enter__(self) -> PictureReader:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __iter__(self) -> Iterator[Frame]:
        pictures = pictures_in(self.path)
        if not pictures:
            suffixes = ", ".join(sorted(PICTURE_SUFFIXES))
            raise VideoError("unreadable", f"{self.path}: holds no pictures ({suffixes})")
        if len(pictures) > MAX_FRAMES:
            raise VideoError("too_long", f"{self.path}: has more than {MAX_FRAMES} pictures; cut it into pieces")
        wanted = [
            (i, picture)
            for i, picture in enumerate(pictures)
            if self._start <= i / self.fps + 1e-6 and i / self.fps + 1e-6 < self._end
        ]
        if not wanted:
            raise VideoError("too_short", f"{self.path}: no picture from {self._start:g} to {self._end:g} s")
        given = 0
        for index, picture in wanted:
            try:
                planes = picture_planes(picture)
            except VideoError as error:
                self.errors.append(str(error))
                continue
            if not given:
                self.height, self.width = planes[0].shape
            given += 1
            yield Frame(index, index / self.fps, *planes, PICTURE_COLOUR)
        if not given:
            raise VideoError("unreadable", self.errors[0])


def picture_planes(path: Path) -> tuple[Plane, Plane, Plane]:
    """A picture, upright, as Y (H, W), U and V (half of each, rounded up), of `PICTURE_COLOUR`.

    Raises:
        VideoError: it cannot be read; names the file.
    """
    try:
        y, u, v = open_picture(path).convert("YCbCr").split()
    except FileNotFoundError as error:
        raise VideoError("vanished", f"{path}: cannot be read ({error.strerror})") from error
    except InputError as error:
        raise VideoError("unreadable", str(error)) from error
    return np.asarray(y), np.asarray(u.reduce(2)), np.asarray(v.reduce(2))
