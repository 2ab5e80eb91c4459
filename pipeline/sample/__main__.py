"""`python -m pipeline.sample --out DIR`: draw the sample corpus."""

from __future__ import annotations

import argparse
import re
import sys

from pipeline.cli import Parser, run
from pipeline.errors import InputError
from pipeline.sample.corpus import write_sample_corpus


def main(args: argparse.Namespace) -> int:
    """Draw what is missing and say where it is."""
    clips = write_sample_corpus(
        args.out, args.speakers, args.clips, args.seconds, args.fps, _size(args.size), args.seed, args.workers
    )
    print(f"{len(clips)} clips of {args.speakers} speakers in {args.out}, their ground truth in {args.out}/truth")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m pipeline.sample",
        description="Draw talking heads as H.264 clips in TCD-TIMIT's layout, with their exact landmarks under truth/. "
        "Clips already complete are kept, so an interrupted run continues.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the corpus")
    parser.add_argument("--speakers", type=int, default=8, metavar="N", help="how many, about a quarter for testing")
    parser.add_argument("--clips", type=int, default=4, metavar="N", help="clips of each speaker")
    parser.add_argument("--seconds", type=float, default=2.5, metavar="S", help="length of a clip")
    parser.add_argument("--fps", type=float, default=25, metavar="N", help="frames a second")
    parser.add_argument("--size", default="640x480", metavar="WxH", help="size of the frames in pixels")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of sentences, movements and random speakers")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes")
    return parser


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise InputError(f"--size must be WIDTHxHEIGHT such as 640x480, got '{text}'")
    return int(match[1]), int(match[2])


if __name__ == "__main__":
    sys.exit(run(_parser(), main))
