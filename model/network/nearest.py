"""Which of several images is nearest."""

from __future__ import annotations

from torch import Tensor


def nearest_landmarks(target: Tensor, bank: Tensor) -> Tensor:
    """Which bank image's landmarks lie nearest to the target's, by mean distance; the first of several as near.

    Args:
        target: (B, 68, 2) in pixels.
        bank: (B, N, 68, 2).

    Returns:
        (B,) int64 in [0, N).
    """
    return first_least((bank - target[:, None]).norm(dim=-1).mean(dim=-1))


def first_least(values: Tensor) -> Tensor:
    """(B, N) to (B,): the place of the least value. `argmin` leaves open which of equal ones it returns."""
    least = values == values.amin(dim=1, keepdim=True)
    return least.int().cumsum(dim=1).eq(0).sum(dim=1)
