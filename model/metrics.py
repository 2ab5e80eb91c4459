"""Figures over a test split, a small class each: fed batch by batch, then asked for numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

MOUTH = slice(48, 68)
EYES = slice(36, 48)
REGION_MARGIN = 0.25
"""How far a region reaches beyond its landmarks on every side, as a share of their bounding box's longer side."""

Scores = dict[str, dict[str, float]]
"""Answer's name ("model", "trivial") -> figure's name -> value."""


@dataclass(frozen=True)
class Examined:
    """One batch of answers beside the truth; images (B, 3, H, W) float32 in [0, 255].

    Attributes:
        target: what is true.
        answers: "model", and "trivial" (the bank image of nearest mouth openness, copied).
        landmarks: (B, 68, 2) of the target, in pixels of these images.
        speaker: of all frames of the batch.
    """

    target: Tensor
    answers: dict[str, Tensor]
    landmarks: Tensor
    speaker: str


class Metric(Protocol):
    """What `model.evaluate` measures with. A new figure is a class like this in `evaluate.make_metrics`."""

    def update(self, batch: Examined) -> None:
        """Take in one batch."""

    def scores(self, speaker: str | None) -> Scores:
        """The figures over one speaker's frames, or over all frames (None); {} where there are none to give."""


class L1Metric:
    """Mean absolute difference in 0-255 units (the paper's Table 1): "l1", and "mouth_l1", "eyes_l1" in regions.

    Every frame counts alike: the mean over the region's pixels and colours, then the mean over frames.
    """

    def __init__(self) -> None:
        self._sums: dict[str, dict[str, dict[str, float]]] = {}
        self._frames: dict[str, int] = {}

    def update(self, batch: Examined) -> None:
        """Take in one batch."""
        size = batch.target.shape[-1]
        masks = {
            "l1": torch.ones_like(batch.target[:, 0]),
            "mouth_l1": region_mask(batch.landmarks[:, MOUTH], size),
            "eyes_l1": region_mask(batch.landmarks[:, EYES], size),
        }
        sums = self._sums.setdefault(batch.speaker, {})
        for answer, image in batch.answers.items():
            errors = (image - batch.target).abs().mean(dim=1)
            figures = sums.setdefault(answer, dict.fromkeys(masks, 0.0))
            for name, mask in masks.items():
                figures[name] += float(_mean_inside(errors, mask).double().sum())
        self._frames[batch.speaker] = self._frames.get(batch.speaker, 0) + len(batch.target)

    def scores(self, speaker: str | None) -> Scores:
        """The means over one speaker's frames, or over all frames."""
        speakers = sorted(self._frames) if speaker is None else [speaker]
        frames = sum(self._frames[name] for name in speakers)
        first = self._sums[speakers[0]]
        return {
            answer: {
                figure: sum(self._sums[name][answer][figure] for name in speakers) / frames for figure in first[answer]
            }
            for answer in first
        }


def region_mask(points: Tensor, size: int) -> Tensor:
    """The rectangle about some landmarks, with a margin, as (B, size, size) of 0 and 1.

    Args:
        points: (B, P, 2), x and y in pixels.
        size: H = W. At least the pixel nearest to the points is inside.
    """
    low, high = points.amin(dim=1), points.amax(dim=1)
    margin = REGION_MARGIN * (high - low).amax(dim=1, keepdim=True)
    last = size - 1
    first = torch.round(low - margin).clamp(0, last)[:, :, None]
    final = torch.round(high + margin).clamp(0, last)[:, :, None]
    positions = torch.arange(size, device=points.device, dtype=points.dtype)
    inside = ((positions >= first) & (positions <= final)).float()
    return inside[:, 1, :, None] * inside[:, 0, None, :]


def _mean_inside(values: Tensor, mask: Tensor) -> Tensor:
    """(B,): the mean of values (B, H, W) where the mask (B, H, W) is 1."""
    return (values * mask).flatten(1).sum(dim=1) / mask.flatten(1).sum(dim=1)
