"""Light on shapes: smooth heights from outlines and bumps, shaded as matt surfaces with a little gloss."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.sample.canvas import Mask, Picture

Field = npt.NDArray[np.float32]

_GAMMA = 2.2
_KEY = np.array([1.04, 0.99, 0.93], np.float32)  # a warm lamp
_FILL = np.array([0.90, 0.96, 1.08], np.float32)  # a cool room


def rounded(mask: Mask, scale: float, radius: float, height: float, blur: float) -> Field:
    """A cushion over a mask: `height` units in the middle, falling to nothing within `radius` units of the edge."""
    inside = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / (radius * scale)
    edge = 1.0 - np.clip(inside, 0.0, 1.0)
    return np.asarray(cv2.GaussianBlur(height * np.sqrt(1.0 - edge**2), (0, 0), blur * scale), np.float32)


def bump(x: Field, y: Field, centre: Sequence[float], width: float, tall: float) -> Field:
    """A bell of height 1 with standard deviations `width` and `tall` in units."""
    return np.asarray(np.exp(-0.5 * (((x - centre[0]) / width) ** 2 + ((y - centre[1]) / tall) ** 2)), np.float32)


def shade(albedo: Picture, height: Field, scale: float, light: float, gloss: float = 0.1) -> Picture:
    """Light an albedo (H, W, 3) in 0-255 sRGB by a key light at `light` (-1 left to 1 right), a fill and the sky.

    Args:
        height: (H, W) towards the camera, in units of `scale` pixels.
        gloss: strength of the highlight.
    """
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) * (scale / 8)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) * (scale / 8)
    length = 1.0 / np.sqrt(1.0 + slope_x**2 + slope_y**2)

    def facing(direction: Sequence[float]) -> Field:
        unit = np.asarray(direction) / np.linalg.norm(direction)
        return np.asarray(length * (unit[2] - unit[0] * slope_x - unit[1] * slope_y), np.float32)

    key = np.clip((facing((light, -0.62, 0.9)) + 0.2) / 1.2, 0, 1)
    fill = np.clip((facing((-light, -0.1, 0.8)) + 0.4) / 1.4, 0, 1)
    sky = 0.5 + 0.5 * length * slope_y
    hollow = np.clip(1.0 - 2.6 * (cv2.GaussianBlur(height, (0, 0), 0.09 * scale) - height), 0.45, 1.12)
    strength = (0.80 * key)[..., None] * _KEY + (0.20 * fill + 0.16 * sky)[..., None] * _FILL
    shine = gloss * np.clip(facing((0.55 * light, -0.45, 1.0)), 0, 1) ** 24
    linear = np.power(np.maximum(albedo, 0) / 255, _GAMMA) * (strength * hollow[..., None]) + shine[..., None]
    return to_srgb(linear)


def to_srgb(linear: npt.NDArray[np.floating]) -> Picture:
    """Linear light to 0-255 with a soft shoulder, so that highlights keep their colour."""
    bent = np.where(linear > 0.7, 0.7 + 0.3 * np.tanh((linear - 0.7) / 0.3), linear)
    return np.asarray(255 * np.power(np.clip(bent, 0, 1), 1 / _GAMMA), np.float32)


def noise(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> Field:
    """Smooth noise with mean 0 and standard deviation 1, whose blobs are about `grain` pixels wide."""
    step = max(grain / 2, 1.0)
    small = rng.standard_normal((int(shape[0] / step) + 3, int(shape[1] / step) + 3)).astype(np.float32)
    full = cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(full / full.std(), np.float32)
