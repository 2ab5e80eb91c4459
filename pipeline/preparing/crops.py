"""Crops: where the 224x224 square of a video's every frame lies, and the pixels in it (one scale a video).

The scale is a single number per video, so that nothing zooms in and out; only the centre moves, frame by frame. No
rotation, no warping. A crop is cut from the decoder's planes at sub-pixel precision, filtered against aliasing.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline import geometry
from pipeline.arithmetic import ordered_sum
from pipeline.decode import Colour, Frame
from pipeline.geometry import Points
from pipeline.preparing.regions import Box, Region
from pipeline.shards import FRAME_SIZE

CENTRES = {"nose": geometry.nose_tip, "eyes": geometry.eyes_midpoint}
# The anchor's place in a crop of 224. With pixel centres at integers the middle of the square is 111.5, and by the
# other usual count 112; half-way between, both readings of "centred to half a pixel" hold. Crops of other sizes show
# exactly the same part of the picture.
ANCHOR = 111.75
ROOM = 0.92  # of the half-width: the share within which nearly all landmarks of nearly all frames must lie
REACH_PERCENTILE = 99.0
SLACK = 1.15  # of a guessed crop box: how much larger than the frames so far ask

Corners = tuple[float, float, float, float]  # left, top, right, bottom


def reach(landmarks: Points, centre: str) -> npt.NDArray[np.float32]:
    """How far the farthest landmark lies from the centre, along either axis: (..., 68, 2) -> (...,) pixels."""
    return np.asarray(np.abs(landmarks - CENTRES[centre](landmarks)[..., None, :]).max((-2, -1)), np.float32)


def crop_scale(
    face_widths: npt.NDArray[np.float32], reaches: npt.NDArray[np.float32], face_fraction: float, size: int
) -> float:
    """The scale of a whole video, crop pixels per source pixel.

    The median face width becomes `face_fraction` of the crop's; smaller where the landmarks would not all find room, as
    with a crop about the eyes, from which the chin is far.

    Args:
        face_widths: (n,) `geometry.face_width` of the frames, source pixels, n >= 1.
        reaches: (n,) their `reach`.
        face_fraction: in (0, 1].
        size: height and width of the crop.
    """
    by_width = face_fraction * size / float(np.median(face_widths))
    by_reach = ROOM * (size / 2) / float(np.percentile(reaches, REACH_PERCENTILE))
    return min(by_width, by_reach)


def crop_transform(landmarks: Points, scale: float, centre: str, size: int) -> npt.NDArray[np.float32]:
    """The affine map from source pixels to crop pixels of one frame: (68, 2) -> (2, 3) float32."""
    anchor = CENTRES[centre](landmarks).astype(np.float64)
    shift = (ANCHOR + 0.5) * size / FRAME_SIZE - 0.5 - scale * anchor
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)


def source_box(transform: npt.NDArray[np.float32], size: int) -> Box:
    """The source pixels that a crop is made of, the filter's support included; even, so that chroma aligns."""
    corners = box_corners(transform, size)
    margin = 2 * max(1.0, 1.0 / float(transform[0, 0])) + 2  # chroma has half the pixels: its filter is twice as wide
    left, top = (int(np.floor((low - margin) / 2)) * 2 for low in corners[:2])
    right, bottom = (int(np.ceil((high + margin) / 2)) * 2 for high in corners[2:])
    return Box(left, top, right, bottom)


def likely_half(landmarks: Points, centre: str, face_fraction: float) -> float:
    """Half of the side of a crop, in source pixels, if all frames were like this one."""
    return max(float(reach(landmarks, centre)) / ROOM, float(geometry.face_width(landmarks)) / (2 * face_fraction))


def likely_box(landmarks: Points, centre: str, half: float) -> Box:
    """A guess at a frame's `source_box`, generous, for keeping pixels before the video's scale is known.

    Args:
        landmarks: (68, 2) source pixels.
        centre: a key of `CENTRES`.
        half: the largest `likely_half` of the frames so far.
    """
    x, y = (round(float(value) / 2) * 2 for value in CENTRES[centre](landmarks))
    side = round((SLACK * half + 4) / 2) * 2
    return Box(x - side, y - side, x + side, y + side)


def padding_fraction(transform: npt.NDArray[np.float32], size: int, width: int, height: int) -> float:
    """The share of the crop's area that lies outside a picture of that size, 0 to 1."""
    left, top, right, bottom = box_corners(transform, size)
    inside = max(min(right, width) - max(left, 0), 0) * max(min(bottom, height) - max(top, 0), 0)
    return float(1 - inside / ((right - left) * (bottom - top)))


def cut(region: Region, transform: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.uint8]:
    """The crop's pixels.

    Outside the picture its border is replicated.

    Args:
        region: must hold `source_box(transform, size)` as far as that is inside the picture.
        transform: (2, 3) source -> crop pixels, a scale and a shift.
        size: height and width of the crop.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    import cv2

    from pipeline.preparing.resample import resample

    left, top, right, _ = box_corners(transform, size)
    left, top, side = left - region.box.left, top - region.box.top, right - left
    siting = 0.25 if region.colour.chroma_left else 0.0  # left-sited chroma lies a quarter of its pixel to the left
    planes = [
        resample(region.y, left, top, side, size),
        resample(region.u, left / 2 + siting, top / 2, side / 2, size),
        resample(region.v, left / 2 + siting, top / 2, side / 2, size),
    ]
    return np.asarray(cv2.transform(cv2.merge(planes), yuv_to_rgb(region.colour)), np.uint8)


def whole(frame: Frame) -> npt.NDArray[np.uint8]:
    """All of a frame, its pixels made as those of a crop are: (H, W, 3) uint8 RGB."""
    height, width = frame.y.shape
    region = Region(Box(0, 0, width, height), frame.y, frame.u, frame.v, frame.colour)
    return cut(region, np.eye(2, 3, dtype=np.float32), max(height, width))[:height, :width]


def box_corners(transform: npt.NDArray[np.float32], size: int) -> Corners:
    """left, top, right, bottom of the crop's outer edge in source coordinates whose pixel (0, 0) covers [0, 1)²."""
    scale, shift_x, shift_y = float(transform[0, 0]), float(transform[0, 2]), float(transform[1, 2])
    left, top = (-0.5 - shift_x) / scale + 0.5, (-0.5 - shift_y) / scale + 0.5
    return left, top, left + size / scale, top + size / scale


@lru_cache(maxsize=32)
def yuv_to_rgb(colour: Colour) -> npt.NDArray[np.float64]:
    """(3, 4) matrix from 8-bit YUV to RGB: BT.601, BT.709 or BT.2020; unknown is read as BT.601, as ffmpeg does."""
    kr, kb = {"bt709": (0.2126, 0.0722), "bt2020nc": (0.2627, 0.0593), "bt2020c": (0.2627, 0.0593)}.get(
        colour.matrix, (0.299, 0.114)
    )
    kg = 1 - kr - kb
    linear = np.array(
        [
            [1, 0, 2 * (1 - kr)],
            [1, -2 * (1 - kb) * kb / kg, -2 * (1 - kr) * kr / kg],
            [1, 2 * (1 - kb), 0],
        ]
    )
    gain = np.array([1.0, 1.0, 1.0]) if colour.full_range else np.array([255 / 219, 255 / 224, 255 / 224])
    black = np.array([0.0 if colour.full_range else 16.0, 128.0, 128.0])
    matrix = linear * gain
    return np.column_stack([matrix, -ordered_sum(matrix * black)])
