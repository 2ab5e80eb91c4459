"""How true the sample corpus is to dlib: plain per-frame detection against the exact ground truth, per speaker.

    python benchmarks/sample_truth.py [--corpus DIR] [--every 5]

Columns: frames tried; how many of them dlib's frontal detector finds (greyscale, no upsampling); landmark error,
the mean over the 68 points as a percentage of the outer-eye distance; correlation of measured with true mouth openness.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import dlib
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from pipeline.cli import run
from pipeline.errors import InputError
from pipeline.sample import write_sample_corpus
from pipeline.sample.landmarks import mouth_openness
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.video import read_frames

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
        print(f"{'speaker':>8} {'frames':>7} {'detected %':>11} {'error %':>8} {'openness r':>11}")
        for speaker in sorted({clip.parts[-4] for clip in clips}):
            mine = [clip for clip in clips if clip.parts[-4] == speaker]
            print(_row(speaker, [_measure(root, clip, args.every) for clip in tqdm(mine, leave=False)]))
    return 0


def _measure(root: Path, clip: Path, every: int) -> Rows:
    """Rows of (found, error, measured openness, true openness), one a frame tried."""
    with np.load((root / "truth" / clip.relative_to(root)).with_suffix(".npz")) as truth:
        landmarks = truth["landmarks"].astype(float)
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(landmark_model_path()))
    rows = []
    for frame in read_frames(clip):
        if frame.index % every:
            continue
        true = landmarks[frame.index]
        boxes = detector(np.ascontiguousarray(frame.y), 0)
        if len(boxes) == 0:
            rows.append((0.0, np.nan, np.nan, np.nan))
            continue
        parts = predictor(np.ascontiguousarray(frame.y), boxes[0]).parts()
        found = np.array([(part.x, part.y) for part in parts], float)
        error = np.linalg.norm(found - true, axis=1).mean() / np.linalg.norm(true[45] - true[36])
        rows.append((1.0, error, float(mouth_openness(found)), float(mouth_openness(true))))
    return np.array(rows)


def _row(speaker: str, clips: list[Rows]) -> str:
    rows = np.concatenate(clips)
    seen = rows[rows[:, 0] > 0]
    correlation = np.corrcoef(seen[:, 2], seen[:, 3])[0, 1]
    found, error = 100 * rows[:, 0].mean(), 100 * seen[:, 1].mean()
    return f"{speaker:>8} {len(rows):>7} {found:>11.1f} {error:>8.2f} {correlation:>11.4f}"


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
