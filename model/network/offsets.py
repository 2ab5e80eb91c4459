"""Landmark offsets from bank to target, and the sparse field of them that the network reads."""

from __future__ import annotations

import torch
from torch import Tensor


def landmark_offsets(target: Tensor, source: Tensor) -> Tensor:
    """ΔS_i = S_t − S_i, how far each landmark of each bank image must move (Eq. 1).

    Args:
        target: (B, 68, 2), x and y in pixels.
        source: (B, N, 68, 2), those of the bank images.

    Returns:
        (B, N, 68, 2) in pixels.
    """
    return target[:, None] - source


def offset_field(target: Tensor, source: Tensor, image_size: int, warp_margin_px: float) -> Tensor:
    """ΔF_s, the offsets drawn at the rounded landmarks of each bank image, zero elsewhere (Eq. 2).

    The offset stands at the *bank* image's landmark, beside the pixels that have to move. Fixed reading: it
    is divided by M, so that the input has the scale of the warp field W_w that the network answers with.

    Landmarks outside the picture are left out. Where several round to one pixel, the one of highest index
    wins, on every device and with any number of threads: a plain scatter leaves the choice to chance.

    Args:
        target: (B, 68, 2), x and y in pixels, pixel centres at integers.
        source: (B, N, 68, 2), the same of the bank images.
        image_size: H = W in pixels.
        warp_margin_px: M in pixels of this image size.

    Returns:
        (B, N, 2, H, W) float32, channels x and y, in units of M.
    """
    offsets = landmark_offsets(target, source).float() / warp_margin_px
    column, row = torch.round(source.float()).unbind(-1)
    inside = (column >= 0) & (column < image_size) & (row >= 0) & (row < image_size)
    outside_slot = image_size * image_size
    slot = torch.where(inside, row * image_size + column, float(outside_slot)).long()
    hidden = _hidden_by_a_later_point(slot)
    slot = slot.masked_fill(hidden, outside_slot)
    field = offsets.new_zeros((*slot.shape[:2], 2, outside_slot + 1))
    field.scatter_(3, slot[:, :, None].expand(-1, -1, 2, -1), offsets.transpose(2, 3))
    return field[..., :outside_slot].reshape(*slot.shape[:2], 2, image_size, image_size)


def _hidden_by_a_later_point(slot: Tensor) -> Tensor:
    """(B, N, 68) bool: whether a point of higher index has the same slot."""
    same = slot[..., :, None] == slot[..., None, :]
    return same.triu(diagonal=1).any(-1)
