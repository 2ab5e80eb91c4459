"""Figures over a test split: fed batch by batch, then asked for the numbers of a speaker or of all frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from model.config import Size
from model.evaluation.fid import Moments, frechet_distance
from model.evaluation.psnr_ssim import psnr, ssim
from pipeline.geometry import EYES, MOUTH

REGION_MARGIN = 0.25
"""How far a region reaches beyond its landmarks on every side, as a share of their bounding box's longer side."""

Scores = dict[str, dict[str, float]]
"""Answer's name (`Examined.answers`) -> figure's name -> value."""


@dataclass(frozen=True)
class Examined:
    """One batch of answers beside the truth; images (B, 3, H, W) float32 in [0, 255].

    Attributes:
        target: what is true.
        answers: "model", and the bank images copied: "trivial" (of nearest mouth openness), "landmarks" (nearest).
        landmarks: (B, 68, 2) of the target, in pixels of these images.
        speaker, video: of all frames of the batch; the frames of a video come in order, in batches one after another.
        frame_index: (B,) int64, which frames of the source video they are.
    """

    target: Tensor
    answers: dict[str, Tensor]
    landmarks: Tensor
    speaker: str
    video: str
    frame_index: Tensor


class Metric(Protocol):
    """What `model.evaluate` measures with."""

    def update(self, batch: Examined) -> None:
        """Take in one batch."""

    def scores(self, speaker: str | None) -> Scores:
        """The figures over one speaker's frames, or over all frames (None); without those that there are not."""


Figures = Callable[[Tensor, Examined], dict[str, Tensor]]
"""From an answer's images and the batch they belong to: figure's name -> (B,) values, NaN where there is none."""


class Means:
    """Means of figures by speaker and answer, fed part by part; every value counts alike."""

    def __init__(self) -> None:
        # speaker -> (answer, figure) -> sum, count
        self._sums: dict[str, dict[tuple[str, str], tuple[float, int]]] = {}

    def add(self, speaker: str, answer: str, figure: str, values: Tensor) -> None:
        """Take in values (n,); those that are not finite are none."""
        sums = self._sums.setdefault(speaker, {})
        found = values[torch.isfinite(values)].double()
        total, count = sums.get((answer, figure), (0.0, 0))
        sums[answer, figure] = (total + float(found.sum()), count + len(found))

    def scores(self, speaker: str | None) -> Scores:
        """The means over one speaker's values, or over all (None); without those that have none."""
        speakers = sorted(self._sums) if speaker is None else [speaker]
        scores: Scores = {}
        for answer, figure in dict.fromkeys(key for name in speakers for key in self._sums.get(name, {})):
            parts = [self._sums[name].get((answer, figure), (0.0, 0)) for name in speakers]
            total, count = sum(part[0] for part in parts), sum(part[1] for part in parts)
            if count:
                scores.setdefault(answer, {})[figure] = total / count
        return scores


class FrameMetric:
    """Figures of single frames, of which every frame counts alike in the mean.

    Args:
        figures: what to compute of each frame.
    """

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._means = Means()

    def update(self, batch: Examined) -> None:
        """Take in one batch."""
        for answer, images in batch.answers.items():
            for figure, values in self._figures(images, batch).items():
                self._means.add(batch.speaker, answer, figure, values)

    def scores(self, speaker: str | None) -> Scores:
        """The means over the frames that have a value."""
        return self._means.scores(speaker)


def l1_figures(images: Tensor, batch: Examined) -> dict[str, Tensor]:
    """Mean absolute difference in 0-255 units: "l1" over the picture (the paper's Table 1), and by region.

    "face_l1" is inside the hull of the landmarks: where a crop follows the nose, the background moves as no landmark
    tells, and weighs more in "l1" than the face. "mouth_l1" and "eyes_l1" are in the boxes of their landmarks.
    """
    size = Size(*batch.target.shape[-2:])
    errors = (images - batch.target).abs().mean(dim=1)
    return {
        "l1": errors.mean(dim=(1, 2)),
        "face_l1": mean_inside(errors, hull_mask(batch.landmarks, size).to(errors.device)),
        "mouth_l1": mean_inside(errors, region_mask(batch.landmarks[:, MOUTH], size)),
        "eyes_l1": mean_inside(errors, region_mask(batch.landmarks[:, EYES], size)),
    }


def quality_figures(images: Tensor, batch: Examined) -> dict[str, Tensor]:
    """ "psnr" in dB, and "ssim"."""
    return {"psnr": psnr(images, batch.target), "ssim": ssim(images, batch.target)}


class FidMetric:
    """The Fréchet Inception distance between all answers and all targets; frames of a speaker must come together.

    A speaker's moments are let go when the next one begins: a covariance takes 32 MB.

    Args:
        features: (B, 3, H, W) in [0, 255] -> (B, D).
        size: D.
    """

    def __init__(self, features: Callable[[Tensor], Tensor], size: int) -> None:
        self._features, self._size = features, size
        self._speaker: str | None = None
        self._current: dict[str, Moments] = {}
        self._all: dict[str, Moments] = {}
        self._speakers: dict[str, Scores] = {}

    def update(self, batch: Examined) -> None:
        """Take in one batch."""
        if batch.speaker != self._speaker:
            self._close()
            if batch.speaker in self._speakers:
                raise ValueError(f"the frames of speaker {batch.speaker} must come together")
            self._speaker = batch.speaker
        for name, images in {_TRUTH: batch.target, **batch.answers}.items():
            self._current.setdefault(name, Moments(self._size)).update(self._features(images))

    def scores(self, speaker: str | None) -> Scores:
        """The distances; none for fewer than two frames."""
        self._close()
        return _distances(self._all) if speaker is None else self._speakers[speaker]

    def _close(self) -> None:
        """Work out the speaker whose frames are complete, and add them to all."""
        if self._speaker is not None:
            self._speakers[self._speaker] = _distances(self._current)
            for name, moments in self._current.items():
                self._all[name] = moments.merged(self._all[name]) if name in self._all else moments
            self._speaker, self._current = None, {}


_TRUTH = "target"


def _distances(moments: dict[str, Moments]) -> Scores:
    truth = moments[_TRUTH]
    if truth.count < 2:
        return {}
    return {name: {"fid": frechet_distance(truth, found)} for name, found in moments.items() if name != _TRUTH}


def region_mask(points: Tensor, size: Size) -> Tensor:
    """The rectangle about some landmarks, with a margin, as (B, H, W) of 0 and 1.

    Args:
        points: (B, P, 2), x and y in pixels.
        size: of the images. At least the pixel nearest to the points is inside.
    """
    low, high = points.amin(dim=1), points.amax(dim=1)
    margin = REGION_MARGIN * (high - low).amax(dim=1, keepdim=True)
    last = points.new_tensor((size.width - 1, size.height - 1))
    first = (low - margin).round().clamp(min=0).minimum(last)[:, :, None]
    final = (high + margin).round().clamp(min=0).minimum(last)[:, :, None]
    columns = torch.arange(size.width, device=points.device, dtype=points.dtype)
    rows = torch.arange(size.height, device=points.device, dtype=points.dtype)
    across = (columns >= first[:, 0]) & (columns <= final[:, 0])
    down = (rows >= first[:, 1]) & (rows <= final[:, 1])
    return (down[:, :, None] & across[:, None, :]).float()


def hull_mask(points: Tensor, size: Size) -> Tensor:
    """The convex hull of some landmarks as (B, H, W) float32 of 0 and 1, on the CPU.

    Args:
        points: (B, P, 2), x and y in pixels, rounded to pixels; their part inside the picture counts.
        size: of the images.
    """
    import cv2

    masks = np.zeros((len(points), *size), np.uint8)
    for mask, corners in zip(masks, points.round().int().cpu().numpy(), strict=True):
        cv2.fillConvexPoly(mask, cv2.convexHull(corners), 1)
    return torch.from_numpy(masks).float()


def mean_inside(values: Tensor, mask: Tensor) -> Tensor:
    """(B,): the mean of values (B, H, W) where the mask (B, H, W) is 1; NaN where it is 0 everywhere."""
    return (values * mask).flatten(1).sum(dim=1) / mask.flatten(1).sum(dim=1)
