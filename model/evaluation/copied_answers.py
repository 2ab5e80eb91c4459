"""The trivial answers that a trained network has to beat: a bank image, chosen by mouth or by landmarks, copied."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest_openness(target_openness: Tensor, bank_openness: Tensor) -> Tensor:
    """Which bank image's mouth is open most nearly as far as the target's; the more closed one of two as near.

    Args:
        target_openness: (B,) in pixels.
        bank_openness: (B, N) in pixels, closed to open.

    Returns:
        (B,) int64 in [0, N).
    """
    return _first_least((bank_openness - target_openness[:, None]).abs())


def copied_bank_image(bank: Tensor, target_openness: Tensor, bank_openness: Tensor) -> Tensor:
    """The trivial answer for each target.

    Args:
        bank: (B, N, 3, H, W).
        target_openness: (B,) in pixels.
        bank_openness: (B, N) in pixels.

    Returns:
        (B, 3, H, W), one bank image each, unchanged.
    """
    choice = nearest_openness(target_openness, bank_openness).to(bank.device)
    return bank[torch.arange(len(bank), device=bank.device), choice]


def nearest_landmarks(target: Tensor, bank: Tensor) -> Tensor:
    """Which bank image's landmarks lie nearest to the target's, by mean distance; the first of several as near.

    Args:
        target: (B, 68, 2) in pixels.
        bank: (B, N, 68, 2).

    Returns:
        (B,) int64 in [0, N).
    """
    return _first_least((bank - target[:, None]).norm(dim=-1).mean(dim=-1))


def _first_least(values: Tensor) -> Tensor:
    """(B, N) to (B,): the place of the least value. `argmin` leaves open which of equal ones it returns."""
    least = values == values.amin(dim=1, keepdim=True)
    return least.int().cumsum(dim=1).eq(0).sum(dim=1)
