"""The VGG16 features of the perceptual loss, and where their weights are found."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from model.network.published_weights import Weights, verified_weights
from pipeline.errors import InputError

VGG16_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
VGG16_NAME = "vgg16-397923af.pth"
VGG16_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
WITHOUT = "pass --perceptual-weight 0 to train without the perceptual loss"

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))
"""Output channels of the convolutions of each stage, up to conv4_3; a max-pool stands between stages."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class PerceptualFeatures(nn.Module):
    """VGG16 (Simonyan and Zisserman 2015) up to relu4_3, frozen, with torchvision's parameter names.

    The features are the layers that the paper names, relu1_2, relu2_2, relu3_3 and relu4_3: those that
    Johnson et al. (2016) brought into use. Nothing behind conv4_3 is kept.

    Args:
        stages: output channels of the convolutions of each stage.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, stages: Sequence[Sequence[int]] = WIDTHS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        taps: list[int] = []
        channels = 3
        for stage in stages:
            if layers:
                layers.append(nn.MaxPool2d(2))
            for width in stage:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            taps.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)
        self.taps = frozenset(taps)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """The four feature maps of images (B, 3, H, W) in [-1, 1], H and W at least 8.

        Returns:
            (B, 64, H, W), (B, 128, H/2, W/2), (B, 256, H/4, W/4), (B, 512, H/8, W/8).
        """
        x = ((image + 1) / 2 - self.mean) / self.std
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                found.append(x)
        return found


def load_perceptual(
    weights: Path | None = None, download: bool = True, stages: Sequence[Sequence[int]] = WIDTHS
) -> PerceptualFeatures:
    """VGG16 with torchvision's ImageNet weights.

    Args:
        weights: the file `vgg16-397923af.pth`; None looks in `$TORCH_HOME/hub/checkpoints`.
        download: fetch the file into that folder if it is not there.
        stages: see `PerceptualFeatures`.

    Raises:
        InputError: if the file is missing and cannot be fetched, or is not the published one.
    """
    published = Weights("VGG16 weights", VGG16_NAME, VGG16_URL, VGG16_SHA256, "--vgg-weights", WITHOUT)
    path = verified_weights(published, weights, download)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = PerceptualFeatures(stages)
        network.load_state_dict({name: state[name] for name in network.state_dict()})
    except (pickle.UnpicklingError, RuntimeError, KeyError, EOFError) as error:
        raise InputError(f"VGG16 weights cannot be read: {path}; {WITHOUT}") from error
    return network.eval()
