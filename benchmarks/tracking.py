"""The tracker against dlib on every frame: cost, agreement, faces missed and imagined, on any folders of videos.

    python benchmarks/tracking.py CORPUS [CORPUS ...] [--every 5] [--limit 300]

Plain dlib runs on every `--every`-th frame, on the whole picture (upsample 0) and on the doubled one (upsample 1); the
tracker on all. Columns: frames; CPU milliseconds a frame of plain dlib (upsample 0, detector and predictor) and of the
tracker, and their ratio; `missing`, frames where plain dlib sees a face and the tracker has none, in % of those tried;
`false`, frames with landmarks where neither setting of dlib sees a face; `noise`, the mean landmark difference between
dlib's two settings in % of the outer-eye distance; `ours`, that of the tracker to the nearer of the two; `ours/noise`,
which is to be at most 1.15; `other`, frames tried where tracker and plain dlib chose different people (left out of
the differences). Decoding is not counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from pipeline.cli import run
from pipeline.corpora import VIDEO_SUFFIXES
from pipeline.decode import Frame, read_frames
from pipeline.errors import InputError, VideoError
from pipeline.geometry import eye_distance
from pipeline.tracking import FaceObservation, FaceTracker, TrackSettings
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.tracking.plain import PlainDetector

Landmarks = npt.NDArray[np.float32]
Luma = npt.NDArray[np.uint8]
SAME_PERSON = 1.0  # landmarks further apart, in eye distances, are two people's
HEAD = (
    f"{'clip':40} {'frames':>6} {'plain ms':>8} {'ours ms':>8} {'ratio':>6} {'missing %':>9} {'false':>5} "
    f"{'noise %':>7} {'ours %':>7} {'ours/noise':>10} {'other':>5}"
)


@dataclass
class Measured:
    """What was seen in one clip, or in several."""

    frames: int = 0
    tried: int = 0
    ours_seconds: float = 0.0
    plain_seconds: float = 0.0
    missing: int = 0
    false: int = 0
    other: int = 0
    noise: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    @property
    def agreement(self) -> float:
        """Mean difference to the nearer of dlib's settings, over the difference between these."""
        return float(np.mean(self.ours) / np.mean(self.noise)) if self.ours else float("nan")

    def add(self, other: Measured) -> None:
        """Take another's counts in."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def row(self, name: str) -> str:
        """The line of the table."""
        plain, ours = 1e3 * self.plain_seconds / self.tried, 1e3 * self.ours_seconds / self.frames
        noise, gap = (100 * np.mean(values) if values else np.nan for values in (self.noise, self.ours))
        return (
            f"{name[-40:]:40} {self.frames:6} {plain:8.1f} {ours:8.2f} {plain / ours:6.1f} "
            f"{100 * self.missing / self.tried:9.1f} {self.false:5} {noise:7.2f} {gap:7.2f} "
            f"{self.agreement:10.2f} {self.other:5}"
        )


def main(args: argparse.Namespace) -> int:
    """Measure every video below the folders."""
    model = landmark_model_path(args.landmark_model)
    print(HEAD, flush=True)
    total, worst = Measured(), 0.0
    for root in args.corpus:
        paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
        if not paths:
            raise InputError(f"{root}: no video below this folder; name a folder that holds some")
        for path in paths:
            frames = islice(tqdm(read_frames(path), desc=path.name, unit="frame", leave=False), args.limit)
            try:
                clip = measure(frames, model, args.every)
            except VideoError as error:
                print(f"{path.name}: left out, {error}")
                continue
            print(clip.row(str(path.relative_to(root))), flush=True)
            total.add(clip)
            worst = np.fmax(worst, clip.agreement)
    if total.tried:
        print(total.row("total"))
        print(f"largest ours/noise of a clip: {worst:.2f}")
    return 0


def measure(frames: Iterator[Frame], model: Path, every: int) -> Measured:
    """Track one clip, and run plain dlib beside it on every `every`-th frame."""
    clip, tracker = Measured(), None
    for frame in frames:
        studio_range = not frame.colour.full_range
        if tracker is None:
            tracker = FaceTracker(TrackSettings(), model, studio_range)
            plain, doubled = (PlainDetector(model, upsample, studio_range) for upsample in (0, 1))
        seconds, ours = _timed(tracker.observe, frame)
        clip.frames += 1
        clip.ours_seconds += seconds
        if frame.index % every == 0:
            seconds, once = _timed(plain.observe, frame)
            clip.tried += 1
            clip.plain_seconds += seconds
            _compare(clip, ours, once, doubled.observe(frame.y))
    return clip


def _timed(observe: Callable[[Luma], FaceObservation], frame: Frame) -> tuple[float, FaceObservation]:
    start = time.process_time()
    seen = observe(frame.y)
    return time.process_time() - start, seen


def _compare(clip: Measured, ours: FaceObservation, once: FaceObservation, doubled: FaceObservation) -> None:
    if ours.landmarks is None:
        clip.missing += once.landmarks is not None
        return
    clip.false += once.landmarks is None and doubled.landmarks is None
    if once.landmarks is None or doubled.landmarks is None:
        return
    gap = min(_gap(ours.landmarks, once.landmarks), _gap(ours.landmarks, doubled.landmarks))
    noise = _gap(once.landmarks, doubled.landmarks)
    if max(gap, noise) > SAME_PERSON:
        clip.other += 1
        return
    clip.ours.append(gap)
    clip.noise.append(noise)


def _gap(a: Landmarks, b: Landmarks) -> float:
    """Mean distance of the points, in units of the eye distance."""
    return float(np.linalg.norm(a - b, axis=1).mean() / eye_distance(b))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tracking.py", description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="+", type=Path, help="folders of videos")
    parser.add_argument("--every", type=int, default=5, help="plain dlib on every n-th frame (default: 5)")
    parser.add_argument("--limit", type=int, help="frames a clip, at most (default: all)")
    parser.add_argument("--landmark-model", type=Path, help="dlib's 68-point model, if not the packaged one")
    sys.exit(run(parser, main))
