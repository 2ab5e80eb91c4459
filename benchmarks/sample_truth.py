"""The tracker and plain per-frame dlib against the exact ground truth of the sample corpus, per speaker.

    python benchmarks/sample_truth.py [--corpus DIR] [--every 5]

Columns: frames tried; how many of them dlib's frontal detector finds (greyscale, no upsampling); and on those, of dlib
and of the tracker (which runs on all): landmark error, the mean over the 68 points as a percentage of the outer-eye
distance, and the correlation of measured with true mouth openness.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from pipeline.cli import run
from pipeline.decode import read_frames
from pipeline.errors import InputError
from pipeline.sample import write_sample_corpus
from pipeline.sample.landmarks import mouth_openness
from pipeline.tracking import FaceTracker, TrackSettings
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.tracking.plain import PlainDetector

Rows = npt.NDArray[np.float64]


def main(args: argparse.Namespace) -> int:
    """Measure a corpus, made in a temporary folder unless one is given."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(args.corpus or scratch)
        if args.corpus is None:
            write_sample_corpus(root, args.speakers, args.clips, workers=args.workers)
        clips = sorted(root.glob("volunteers/*/Clips/*/*.mp4"))
        if not clips:
            raise InputError(f"{root}: no sample clips there; make them with python -m pipeline.sample --out {root}")
        print(
            f"{'speaker':>8} {'frames':>7} {'detected %':>11} {'error %':>8} {'ours':>8} "
            f"{'openness r':>11} {'ours':>8} {'missing %':>9}"
        )
        everybody = []
        for speaker in sorted({clip.parts[-4] for clip in clips}):
            mine = [clip for clip in clips if clip.parts[-4] == speaker]
            measured = [_measure(root, clip, args.every) for clip in tqdm(mine, leave=False)]
            everybody += measured
            print(_row(speaker, measured), flush=True)
        print(_row("all", everybody))
    return 0


def _measure(root: Path, clip: Path, every: int) -> Rows:
    """Rows of (found, then error, openness of dlib, the same of the tracker, true openness), one a frame tried."""
    with np.load((root / "truth" / clip.relative_to(root)).with_suffix(".npz")) as truth:
        landmarks = truth["landmarks"].astype(float)
    plain = PlainDetector(landmark_model_path())
    tracker = FaceTracker(TrackSettings(), landmark_model_path())
    rows = []
    for frame in read_frames(clip):
        tracked = tracker.observe(frame.y).landmarks
        if frame.index % every:
            continue
        true, found = landmarks[frame.index], plain.observe(frame.y).landmarks
        if found is None:
            rows.append((0.0, *[np.nan] * 5))
        else:
            tracked = np.full_like(found, np.nan) if tracked is None else tracked
            rows.append((1.0, *_against(true, found), *_against(true, tracked), float(mouth_openness(true))))
    return np.array(rows)


def _against(true: npt.NDArray[Any], found: npt.NDArray[Any]) -> tuple[float, float]:
    error = np.linalg.norm(found - true, axis=1).mean() / np.linalg.norm(true[45] - true[36])
    return float(error), float(mouth_openness(found))


def _row(speaker: str, clips: list[Rows]) -> str:
    rows = np.concatenate(clips)
    seen = rows[rows[:, 0] > 0]
    _, error, openness, tracked_error, tracked_openness, true = seen.T
    ours = np.isfinite(tracked_error)
    return (
        f"{speaker:>8} {len(rows):>7} {100 * rows[:, 0].mean():>11.1f} "
        f"{100 * error.mean():>8.3f} {100 * tracked_error[ours].mean():>8.3f} "
        f"{np.corrcoef(openness, true)[0, 1]:>11.4f} {np.corrcoef(tracked_openness[ours], true[ours])[0, 1]:>8.4f} "
        f"{100 * (1 - ours.mean()):>9.1f}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python benchmarks/sample_truth.py", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--corpus", metavar="DIR", help="a sample corpus already drawn (default: draw one, then drop it)"
    )
    parser.add_argument("--speakers", type=int, default=8, metavar="N", help="speakers to draw")
    parser.add_argument("--clips", type=int, default=2, metavar="N", help="clips of each to draw")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try each N-th frame")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes for drawing")
    return parser


if __name__ == "__main__":
    sys.exit(run(_parser(), main))
