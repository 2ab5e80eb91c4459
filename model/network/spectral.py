"""Spectral norm (Miyato et al. 2018) that mixed precision leaves alone."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.parametrize import register_parametrization

Layer = TypeVar("Layer", bound=nn.Module)


def spectral_norm(layer: Layer) -> Layer:
    """The layer with its weight divided by the weight's largest singular value, as torch's own `spectral_norm`.

    That one, under autocast on a GPU, rounds the singular value to bfloat16's eight bits, and so gives a network that
    trains other weights than the same network when it is measured. Here it is float32 always.
    """
    outputs = 1 if isinstance(layer, nn.ConvTranspose2d) else 0  # the weight's dimension of output channels
    weight = layer.get_parameter("weight")
    register_parametrization(layer, "weight", _InFloat32(weight, dim=outputs))
    return layer


class _InFloat32(_SpectralNorm):
    def forward(self, weight: Tensor) -> Tensor:
        device = weight.device.type
        if not torch.amp.is_autocast_available(device):  # there are no numbers on "meta"
            return super().forward(weight)
        with torch.autocast(device, enabled=False):
            return super().forward(weight)
