"""Landmark offsets from bank to target, and the sparse field of them that the network reads ("Network Inputs")."""

from __future__ import annotations

import torch
from torch import Tensor

from model.config import PAPER_IMAGE_SIZE
from model.network.precision import at_least_float32


def landmark_offsets(target: Tensor, source: Tensor) -> Tensor:
    """ΔS_i = {t_j − s_j}, how far each landmark of each bank image must move (unnumbered, "Network Inputs").

    Args:
        target: t (B, 68, 2), x and y in pixels.
        source: s (B, N, 68, 2), those of the bank images.

    Returns:
        (B, N, 68, 2) in pixels.
    """
    return target[:, None] - source


def offset_field(target: Tensor, source: Tensor, height: int, width: int) -> Tensor:
    """ΔF_s, the offsets at the rounded landmarks of each bank image, zero elsewhere (unnumbered, "Network Inputs").

    As printed: the value at a bank image's landmark s_j is t_j − s_j in pixels. They are pixels of a 224-pixel image
    whatever the size of this one, so that a network at a smaller size reads the same numbers. (Divided by the warp
    margin, which the paper does not say, the field is too faint beside the images: it covers 0.14 % of the pixels.)

    Landmarks outside the picture are left out. Where several round to one pixel, the one of highest index wins, on
    every device and with any number of threads: a plain scatter leaves the choice to chance.

    Args:
        target: (B, 68, 2), x and y in pixels of these images, pixel centres at integers.
        source: (B, N, 68, 2), the same of the bank images.
        height, width: of these images in pixels.

    Returns:
        (B, N, 2, H, W), channels x and y, in pixels of a 224-pixel image.
    """
    x, y = at_least_float32(landmark_offsets(target, source)).unbind(-1)
    offsets = torch.stack((x * (PAPER_IMAGE_SIZE / width), y * (PAPER_IMAGE_SIZE / height)), -1)
    column, row = torch.round(at_least_float32(source)).unbind(-1)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    outside_slot = height * width
    slot = torch.where(inside, row * width + column, outside_slot).long()
    hidden = _hidden_by_a_later_point(slot)
    slot = slot.masked_fill(hidden, outside_slot)
    field = offsets.new_zeros((*slot.shape[:2], 2, outside_slot + 1))
    field.scatter_(3, slot[:, :, None].expand(-1, -1, 2, -1), offsets.transpose(2, 3))
    return field[..., :outside_slot].reshape(*slot.shape[:2], 2, height, width)


def _hidden_by_a_later_point(slot: Tensor) -> Tensor:
    """(B, N, 68) bool: whether a point of higher index has the same slot."""
    same = slot[..., :, None] == slot[..., None, :]
    return same.triu(diagonal=1).any(-1)
