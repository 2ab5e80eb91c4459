"""Smoothing of landmarks over time (off by default, as published): a Gaussian that never crosses a gap or a cut."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.arithmetic import exp, ordered_sum
from pipeline.geometry import LANDMARKS, Points, face_width

LEAP = 0.5  # mean step of the landmarks between two frames, in face widths, that is a cut and no motion
REACH = 3.0  # of the kernel, in standard deviations


def smooth(landmarks: Points, sigma: float) -> npt.NDArray[np.float32]:
    """Landmarks smoothed over the frames of each unbroken run.

    Args:
        landmarks: (n, 68, 2) pixels, NaN where there is no face.
        sigma: standard deviation of the Gaussian in frames; 0 changes nothing.

    Returns:
        (n, 68, 2) float32, NaN in the same frames.
    """
    if sigma == 0:
        return landmarks
    smoothed = landmarks.copy()
    for first, end in _runs(landmarks):
        smoothed[first:end] = _gaussian(landmarks[first:end].astype(np.float64), sigma)
    return smoothed


def _runs(landmarks: Points) -> list[tuple[int, int]]:
    """[first, end) of the stretches of neighbouring frames that show the same face in gradual motion."""
    seen = np.isfinite(landmarks[:, 0, 0])
    step = np.full(len(landmarks), np.inf)
    both = np.flatnonzero(seen[1:] & seen[:-1]) + 1
    moved = landmarks[both] - landmarks[both - 1]
    lengths = np.sqrt(moved[..., 0] * moved[..., 0] + moved[..., 1] * moved[..., 1])
    step[both] = ordered_sum(lengths) / LANDMARKS / face_width(landmarks[both])
    begins = np.flatnonzero(seen & (step > LEAP))
    stops = np.sort(np.concatenate([begins, np.flatnonzero(~seen), [len(landmarks)]]))
    ends = stops[np.searchsorted(stops, begins, side="right")]
    return [(int(begin), int(end)) for begin, end in zip(begins, ends, strict=True)]


def _gaussian(run: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float64]:
    """Weighted mean over the neighbours that exist: at its ends a run is not drawn towards anything."""
    total, weight = np.zeros_like(run), np.zeros((len(run), 1, 1))
    offsets = range(-int(REACH * sigma + 0.5), int(REACH * sigma + 0.5) + 1)
    shares = exp(-0.5 * (offset / sigma) * (offset / sigma) for offset in offsets)
    for offset, share in zip(offsets, shares, strict=True):
        here = slice(max(-offset, 0), len(run) - max(offset, 0))
        there = slice(max(offset, 0), len(run) - max(-offset, 0))
        if here.stop > here.start:
            total[here] += share * run[there]
            weight[here] += share
    return total / weight
