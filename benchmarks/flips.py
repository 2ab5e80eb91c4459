"""Flip single bits all over a dataset, shards, manifest and dataset.json, and see whether `check` finds each.

    python benchmarks/flips.py DATASET [--flips 200]

The dataset is copied first. Exit status 1 if a flip went unnoticed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from pipeline.check import check_dataset
from pipeline.cli import run
from pipeline.errors import DatasetError


def main(args: argparse.Namespace) -> int:
    """The command; returns its exit status."""
    dice = random.Random(args.seed)
    tried: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="flips-") as name:
        root = Path(shutil.copytree(args.dataset, Path(name) / "out", ignore=shutil.ignore_patterns("work", "report")))
        groups = [sorted(root.glob("shards/*/*.h5"))[:1], [root / "manifest.csv"], [root / "dataset.json"]]
        for number in tqdm(range(args.flips), unit="flip"):
            path = dice.choice(groups[0] if number % 10 < 8 else groups[number % 10 - 7])
            tried[path.suffix] += 1
            missed[path.suffix] += not found(root, path, dice)
    for suffix, count in sorted(tried.items()):
        print(f"{suffix:6s} {count - missed[suffix]} of {count} flipped bits found")
    return 1 if any(missed.values()) else 0


def found(root: Path, path: Path, dice: random.Random) -> bool:
    """Flip a bit of a file, check, and put it right again."""
    whole = path.read_bytes()
    place = dice.randrange(len(whole))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << dice.randrange(8))]) + whole[place + 1 :])
    try:
        return any(defect.file == path for defect in check_dataset(root)[0])
    except DatasetError:
        return True
    finally:
        path.write_bytes(whole)


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(prog="python benchmarks/flips.py", description=__doc__)
    parser.add_argument("dataset", type=Path, help="a finished dataset, best a small one")
    parser.add_argument("--flips", type=int, default=200, help="bits to flip, one after the other (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the places (default 0)")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
