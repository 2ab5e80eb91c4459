"""What the landmarks alone answer, for the heads to start from (`--guide landmarks`). Not in the paper; off by default.

The master network has to find out from a sparse field, through instance norms that take its strength away, that a bank
image whose landmarks are near the target's is the better one, and which way its pixels must move. Both can be said in
closed form. With the guide the heads of M_w and W_w learn what to change about it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.geometry import LANDMARKS

REACH = 1 / 16
"""σ of the Gaussian that spreads a landmark's offset over its surroundings, as a share of the image's side."""
TEMPERATURE_PX = 1.0
"""How many pixels (of a 224-pixel image) the landmarks of one image must be nearer to be e times as much selected."""
FADING = 0.3
"""Offsets fade to zero where there are fewer landmarks about than this share of one."""
LARGEST = 0.95
"""Largest warp of the guide in units of M, so that its inverse tanh is finite."""


class Guide(NamedTuple):
    """What is added to the responses of two heads.

    Attributes:
        selection: (B, N, H, W), logits of M_w.
        warp: (B, 2N, H, W), x and y of each image in turn; its tanh is in units of M.
    """

    selection: Tensor
    warp: Tensor


def landmark_guide(field: Tensor, warp_margin_px: float) -> Guide:
    """Select the images of nearest landmarks, all over and hereabouts, and move their pixels as the landmarks do.

    Args:
        field: ΔF_s (B, N, 2, H, W) in pixels of a 224-pixel image.
        warp_margin_px: M in the same.
    """
    batch, size, _, height, width = field.shape
    # The mean distance of all landmarks, and of those hereabouts.
    distance = torch.linalg.vector_norm(field, dim=2)
    present = (distance > 0).to(field.dtype)
    overall = distance.sum((-2, -1)) / LANDMARKS
    parts = torch.stack((present, distance, field[:, :, 0], field[:, :, 1]), 2)
    near, distances, x, y = _spread(parts).unbind(2)
    # A landmark that is just where it must be leaves no trace in the field, but seldom in all fields of a bank.
    near = near.amax(1, keepdim=True)
    one_landmark = 1 / (2 * math.pi * (REACH * height) * (REACH * width))
    faint = 1e-3 * one_landmark
    here = (distances + faint * overall[..., None, None]) / (near + faint)
    selection = -(overall[..., None, None] + here) / TEMPERATURE_PX
    # An image's pixel is fetched from where it was: against the landmarks' motion.
    offsets = torch.stack((x, y), 2) / (near[:, :, None] + FADING * one_landmark)
    warp = torch.atanh((-offsets / warp_margin_px).clamp(-LARGEST, LARGEST))
    return Guide(selection, warp.view(batch, 2 * size, height, width))


def _spread(maps: Tensor) -> Tensor:
    """Maps (B, N, C, H, W) blurred by a Gaussian of `REACH`; nothing comes in from beyond the border."""
    height, width = maps.shape[-2:]
    images = maps.reshape(-1, 1, height, width)
    down, across = (_gaussian(REACH * side, images) for side in (height, width))
    images = F.conv2d(images, down[None, None, :, None], padding=(len(down) // 2, 0))
    images = F.conv2d(images, across[None, None, None, :], padding=(0, len(across) // 2))
    return images.view(maps.shape)


def _gaussian(sigma: float, like: Tensor) -> Tensor:
    """(2r + 1,) weights that sum to 1, r = 3σ."""
    reach = math.ceil(3 * sigma)
    x = torch.arange(-reach, reach + 1, device=like.device, dtype=like.dtype)
    weights = torch.exp(-x.square() / (2 * sigma**2))
    return weights / weights.sum()
