"""Between the networks' images in [-1, 1] and the levels 0 to 255 of pictures and figures."""

from __future__ import annotations

from torch import Tensor, uint8

from model.network.precision import at_least_float32

LEVELS_PER_UNIT = 127.5
"""Levels that a difference of 1 between the networks' images is."""


def to_levels(images: Tensor) -> Tensor:
    """[-1, 1] to [0, 255], not rounded; what lies beyond stays beyond."""
    return (images + 1) * LEVELS_PER_UNIT


def from_levels(levels: Tensor) -> Tensor:
    """[0, 255], bytes or not, to [-1, 1] in float32 or better."""
    return at_least_float32(levels) / LEVELS_PER_UNIT - 1


def to_bytes(images: Tensor) -> Tensor:
    """[-1, 1] to the nearest of 256 levels, uint8; what lies beyond is clipped."""
    return to_levels(at_least_float32(images).clamp(-1, 1)).round().to(uint8)
