"""How a head stands before the camera: the one map that carries landmarks and pixels alike from face to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.sample.landmarks import Points, jaw_weight

Grid = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """Place (`x`, `y`: the face's origin in frame pixels), `scale` (pixels a unit), turns in radians.

    `yaw` turns the nose towards the right of the picture, `pitch` down, `roll` clockwise.
    """

    x: float
    y: float
    scale: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def project(self, points: Points) -> Points:
        """Face points (..., 2) in units to frame pixels (pixel centres at integers)."""
        z = depth(points[..., 0], points[..., 1])
        turned_x = points[..., 0] * np.cos(self.yaw) + z * np.sin(self.yaw)
        turned_y = points[..., 1] * np.cos(self.pitch) + z * np.sin(self.pitch)
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        across = cos * turned_x - sin * turned_y
        down = sin * turned_x + cos * turned_y
        return np.stack([self.x + self.scale * across, self.y + self.scale * down], axis=-1)

    def unproject(self, pixels_x: Grid, pixels_y: Grid) -> tuple[Grid, Grid]:
        """Frame pixels to face units: the inverse of `project`, exact to a thousandth of a unit up to 10° of turn."""
        across, down = (pixels_x - self.x) / self.scale, (pixels_y - self.y) / self.scale
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        turned_x, turned_y = cos * across + sin * down, cos * down - sin * across
        x, y = turned_x / np.cos(self.yaw), turned_y / np.cos(self.pitch)
        for _ in range(5):  # a contraction: turns are small and the depth is smooth
            z = depth(x, y)
            x = (turned_x - z * np.sin(self.yaw)) / np.cos(self.yaw)
            y = (turned_y - z * np.sin(self.pitch)) / np.cos(self.pitch)
        return x, y


def depth(x: Grid, y: Grid) -> Grid:
    """Height of the face towards the camera in units: a smooth head with a nose, about zero half-way to the ears."""
    radius = (x / 1.0) ** 2 + ((y - 0.3) / 1.55) ** 2
    nose = np.exp(-((x / 0.19) ** 2) - ((y - 0.38) / 0.24) ** 2)
    return np.asarray(0.9 / (1.0 + radius) ** 1.5 - 0.4 + 0.2 * nose)


def undo_jaw(x: Grid, y: Grid, drop: float) -> Grid:
    """The resting height of points seen at (x, y) while the jaw is down by `drop`: the inverse of `move_jaw`.

    The map only ever stretches downwards, so bisection always finds the answer; 12 halvings leave 1e-4 units.
    """
    low, high = y - drop, y.copy()
    for _ in range(12):
        middle = 0.5 * (low + high)
        too_low = middle + drop * jaw_weight(x, middle) > y
        high = np.where(too_low, middle, high)
        low = np.where(too_low, low, middle)
    return 0.5 * (low + high)
