"""A folder of pictures as a clip, and single pictures as the frames of a video are given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.content import PICTURE_SUFFIXES, pictures_in
from pipeline.decode.frame import Colour, Frame, Plane
from pipeline.decode.reader import MAX_FRAMES
from pipeline.decode.stream import MAX_PIXELS
from pipeline.errors import VideoError

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
    from PIL import Image, ImageOps, UnidentifiedImageError  # here: scheduling reads no pictures

    try:
        with Image.open(path) as file:
            if file.width * file.height > MAX_PIXELS:
                raise VideoError("unreadable", f"{path}: is a picture of more than {MAX_PIXELS} pixels")
            if file.mode[0] in "IF":
                raise VideoError("unreadable", f"{path}: grey levels of more than 8 bits are not read; convert it")
            y, u, v = ImageOps.exif_transpose(file).convert("RGB").convert("YCbCr").split()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise VideoError("unreadable", f"{path}: cannot be read as a picture ({error})") from error
    return np.asarray(y), np.asarray(u.reduce(2)), np.asarray(v.reduce(2))
