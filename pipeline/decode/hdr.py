"""High dynamic range (PQ and HLG) brought to the colours of an ordinary screen, SDR BT.709.

The same curve as ffmpeg's `zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0:peak=10,
zscale=t=bt709:m=bt709:r=tv`, to within a level, but in arithmetic that gives the same bits on every machine, and there
whether or not ffmpeg was built with zscale: diffuse white, 203 cd/m2 (ITU-R BT.2408), becomes the screen's white; what
is darker than 0.3 of it stays as it is; what is brighter, up to ten times white, bends towards white (Möbius).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt
from numba import types

from pipeline.compiled import compiled
from pipeline.decode.frame import FULL_RANGE, Plane, plane_of

HLG = 18  # AVCOL_TRC_ARIB_STD_B67
WHITE_NITS = 203.0
PQ_NITS, HLG_NITS = 10000.0, 1000.0
KNEE, PEAK = 0.3, 10.0  # of the Möbius curve, in units of white
# The curve goes on from the line without a kink at the knee, and is 1 at the peak: BEND (x + A) / (x + B).
A = -KNEE * KNEE * (PEAK - 1) / (KNEE * KNEE - 2 * KNEE + PEAK)
B = (KNEE * KNEE - 2 * KNEE * PEAK + PEAK) / (PEAK - 1)
BEND = (B * B + 2 * B * KNEE + KNEE * KNEE) / (B - A)  # what the very brightest comes near to
LEVELS = 1 << 14  # of the tables
GRID = float(1 << 20)  # tables hold multiples of its inverse: machines' libraries differ far below that

KR_KB = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114)}  # others: BT.2020
# Linear RGB of other primaries in those of BT.709 (all have the white of D65).
BT2020_TO_709 = ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730))
P3_TO_709 = ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274))
UNCHANGED = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
PRIMARIES = {1: UNCHANGED, 12: P3_TO_709}  # others: BT.2020

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[np.float32]
Deep = npt.NDArray[np.uint16]


class SdrPlanes(NamedTuple):
    """A picture for an ordinary screen: BT.709, 16 to 235, chroma where it was."""

    y: Plane  # (H, W)
    u: Plane  # (ceil(H/2), ceil(W/2))
    v: Plane


def to_sdr(picture: av.VideoFrame) -> SdrPlanes:
    """Bring a PQ or HLG picture in yuv420p10le to SDR."""
    y, u, v = (plane_of(plane, np.uint16) for plane in picture.planes)
    full = picture.color_range == FULL_RANGE
    yuv_to_rgb = _yuv_to_rgb(int(picture.colorspace), full)
    gamut = np.array(PRIMARIES.get(int(picture.color_primaries), BT2020_TO_709))
    luma, blues, reds = _tone_map(y, u, v, yuv_to_rgb, gamut, _table(light, int(picture.color_trc)), _table(signal))
    return SdrPlanes(luma, _chroma(blues, 1.8556), _chroma(reds, 1.5748))


@lru_cache(maxsize=8)
def _yuv_to_rgb(matrix: int, full_range: bool) -> Floats:
    """(3, 4): R'G'B' in 0 to 1 from 10-bit levels Y, Cb, Cr and 1."""
    kr, kb = KR_KB.get(matrix, (0.2627, 0.0593))
    kg = 1 - kr - kb
    black, gain, chroma_gain = (0.0, 1 / 1023, 1 / 1023) if full_range else (64.0, 1 / 876, 1 / 896)
    red, blue = 2 * (1 - kr) * chroma_gain, 2 * (1 - kb) * chroma_gain
    rows = np.array([[gain, 0, red], [gain, -blue * kb / kg, -red * kr / kg], [gain, blue, 0]])
    return np.column_stack([rows, -gain * black - 512 * (rows[:, 1] + rows[:, 2])])


def light(transfer: int) -> Floats:
    """(LEVELS,) light in units of white of a component from 0 to 1."""
    x = np.arange(LEVELS) / (LEVELS - 1)
    if transfer == HLG:  # ITU-R BT.2100, with the system gamma of a 1000 cd/m2 screen on each component, as zscale
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(x <= 0.5, x * x / 3, (np.exp((x - c) / a) + b) / 12)
        return np.asarray(HLG_NITS / WHITE_NITS * scene**1.2)
    power = x ** (1 / 78.84375)  # SMPTE ST 2084
    ratio = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return np.asarray(PQ_NITS / WHITE_NITS * ratio ** (1 / 0.1593017578125))


def signal() -> Floats:
    """(LEVELS,) signal for the square root of light, 0 to that of BEND: the inverse of BT.1886's gamma of 2.4."""
    x = math.sqrt(BEND) * np.arange(LEVELS) / (LEVELS - 1)
    return np.asarray(x ** (2 / 2.4))


@lru_cache(maxsize=3)
def _table(function: Callable[..., Floats], *arguments: int) -> Table:
    return np.asarray(np.rint(function(*arguments) * GRID) / GRID, np.float32)


_PLANE = types.Array(types.uint16, 2, "A", readonly=True)
_PART = types.Array(types.float32, 2, "C", readonly=True)


@compiled(types.float64)
def _place(value: float) -> int:
    """Where in a table a value from 0 to 1 stands."""
    return int(min(max(value, 0.0), 1.0) * (LEVELS - 1) + 0.5)


@compiled(_PLANE, _PLANE, _PLANE, types.float64[:, ::1], types.float64[:, ::1], types.float32[::1], types.float32[::1])
def _tone_map(
    y: Deep, u: Deep, v: Deep, yuv_to_rgb: Floats, gamut: Floats, linear: Table, screen: Table
) -> tuple[Plane, Table, Table]:
    """Pixel by pixel; chroma, which lies at every other column half-way between two rows, is interpolated.

    Returns:
        (H, W) luma levels, and B' - Y' and R' - Y' where white is 1, (H, W) float32.
    """
    height, width = y.shape
    rows, columns = u.shape
    (yr, ur, vr, cr), (yg, ug, vg, cg), (yb, ub, vb, cb) = yuv_to_rgb
    (rr, rg, rb), (gr, gg, gb), (br, bg, bb) = gamut
    luma = np.empty((height, width), np.uint8)
    blues, reds = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    for i in range(height):
        near = i // 2
        far = min(max(near + (1 if i % 2 else -1), 0), rows - 1)
        for j in range(width):
            left = j // 2
            right = min(left + j % 2, columns - 1)
            level = float(y[i, j])
            level_u = 0.375 * (u[near, left] + u[near, right]) + 0.125 * (u[far, left] + u[far, right])
            level_v = 0.375 * (v[near, left] + v[near, right]) + 0.125 * (v[far, left] + v[far, right])
            r = linear[_place(yr * level + ur * level_u + vr * level_v + cr)]
            g = linear[_place(yg * level + ug * level_u + vg * level_v + cg)]
            b = linear[_place(yb * level + ub * level_u + vb * level_v + cb)]
            red, green, blue = rr * r + rg * g + rb * b, gr * r + gg * g + gb * b, br * r + bg * g + bb * b
            brightest = max(red, green, blue)
            # One factor for the three, so that the hue stays.
            gain = 1 / BEND if brightest <= KNEE else (brightest + A) / ((brightest + B) * brightest)
            red = screen[_place(math.sqrt(max(gain * red, 0.0)))]
            green = screen[_place(math.sqrt(max(gain * green, 0.0)))]
            blue = screen[_place(math.sqrt(max(gain * blue, 0.0)))]
            bright = 0.2126 * red + 0.7152 * green + 0.0722 * blue
            luma[i, j] = np.uint8(16.5 + 219 * bright)
            blues[i, j], reds[i, j] = blue - bright, red - bright
    return luma, blues, reds


@compiled(_PART, types.float64)
def _chroma(differences: Table, largest: float) -> Plane:
    """Chroma levels at every other column, half-way between two rows, from every pixel's difference to its luma."""
    height, width = differences.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    out = np.empty((rows, columns), np.uint8)
    for row in range(rows):
        above, upper = max(2 * row - 1, 0), 2 * row
        lower, below = min(2 * row + 1, height - 1), min(2 * row + 2, height - 1)
        for column in range(columns):
            left, middle, right = max(2 * column - 1, 0), 2 * column, min(2 * column + 1, width - 1)
            total = 0.0
            for i, weight in ((above, 1.0), (upper, 3.0), (lower, 3.0), (below, 1.0)):
                total += weight * (differences[i, left] + 2.0 * differences[i, middle] + differences[i, right])
            out[row, column] = np.uint8(128.5 + 224 / (32 * largest) * total)
    return out
