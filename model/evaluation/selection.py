"""Which figures are measured: those that need nothing always, others where their weights are at hand or asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from model.evaluation.fid import FEATURES, InceptionFeatures
from model.evaluation.landmark_error import LandmarkError
from model.evaluation.lpips import Lpips
from model.evaluation.metrics import AnsweredBatch, FidMetric, FrameMetric, Metric, l1_figures, quality_figures
from model.evaluation.temporal import TemporalMetric
from pipeline.errors import InputError
from pipeline.tracking.landmark_model import landmark_model_path


@dataclass(frozen=True)
class MeasureOptions:
    """What to measure beside L1, PSNR, SSIM and temporal consistency.

    Attributes:
        fid, lpips: True demands it, fetching weights where there is internet; None takes it if they are at hand.
        landmark_error: look at every answer with dlib, which is slow.
        inception_weights, vgg_weights, lpips_weights, landmark_model: files elsewhere than in the usual place.
    """

    fid: bool | None = None
    lpips: bool | None = None
    landmark_error: bool = False
    inception_weights: Path | None = None
    vgg_weights: Path | None = None
    lpips_weights: Path | None = None
    landmark_model: Path | None = None


class Measures(NamedTuple):
    """Makers of metrics, to be called anew for each network, and why others were left out, a line each."""

    makers: list[Callable[[], Metric]]
    left_out: list[str]

    def make(self) -> list[Metric]:
        """Fresh metrics."""
        return [make() for make in self.makers]


def choose_measures(options: MeasureOptions, device: torch.device) -> Measures:
    """Load what the figures asked for need.

    Raises:
        InputError: a demanded figure's weights are missing or another file.
    """
    makers: list[Callable[[], Metric]] = [
        lambda: FrameMetric(l1_figures),
        lambda: FrameMetric(quality_figures),
        TemporalMetric,
    ]
    left_out: list[str] = []

    # What needs weights is measured on demand, and without one where they are at hand.
    def load(name: str, demanded: bool | None, make: Callable[[bool], Callable[[], Metric]]) -> None:
        if demanded is False:
            return
        try:
            makers.append(make(bool(demanded)))
        except InputError as error:
            if demanded:
                raise
            left_out.append(f"{name} is left out: {str(error).split(';')[0]}; --{name.lower()} says what to do")

    def fid(download: bool) -> Callable[[], Metric]:
        features = InceptionFeatures(device, options.inception_weights, download)
        return lambda: FidMetric(features, FEATURES)

    def lpips(download: bool) -> Callable[[], Metric]:
        distance = Lpips(device, options.vgg_weights, options.lpips_weights, download)
        return lambda: FrameMetric(lambda images, batch: {"lpips": distance(images, batch.target)})

    load("FID", True if options.inception_weights else options.fid, fid)
    load("LPIPS", True if options.lpips_weights else options.lpips, lpips)
    if options.landmark_error:
        measure = LandmarkError(landmark_model_path(options.landmark_model))
        makers.append(lambda: FrameMetric(lambda images, batch: _landmark_figures(measure, images, batch)))
    return Measures(makers, left_out)


def _landmark_figures(measure: LandmarkError, images: Tensor, batch: AnsweredBatch) -> dict[str, Tensor]:
    """ "landmark_error" in % of the eye distance, and "faces", the share of images with a face in %."""
    errors = measure(images, batch.landmarks)
    return {"landmark_error": errors, "faces": 100 * torch.isfinite(errors).double()}
