"""How well people are told apart: distances within clips, between clips of one person, and between those of two.

    python benchmarks/people.py PEOPLE [OTHERS ...] [--limit 400]

PEOPLE holds a folder a person with clips of them; every other folder is searched for clips that each show somebody
else. A row says how far apart are: the first and the second half of each clip, two clips of one person, clips of two
people; by means of three pictures (as `pipeline.tracking.people` compares scenes), with the share beyond its threshold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.cli import run
from pipeline.corpora import VIDEO_SUFFIXES
from pipeline.decode import read_frames
from pipeline.errors import InputError, VideoError
from pipeline.tracking import FaceTracker, TrackSettings
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.tracking.people import OTHER_PERSON, Descriptor, _descriptor, _distance, _picture

Pair = tuple[list[Descriptor], list[Descriptor]]
EVERY = 25  # frames from one picture to the next
PERCENTILES = (0, 1, 5, 50, 95, 99, 100)


def main(args: argparse.Namespace) -> int:
    """Describe every clip, then compare."""
    clips: list[tuple[str, list[Descriptor]]] = []
    for person, path in tqdm(list(_clips(args.people, args.others)), "describing", unit="clip"):
        try:
            clips.append((person, list(_descriptors(path, args.limit))))
        except VideoError as error:
            print(f"{path.name}: left out, {error}")
    clips = [(person, described) for person, described in clips if described]
    halves = [(described[: len(described) // 2], described[len(described) // 2 :]) for _, described in clips]
    same: list[Pair] = []
    other: list[Pair] = []
    for (person, ones), (stranger, others) in combinations(clips, 2):
        (same if person == stranger else other).append((ones, others))
    print(f"{'':26} {'pairs':>6} " + " ".join(f"{f'{rank} %':>6}" for rank in PERCENTILES) + f" {'beyond':>8}")
    for name, pairs in (("halves of a clip", [pair for pair in halves if pair[0]]), ("one person's clips", same)):
        _row(name, [_three(*pair) for pair in pairs], True)
    _row("two people's clips", [_three(*pair) for pair in other], False)
    return 0


def _clips(people: Path, others: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    for root in (people, *others):
        paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
        if not paths:
            raise InputError(f"{root}: no video below this folder; name a folder that holds some")
        for path in paths:
            yield (path.parent.name if root == people else str(path)), path


def _descriptors(path: Path, limit: int) -> Iterator[Descriptor]:
    tracker = None
    for frame in islice(read_frames(path), limit):
        tracker = tracker or FaceTracker(TrackSettings(), landmark_model_path(), not frame.colour.full_range)
        seen = tracker.observe(frame.y)
        if seen.landmarks is not None and frame.index % EVERY == 0:
            yield _descriptor(_picture((frame.y, frame.u, frame.v), seen.landmarks))


def _three(ones: Sequence[Descriptor], others: Sequence[Descriptor]) -> float:
    """The distance by three of either, spread as the tracker does."""
    spread = [[part[place] for place in sorted({len(part) * n // 6 for n in (1, 3, 5)})] for part in (ones, others)]
    return _distance(*spread)


def _row(name: str, distances: Sequence[float], same: bool) -> None:
    values = np.array(distances)
    wrong = (values >= OTHER_PERSON) if same else (values < OTHER_PERSON)
    ranks = " ".join(f"{value:6.2f}" for value in np.percentile(values, PERCENTILES))
    print(f"{name:26} {len(values):6} {ranks} {100 * wrong.mean():6.2f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="people.py", description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path, help="a folder of folders: one a person")
    parser.add_argument("others", nargs="*", type=Path, help="folders of clips, each of somebody else")
    parser.add_argument("--limit", type=int, default=400, help="frames a clip, at most (default: 400)")
    sys.exit(run(parser, main))
