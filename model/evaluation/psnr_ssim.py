"""How alike two images are: PSNR and SSIM, a value for every image."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

PEAK = 255.0
MOST_DECIBELS = 100.0
"""The PSNR given to images without any difference, which would be infinite."""
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def psnr(images: Tensor, targets: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB over all pixels and colours, at most `MOST_DECIBELS`.

    Args:
        images, targets: (B, 3, H, W) in [0, 255].

    Returns:
        (B,) float64.
    """
    squared = (images.double() - targets.double()).square().mean(dim=(1, 2, 3))
    return (10 * torch.log10(PEAK**2 / squared)).clamp(max=MOST_DECIBELS)


def ssim(images: Tensor, targets: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004), the mean over colours and over all whole windows.

    Windows are Gaussian, 11 × 11 pixels, σ = 1.5, as in the original.

    Args:
        images, targets: (B, 3, H, W) in [0, 255], H and W at least 11.

    Returns:
        (B,) float64, at most 1.
    """
    a, b = images.double(), targets.double()
    mean_a, mean_b = _smooth(a), _smooth(b)
    variance_a = _smooth(a * a) - mean_a**2
    variance_b = _smooth(b * b) - mean_b**2
    covariance = _smooth(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + SSIM_C1) / (mean_a**2 + mean_b**2 + SSIM_C1)
    structure = (2 * covariance + SSIM_C2) / (variance_a + variance_b + SSIM_C2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def _smooth(images: Tensor) -> Tensor:
    """The windows' weighted means, (B, 3, H − 10, W − 10)."""
    kernel = _gaussian().to(images)
    channels = images.shape[1]
    down = F.conv2d(images, kernel[None, None, :, None].expand(channels, 1, -1, -1), groups=channels)
    return F.conv2d(down, kernel[None, None, None, :].expand(channels, 1, -1, -1), groups=channels)


@lru_cache(maxsize=1)
def _gaussian() -> Tensor:
    """(11,) weights that sum to 1."""
    place = torch.arange(SSIM_WINDOW, dtype=torch.float64) - SSIM_WINDOW // 2
    weights = torch.exp(-place.square() / (2 * SSIM_SIGMA**2))
    return weights / weights.sum()
