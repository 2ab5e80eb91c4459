"""Hair as many strands: the brush that `hair` draws its styles with."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.sample.canvas import Mask, Picture, curve
from pipeline.sample.landmarks import Points
from pipeline.sample.relief import Field, noise, rounded, shade

_SUBPIXEL_BITS = 4


class Tresses:
    """One layer of hair: a colour picture (H, W, 3) and how much it covers (H, W), both uint8 while being drawn.

    Args:
        origin: the face-frame point, in units, at the picture's top left pixel.
        scale: pixels a unit.
    """

    def __init__(
        self, shape: tuple[int, int], origin: Points, scale: float, colour: tuple[int, int, int], seed: int
    ) -> None:
        self.colour = np.array(colour, float)
        self.rng = np.random.default_rng([seed, 5])
        self._origin, self._scale = origin, scale
        self._picture = np.empty((*shape, 3), np.uint8)
        self._picture[:] = np.clip(0.6 * self.colour, 0, 255)
        self._cover = np.zeros(shape, np.uint8)

    def mass(self, outline: Points) -> None:
        """Fill an outline with the hair's dark ground."""
        cv2.fillPoly(self._cover, [self._pixels(outline)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)

    def strand(self, path: Points, brightness: float, width: int = 1) -> None:
        """Draw one hair along a path in units."""
        pixels = [self._pixels(path)]
        shade = tuple(float(c) for c in np.clip(self.colour * brightness, 0, 255))
        cv2.polylines(self._picture, pixels, False, shade, width, cv2.LINE_AA, _SUBPIXEL_BITS)
        cv2.polylines(self._cover, pixels, False, 255, width, cv2.LINE_AA, _SUBPIXEL_BITS)

    def lock(self, inner: Points, outer: Points, count: int, stray: float = 0.012) -> None:
        """Hair between two lines that run from root to tip: a ground, then strands that part and join again."""
        self.mass(np.concatenate([inner, outer[::-1]]))
        steps = np.linspace(0.0, 1.0, 24, dtype=np.float64)
        inner, outer = _resampled(inner, steps), _resampled(outer, steps)
        wisps = self.rng.uniform(0.72, 1.22, 60)
        for _ in range(count):
            across = self.rng.uniform(0, 1)
            first, last = sorted(self.rng.uniform(0, 1, 2)) if self.rng.random() < 0.6 else (0.0, 1.0)
            part = slice(int(first * 23), max(int(last * 23), int(first * 23) + 2) + 1)
            drift = across + 0.10 * self.rng.normal() * (steps - 0.3)
            path = inner + np.clip(drift, 0, 1)[:, None] * (outer - inner)
            path = path + self.rng.normal(0, stray, 2) * steps[:, None]
            brightness = np.interp(across * 59, np.arange(60), wisps) * self.rng.uniform(0.66, 1.34)
            self.strand(path[part], float(brightness))

    def curl(self, centre: Points, radius: float) -> None:
        """One small ring of hair, lit from above."""
        self.mass(centre + radius * 1.1 * _RING)
        turn, hand = self.rng.uniform(0, 2 * np.pi), self.rng.choice([-1.0, 1.0])
        for shrink in (1.0, 0.85, 0.68, 0.5):
            angle = turn + hand * np.linspace(0, 4.4, 10)
            path = centre + radius * shrink * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
            self.strand(path, float(self.rng.uniform(0.5, 1.5)) * (0.6 + 0.55 * shrink), 1)

    def finished(self, light: float, crisp: bool = False, halo: Field | None = None) -> tuple[Picture, Mask]:
        """The lit colours (H, W, 3) in 0-255 and the cover 0-1.

        Args:
            crisp: ringlets and bristles, each in its own light, rather than one smooth volume.
            halo: (H, W) strength of the band of light that smooth hair has.
        """
        cover: Mask = self._cover.astype(np.float32) / np.float32(255)
        texture = cv2.cvtColor(self._picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        volume, grain, gloss = (0.20, 0.035, 0.0) if crisp else (0.42, 0.010, 0.05)
        relief = rounded(cover, self._scale, 0.45, volume, 0.05) + texture * (grain / max(float(texture.max()), 1.0))
        relief += 0.004 * noise((relief.shape[0], relief.shape[1]), 0.12 * self._scale, self.rng)
        lit = shade(self._picture.astype(np.float32), relief, self._scale, light, gloss)
        if halo is not None:
            sheen = (texture / max(float(texture.mean()), 1.0)).clip(0, 2)
            lit += (halo * sheen)[..., None] * (0.36 * self.colour.astype(np.float32) + 26)
        return np.clip(lit, 0, 255), cover

    def _pixels(self, points: Points) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        return np.rint((points - self._origin) * self._scale * (1 << _SUBPIXEL_BITS)).astype(np.int32)


_RING = np.stack([np.cos(np.linspace(0, 2 * np.pi, 14)), np.sin(np.linspace(0, 2 * np.pi, 14))], axis=-1)


def _resampled(line: Points, steps: Points) -> Points:
    """Points at the given shares (0-1) of a line's length."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    return np.stack([np.interp(steps * length[-1], length, line[:, axis]) for axis in (0, 1)], axis=-1)


def smooth(*points: tuple[float, float]) -> Points:
    """A curve through the points."""
    return curve(np.array(points))
