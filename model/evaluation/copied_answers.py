"""The trivial answers that a trained network has to beat: a bank image, chosen by mouth or by landmarks, copied."""

from __future__ import annotations

import torch
from torch import Tensor

from model.network.nearest import first_least


def nearest_openness(target_openness: Tensor, bank_openness: Tensor) -> Tensor:
    """Which bank image's mouth is open most nearly as far as the target's; the more closed one of two as near.

    Args:
        target_openness: (B,) in pixels.
        bank_openness: (B, N) in pixels, closed to open.

    Returns:
        (B,) int64 in [0, N).
    """
    return first_least((bank_openness - target_openness[:, None]).abs())


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
