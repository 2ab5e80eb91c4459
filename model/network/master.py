"""GANimation's master network: FLNet's E, and the body of GANimation's own generator."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from model.network.spectral import normalised_conv

RESIDUAL_BLOCKS = 6

Convolution = nn.Conv2d | nn.ConvTranspose2d
Normalise = Callable[[Convolution], nn.Module]
"""What is done to every convolution when it is made: how its weights begin, and spectral norm where there is one."""


class MasterNetwork(nn.Module):
    """E of Eq. 1: down to a quarter of the size, six residual blocks, and back up ("Implementation").

    Instance norm has a learnt scale and shift, as in StarGAN and GANimation, whose network this is.

    Args:
        input_channels: of all that the network sees.
        base_channels: of the first convolution and of the features.
        normalise: done to every convolution; by default FLNet's spectral norm.
    """

    def __init__(self, input_channels: int, base_channels: int, normalise: Normalise = normalised_conv) -> None:
        super().__init__()
        c = base_channels
        self.layers = nn.Sequential(
            *_normalised(nn.Conv2d(input_channels, c, 7, padding=3, bias=False), normalise),
            *_normalised(nn.Conv2d(c, 2 * c, 4, stride=2, padding=1, bias=False), normalise),
            *_normalised(nn.Conv2d(2 * c, 4 * c, 4, stride=2, padding=1, bias=False), normalise),
            *(ResidualBlock(4 * c, normalise) for _ in range(RESIDUAL_BLOCKS)),
            *_normalised(nn.ConvTranspose2d(4 * c, 2 * c, 4, stride=2, padding=1, bias=False), normalise),
            *_normalised(nn.ConvTranspose2d(2 * c, c, 4, stride=2, padding=1, bias=False), normalise),
        )

    def forward(self, images: Tensor) -> Tensor:
        """I_f (B, base_channels, H, W) from (B, input_channels, H, W)."""
        features: Tensor = self.layers(images)
        return features

    def from_first(self, response: Tensor) -> Tensor:
        """I_f from what the first convolution gave (B, base_channels, H, W), for who computes that by other means."""
        for layer in list(self.layers)[1:]:
            response = layer(response)
        return response


class ResidualBlock(nn.Module):
    """x + two normalised 3×3 convolutions of x, with a ReLU between them."""

    def __init__(self, channels: int, normalise: Normalise = normalised_conv) -> None:
        super().__init__()
        first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.layers = nn.Sequential(*_normalised(first, normalise), *_normalised(second, normalise)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to the same shape."""
        change: Tensor = self.layers(x)
        return x + change


def _normalised(conv: Convolution, normalise: Normalise) -> list[nn.Module]:
    """The convolution, normalised, with instance norm and ReLU.

    A group norm with one channel a group is instance norm, and unlike `nn.InstanceNorm2d` it keeps channels_last
    (compiled, and on a CPU).
    """
    return [normalise(conv), nn.GroupNorm(conv.out_channels, conv.out_channels), nn.ReLU(inplace=True)]
