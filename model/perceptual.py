"""The VGG16 features of the perceptual loss, and where their weights are found."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn


class PerceptualFeatures(nn.Module):
    """VGG16 up to conv4_3, frozen."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """relu1_2, relu2_2, relu3_3 and relu4_3 of images (B, 3, H, W) in [-1, 1]."""
        raise NotImplementedError


def load_perceptual(weights: Path | None = None, download: bool = True) -> PerceptualFeatures:
    """VGG16 with torchvision's ImageNet weights.

    Raises:
        InputError: if the file is missing and cannot be downloaded, or is not the published one.
    """
    raise NotImplementedError
