"""Every convolution of both networks: how its weights begin, and spectral norm that mixed precision leaves alone."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.parametrize import register_parametrization

from model.config import Initialisation

INITIAL_STD = 0.02
Conv = TypeVar("Conv", bound=nn.Conv2d | nn.ConvTranspose2d)


def normalised_conv(conv: Conv, initialisation: Initialisation = "ganimation") -> Conv:
    """The convolution with its weights begun anew and divided by their largest singular value ("Implementation").

    The paper names no initialisation. Its networks are GANimation's, so that "ganimation" is the default. "pytorch"
    keeps the layer's own (uniform, wider where there are fewer inputs). Spectral norm takes the scale out of the
    weights' effect, but not out of Adam's: a step is a smaller turn of a longer weight.
    """
    return spectral_norm(begun_anew(conv) if initialisation == "ganimation" else conv)


def begun_anew(conv: Conv) -> Conv:
    """The convolution as GANimation begins it: weights from N(0, 0.02), biases 0."""
    nn.init.normal_(conv.weight, 0.0, INITIAL_STD)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def spectral_norm(conv: Conv) -> Conv:
    """The layer with its weight divided by the weight's largest singular value, as torch's own `spectral_norm`.

    That one, under autocast on a GPU, rounds the singular value to bfloat16's eight bits, and so gives a network that
    trains other weights than the same network when it is measured. Here it is float32 always.
    """
    outputs = 1 if isinstance(conv, nn.ConvTranspose2d) else 0  # the weight's dimension of output channels
    register_parametrization(conv, "weight", _InFloat32(conv.weight, dim=outputs))
    return conv


class _InFloat32(_SpectralNorm):
    def forward(self, weight: Tensor) -> Tensor:
        device = weight.device.type
        if not torch.amp.is_autocast_available(device):  # there are no numbers on "meta"
            return super().forward(weight)
        with torch.autocast(device, enabled=False):
            return super().forward(weight)
