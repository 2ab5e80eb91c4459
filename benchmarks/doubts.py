"""What the tracker's thresholds stand against: its quantities on ordinary frames, of any folders of videos.

    python -m benchmarks.doubts CORPUS [CORPUS ...] [--limit 300]

Every quantity from one frame to the next of a face that is followed without a cut, as percentiles of all frames, beside
the threshold of `TrackSettings` that doubts it. A threshold that ordinary frames pass costs detections; one far from
them lets mistakes through. The scores are those of the detections.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import numpy as np
from tqdm import tqdm

from pipeline.cli import run
from pipeline.corpora import VIDEO_SUFFIXES
from pipeline.decode import read_frames
from pipeline.errors import InputError, VideoError
from pipeline.tracking import FaceTracker, TrackSettings
from pipeline.tracking.face_box import disagreement, shape_residual
from pipeline.tracking.followed import FollowedFace
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.tracking.scene import likeness

SETTINGS = TrackSettings()
PERCENTILES = (0.1, 1, 5, 50, 95, 99, 99.9)
THRESHOLDS = {
    "motion": f"calm {SETTINGS.calm_motion:g}, largest {SETTINGS.largest_motion:g}",
    "residual": f"largest {SETTINGS.largest_residual:g}",
    "likeness, whole": f"least {SETTINGS.least_likeness:g}",
    "likeness, fine": f"certain {SETTINGS.certain_likeness:g}, same {SETTINGS.same_likeness:g}",
    "gap": f"largest {SETTINGS.largest_gap:g}, leap {SETTINGS.leap:g}",
    "score": f"sure {SETTINGS.sure_score:g}, lapse {SETTINGS.lapse_score:g}",
}
Values = dict[str, list[float]]


def main(args: argparse.Namespace) -> int:
    """Measure and print the table."""
    values: Values = {name: [] for name in THRESHOLDS}
    clips = sorted(path for root in args.corpora for path in root.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not clips:
        raise InputError(f"{args.corpora[0]}: no videos; name another folder")
    model = landmark_model_path(None)
    for path in tqdm(clips, "measuring", unit="clip"):
        try:
            _measure(path, args.limit, model, values)
        except VideoError as error:
            tqdm.write(str(error), file=sys.stderr)
    print(table(values))
    return 0


def _measure(path: Path, limit: int, model: Path, values: Values) -> None:
    """One clip, whose values are added."""
    tracker: FaceTracker | None = None
    with (
        patch.object(FollowedFace, "moved", _noting_motion(values)),
        patch.object(FollowedFace, "corrected", _noting_detections(values)),
    ):
        for frame in islice(read_frames(path), limit):
            if tracker is None:
                tracker = FaceTracker(SETTINGS, model, not frame.colour.full_range)
            tracker.observe(frame.y)


def _noting_motion(values: Values):  # type: ignore[no-untyped-def]
    real = FollowedFace.moved

    def moved(face: FollowedFace, landmarks, box, look, settings):  # type: ignore[no-untyped-def]
        values["motion"].append(disagreement(box, face.box))
        values["residual"].append(shape_residual(landmarks, face.landmarks))
        values["likeness, whole"].append(likeness(look.whole, face.look.whole))
        values["likeness, fine"].append(likeness(look.fine, face.look.fine))
        return real(face, landmarks, box, look, settings)

    return moved


def _noting_detections(values: Values):  # type: ignore[no-untyped-def]
    real = FollowedFace.corrected

    def corrected(face: FollowedFace, seen, landmarks, look, settings):  # type: ignore[no-untyped-def]
        values["gap"].append(disagreement(seen, face.box))
        values["score"].append(seen.score)
        return real(face, seen, landmarks, look, settings)

    return corrected


def table(values: Values) -> str:
    """Markdown, a row a quantity."""

    def rows() -> Iterator[str]:
        yield "| from frame to frame | n | " + " | ".join(f"{share:g} %" for share in PERCENTILES) + " | threshold |"
        yield "| --- | ---: |" + " ---: |" * len(PERCENTILES) + " --- |"
        for name, found in values.items():
            cells = " | ".join(f"{value:.3f}" for value in np.percentile(found, PERCENTILES)) if found else ""
            yield f"| {name} | {len(found)} | {cells} | {THRESHOLDS[name]} |"

    return "\n".join(rows())


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.doubts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpora", type=Path, nargs="+", help="folders of videos")
    parser.add_argument("--limit", type=int, default=300, help="frames a clip (default 300)")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
