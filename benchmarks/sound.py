"""Whether sound that is late, early or somebody else's is told from sound that belongs to the mouth.

    python benchmarks/sound.py DATASET [--shift 0.2]

DATASET was built with `--audio`. Each video is looked at as it is, with its sound shifted by a time, and with another
speaker's sound in its place; the rule is the report's (`pipeline.report.suspicion`). Prints how many of each kind are
suspected, and quartiles of the two figures that decide.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.cli import run
from pipeline.decode import SOUND_RATE, Samples
from pipeline.errors import InputError
from pipeline.preparing.sound import Agreement, agreement
from pipeline.report.suspicion import sound_doubt
from pipeline.shards import ShardReader, open_dataset


class Heard(NamedTuple):
    """A video with its sound."""

    speaker: str
    samples: Samples
    seconds: npt.NDArray[np.float64]
    openness: npt.NDArray[np.float32]


def main(args: argparse.Namespace) -> int:
    """Print the table."""
    videos = [heard for heard in _videos(args.dataset) if len(heard.samples)]
    if len({heard.speaker for heard in videos}) < 2:
        raise InputError(f"{args.dataset}: must hold two speakers with sound; was it built with --audio?")
    begun = time.process_time()
    as_they_are = [_of(heard, heard.samples) for heard in videos]
    cost = (time.process_time() - begun) / sum(len(heard.seconds) for heard in videos)
    samples = round(args.shift * SOUND_RATE)
    kinds = {
        "as it is": as_they_are,
        f"{args.shift:g} s late": [_of(h, np.concatenate([np.zeros(samples, np.int16), h.samples])) for h in videos],
        f"{args.shift:g} s early": [_of(heard, heard.samples[samples:]) for heard in videos],
        "another speaker's": [_of(heard, _other(videos, place).samples) for place, heard in enumerate(videos)],
    }
    print("| sound | videos | suspected | correlation, quartiles | best at any lag | lag, ms |\n"
          "| --- | ---: | ---: | --- | --- | --- |")  # fmt: skip
    for kind, found in kinds.items():
        known = [each for each in found if each is not None]
        doubts = sum(sound_doubt(each.correlation, each.best, each.lag_ms) is not None for each in known)
        columns = [_quartiles(known, get) for get in (lambda a: a.correlation, lambda a: a.best, lambda a: a.lag_ms)]
        print(f"| {kind} | {len(known)} | {doubts} | {' | '.join(columns)} |")
    print(f"\n{1e6 * cost:.0f} µs of CPU a frame")
    return 0


def _videos(root: Path) -> list[Heard]:
    found = []
    dataset = open_dataset(root)
    for video in [video for split in dataset.splits for video in dataset.videos(split)]:
        rows = slice(video.first_row, video.first_row + video.row_count)
        with ShardReader(video.shard) as reader:
            samples = reader.audio(video.first_sample, video.sample_count)
            samples = np.zeros(0, np.int16) if samples is None else samples
            found.append(Heard(video.speaker, samples, reader.pts_seconds(rows), reader.mouth_openness(rows)))
    return found


def _other(videos: list[Heard], place: int) -> Heard:
    """The next video that is of somebody else."""
    rest = videos[place + 1 :] + videos[:place]
    return next(heard for heard in rest if heard.speaker != videos[place].speaker)


def _of(heard: Heard, samples: Samples) -> Agreement | None:
    return agreement(samples[: len(heard.samples)], heard.seconds, heard.openness)


def _quartiles(found: list[Agreement], get: Callable[[Agreement], float]) -> str:
    return " / ".join(f"{value:.2f}" for value in np.percentile([get(each) for each in found], [25, 50, 75]))


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(prog="python benchmarks/sound.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("dataset", type=Path, help="built with --audio")
    parser.add_argument("--shift", type=float, default=0.2, help="seconds (default 0.2)")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
