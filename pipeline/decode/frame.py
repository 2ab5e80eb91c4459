"""A decoded frame, and how its colours are meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import av
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]

MATRICES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}
FULL_RANGE = 2  # AVCOL_RANGE_JPEG
HDR = {16: "PQ", 18: "HLG"}  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67


@dataclass(frozen=True)
class Colour:
    """How a video's YUV is meant."""

    matrix: str  # ffmpeg's name: bt709, smpte170m, ..., unknown
    full_range: bool
    chroma_left: bool  # chroma is sited at the left luma column (MPEG-2, H.264), else half-way between two


@dataclass(frozen=True)
class Frame:
    """One decoded frame. The planes are the decoder's own, not to be written: copy what you keep of them.

    Its pixels are square and upright. Frames of one video may differ in size: a phone that is turned, say.
    """

    index: int  # in presentation order, from 0: ffprobe's frame number
    pts_seconds: float  # NaN where the container gives no time
    y: Plane  # (H, W)
    u: Plane  # (ceil(H/2), ceil(W/2))
    v: Plane
    colour: Colour
    corrupt: bool = False  # a part of it was lost, and made up
    key: bool = True  # it does not depend on other frames
    follows_loss: bool = False  # one or more before it could not be decoded at all


class Decoded(NamedTuple):
    """A picture of ffmpeg's on its way, and what must not get lost on it."""

    picture: av.VideoFrame
    seconds: float  # NaN where the container gives no time
    corrupt: bool
    key: bool
    follows_loss: bool


def plane_of(plane: av.video.plane.VideoPlane, dtype: Any = np.uint8) -> npt.NDArray[Any]:
    """A plane without the padding at the end of its rows, as it lies in the decoder's memory."""
    memory: npt.NDArray[Any] = np.frombuffer(plane, dtype)  # type: ignore[call-overload]
    memory.flags.writeable = False
    return memory.reshape(plane.height, plane.line_size // memory.itemsize)[:, : plane.width]


def colour_of(picture: av.VideoFrame, chroma_left: bool) -> Colour:
    """How a picture's YUV is meant, as far as its file says."""
    matrix = MATRICES.get(int(picture.colorspace), "unknown")
    full_range = picture.color_range == FULL_RANGE or picture.format.name == "yuvj420p"
    return Colour(matrix, full_range, chroma_left)
