"""Landmarks as GANimation's condition: 136 numbers in the place of its action units."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.config import Size
from model.network.precision import at_least_float32
from pipeline.geometry import LANDMARKS

CONDITION_SIZE = 2 * LANDMARKS
SPREAD = 0.13
"""The root mean square that conditions are brought to. Action units divided by 5, for which λ_y was published, have
0.11 on its authors' own faces; landmarks in shares of our crops have about 0.015, and L_y then starts so small beside
the critic that the network learns to copy its input."""


class LandmarkStatistics(NamedTuple):
    """Of a training split's landmarks in shares of the image's sides, (pixel + 0.5) / side.

    Attributes:
        mean: (68, 2) float64, the mean shape in its mean place.
        spread: root mean square of all coordinates' deviations from it.
    """

    mean: Tensor
    spread: float


class LandmarkCondition(nn.Module):
    """c = 0.13 · (p − mean shape) / σ, p the landmarks in shares of the image's sides, flattened to 136.

    The statistics are buffers: checkpoints carry them.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((LANDMARKS, 2), 0.5))
        self.register_buffer("spread", torch.ones(()))

    def fit(self, statistics: LandmarkStatistics) -> None:
        """Take over the statistics of a training split."""
        self.mean.copy_(statistics.mean)
        self.spread.fill_(statistics.spread)

    def forward(self, landmarks: Tensor, size: Size) -> Tensor:
        """Conditions (B, 136), x and y of each point in turn.

        Args:
            landmarks: (B, 68, 2) in pixels, pixel centres at integers.
            size: of the images.
        """
        x, y = (at_least_float32(landmarks) + 0.5).unbind(-1)
        shares = torch.stack((x / size.width, y / size.height), -1)
        return (SPREAD / self.spread * (shares - self.mean)).flatten(1)

    def inverse(self, conditions: Tensor, size: Size) -> Tensor:
        """Landmarks (B, 68, 2) in pixels, from conditions (B, 136)."""
        x, y = (conditions.view(-1, LANDMARKS, 2) * (self.spread / SPREAD) + self.mean).unbind(-1)
        return torch.stack((x * size.width, y * size.height), -1) - 0.5
