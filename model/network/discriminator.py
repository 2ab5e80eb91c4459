"""The patch discriminator."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from model.config import Initialisation
from model.network.spectral import normalised_conv

NEGATIVE_SLOPE = 0.01
"""GANimation's (the paper names no other)."""


class Discriminator(nn.Module):
    """D of Eq. 16: four 4×4 stride-2 convolutions with leaky ReLU, then one score a patch.

    The paper: D has "the same structure" as GANimation's "except for the SN layer", and reduces the image by 2⁴. So:
    GANimation's layers, four of its stride-2 stages, its 3×3 output convolution without a bias, its slope, spectral
    norm on every convolution, and "no instance or batch normalization".

    Args:
        base_channels: channels of the first convolution; each further one doubles them.
        initialisation: of the weights.
    """

    def __init__(self, base_channels: int = 64, initialisation: Initialisation = "ganimation") -> None:
        super().__init__()
        widths = [3, *(base_channels * 2**i for i in range(4))]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers.append(normalised_conv(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), initialisation))
            layers.append(nn.LeakyReLU(NEGATIVE_SLOPE))
        scores = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)
        self.layers = nn.Sequential(*layers, normalised_conv(scores, initialisation))

    def forward(self, image: Tensor) -> Tensor:
        """How real each patch looks.

        Args:
            image: (B, 3, H, W) in [-1, 1]; H and W multiples of 16.

        Returns:
            (B, 1, H/16, W/16) scores, higher where a patch looks more real; 14×14 of them at 224.
        """
        scores: Tensor = self.layers(image)
        return scores
