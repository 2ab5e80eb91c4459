"""The patch discriminator."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from model.network.spectral import spectral_norm


class Discriminator(nn.Module):
    """D of Eq. 16: four 4×4 stride-2 convolutions with leaky ReLU, then one score a patch.

    Every convolution has spectral norm, which is what the hinge loss leans on to keep D smooth.

    Args:
        base_channels: channels of the first convolution; each further one doubles them.
    """

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        widths = [3, *(base_channels * 2**i for i in range(4))]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1)))

    def forward(self, image: Tensor) -> Tensor:
        """How real each patch looks.

        Args:
            image: (B, 3, H, W) in [-1, 1].

        Returns:
            (B, 1, H/16, W/16) scores, higher where a patch looks more real; 14×14 of them at 224.
        """
        scores: Tensor = self.layers(image)
        return scores
