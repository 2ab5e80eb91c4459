"""Whether a change of the tracker changed a single landmark: a checksum of each video's track.

    python benchmarks/tracks.py CORPUS [CORPUS ...] > before.txt     # and with the other version, then: diff

Landmarks, scores, counts of faces and people, as they are stored; what cannot be decoded says why in a word. Each video
is tracked in a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import cv2

from pipeline.child_process import CrashError, run_in_child
from pipeline.cli import run
from pipeline.corpora import VIDEO_SUFFIXES
from pipeline.errors import VideoError
from pipeline.track import follow
from pipeline.tracking import TrackSettings
from pipeline.tracking.landmark_model import landmark_model_path


def main(args: argparse.Namespace) -> int:
    """Track and print."""
    cv2.setNumThreads(1)
    for corpus in args.corpora:
        for path in sorted(corpus.rglob("*")):
            if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
                print(f"{path} {_tracked(path)}", flush=True)
    return 0


def _tracked(path: Path) -> str:
    try:
        return run_in_child(_checksum, path)
    except VideoError as error:
        return error.reason
    except CrashError:
        return "crashed"


def _checksum(path: Path) -> str:
    track = follow(path, TrackSettings(), landmark_model_path(), lambda *_: None)
    arrays = (track.landmarks, track.score, track.faces, track.person)
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", type=Path, help="folders of videos")
    sys.exit(run(parser, main))
