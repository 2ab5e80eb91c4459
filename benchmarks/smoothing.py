"""Jitter of landmarks and of crop centres, as published and smoothed (`--smooth-landmarks`, `--smooth-centres`).

    python benchmarks/smoothing.py DATASET...

Works on the tracks that builds keep in DATASET/work/tracks/. Jitter is the mean length of the second difference over
time (frames n-1, n, n+1), in percent of the outer-eye distance; lag is how far smoothing moves a landmark, likewise.
The last row is `--smooth-centres auto`, and how often it takes which sigma.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.cli import run
from pipeline.errors import InputError
from pipeline.geometry import eye_distance, nose_tip
from pipeline.preparing.crop_plan import scale_of, steady_sigma
from pipeline.preparing.smoothing import smooth
from pipeline.settings import Settings

SIGMAS = (0.0, 0.5, 1.0, 2.0)


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    paths = [path for folder in args.datasets for path in sorted(Path(folder).glob("work/tracks/*/*.npz"))]
    if not paths:
        raise InputError(f"{', '.join(args.datasets)}: no tracks in work/tracks; build the dataset first")
    tracks = [np.load(path)["landmarks"] for path in paths]
    print(f"{len(tracks)} videos\n")
    print("| sigma, frames | landmark jitter % | centre jitter % | lag % |\n| ---: | ---: | ---: | ---: |")
    for sigma in SIGMAS:
        rows = [_measure(landmarks, sigma) for landmarks in tracks if np.isfinite(landmarks[:, 0, 0]).sum() > 4]
        print(f"| {sigma:g} | " + " | ".join(f"{value:.2f}" for value in np.mean(rows, 0)) + " |")
    chosen = [_chosen(landmarks) for landmarks in tracks if np.isfinite(landmarks[:, 0, 0]).sum() > 4]
    rows = [_measure(landmarks, sigma) for landmarks, sigma in chosen]
    print("| auto | " + " | ".join(f"{value:.2f}" for value in np.mean(rows, 0)) + " |\n")
    print(
        "auto: "
        + ", ".join(f"{sigma:g} {count} times" for sigma, count in sorted(Counter(s for _, s in chosen).items()))
    )
    return 0


def _chosen(landmarks: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], float]:
    faces = np.flatnonzero(np.isfinite(landmarks[:, 0, 0]))
    return landmarks, steady_sigma(landmarks, scale_of(landmarks, faces, Settings()), Settings().centre)


def _measure(landmarks: npt.NDArray[np.float32], sigma: float) -> list[float]:
    smoothed = smooth(landmarks, sigma)
    unit = np.nanmedian(eye_distance(landmarks)) / 100
    centre = nose_tip(smoothed)[:, None]
    lag = np.nanmean(np.linalg.norm(smoothed - landmarks, axis=-1))
    return [_jitter(smoothed) / unit, _jitter(centre) / unit, lag / unit]


def _jitter(points: npt.NDArray[np.float32]) -> float:
    return float(np.nanmean(np.linalg.norm(np.diff(points, n=2, axis=0), axis=-1)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", help="folders that builds wrote")
    sys.exit(run(parser, main))
