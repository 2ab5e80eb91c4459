"""A batch as it lies in the shards, and as the network takes it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """B targets from V groups as they lie in the shards (CPU tensors, full size).

    Attributes:
        targets: (B, H, W, 3) uint8 RGB.
        target_landmarks: (B, 68, 2) float32 x, y in pixels, pixel centres at integers.
        k_codes: (B, H, W) uint8; K = k_levels[k_codes].
        group: (B,) int64, which of the V groups each target belongs to.
        banks: (V, N, H, W, 3) uint8 RGB, closed mouth to open.
        bank_landmarks: (V, N, 68, 2) float32.
        k_levels: (L,) float32, at most 256 of them.
        target_openness: (B,) float32, measured mouth openness in pixels.
        bank_openness: (V, N) float32.
        variation: (V, 7) float32 of `model.data.augment`, or (V, 0).
        videos: the V target videos' ids, for messages.
    """

    targets: Tensor
    target_landmarks: Tensor
    k_codes: Tensor
    group: Tensor
    banks: Tensor
    bank_landmarks: Tensor
    k_levels: Tensor
    target_openness: Tensor
    bank_openness: Tensor
    variation: Tensor
    videos: tuple[str, ...]


class PreparedBatch(NamedTuple):
    """B examples of H × W pixels, float32 on the device.

    Attributes:
        bank: (B, N, 3, H, W) in [-1, 1].
        field: (B, N, 2, H, W), ΔF_s: landmark offsets in pixels of a 224-pixel image.
        target: (B, 3, H, W) in [-1, 1].
        weight_map: (B, 1, H, W), K in [0.3, 1] (of Eqs. 12 and 13).
        target_landmarks: (B, 68, 2) in pixels of the resized images.
        bank_landmarks: (B, N, 68, 2).
        group: (B,) int64 on the CPU, rising; targets of one group have one bank.
    """

    bank: Tensor
    field: Tensor
    target: Tensor
    weight_map: Tensor
    target_landmarks: Tensor
    bank_landmarks: Tensor
    group: Tensor
