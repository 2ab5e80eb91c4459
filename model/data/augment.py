"""Variations of whole videos while training, for corpora of few people; not in the paper, and off by default.

A target and its bank are mirrored and tinted alike, so that what the network is to do stays the same: only more faces
under more light seem to be there.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from model.data.batch import PreparedBatch

VARIATION_SIZE = 7  # mirrored (0 or 1); gain of red, green, blue; shift of red, green, blue, in [-1, 1] image values
GAIN, CHANNEL_GAIN = 0.2, 0.3  # largest deviation from 1: of all channels together, and of each by itself
SHIFT, CHANNEL_SHIFT = 0.2, 0.2  # largest shift, likewise


def draw_variation(rng: np.random.Generator) -> tuple[float, ...]:
    """A random variation, `VARIATION_SIZE` numbers."""
    gain = (1 + rng.uniform(-GAIN, GAIN)) * (1 + rng.uniform(-CHANNEL_GAIN, CHANNEL_GAIN, 3))
    shift = rng.uniform(-SHIFT, SHIFT) + rng.uniform(-CHANNEL_SHIFT, CHANNEL_SHIFT, 3)
    return (float(rng.integers(2)), *map(float, gain), *map(float, shift))


def apply_variation(batch: PreparedBatch, variation: Tensor) -> PreparedBatch:
    """The batch with every example varied.

    Args:
        batch: B examples.
        variation: (B, `VARIATION_SIZE`), or (B, 0) to leave everything as it is.

    Raises:
        ValueError: another size.
    """
    if variation.shape[1] == 0:
        return batch
    if variation.shape[1] != VARIATION_SIZE:
        raise ValueError(f"a variation must be {VARIATION_SIZE} numbers, got {variation.shape[1]}")
    mirrored, gain, shift = variation[:, 0] > 0, variation[:, 1:4], variation[:, 4:]

    def image(values: Tensor) -> Tensor:
        by_channel = [part.view(len(part), *(1,) * (values.ndim - 4), 3, 1, 1) for part in (gain, shift)]
        return (flipped(values) * by_channel[0] + by_channel[1]).clamp(-1, 1)

    def flipped(values: Tensor) -> Tensor:
        return torch.where(mirrored.view(-1, *(1,) * (values.ndim - 1)), values.flip(-1), values)

    def moved(landmarks: Tensor) -> Tensor:
        x, y = landmarks.unbind(-1)
        there = torch.stack([batch.target.shape[-1] - 1 - x, y], -1)
        return torch.where(mirrored.view(-1, *(1,) * (landmarks.ndim - 1)), there, landmarks)

    # Left and right change places in the offsets as well.
    sign = torch.where(mirrored, -1.0, 1.0).view(-1, 1, 1, 1)
    field = flipped(batch.field)
    return batch._replace(
        bank=image(batch.bank),
        field=torch.stack([field[:, :, 0] * sign, field[:, :, 1]], 2),
        target=image(batch.target),
        weight_map=flipped(batch.weight_map),
        target_landmarks=moved(batch.target_landmarks),
        bank_landmarks=moved(batch.bank_landmarks),
    )
