"""`python -m pipeline check out/`, `python -m pipeline report out/`: what can be done with a finished dataset."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline import cli
from pipeline.check import check_dataset


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="Look after a dataset. To build one: luigi --module pipeline BuildTimit --help",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="check")
    check = commands.add_parser(
        "check",
        help="verify every shard and print the dataset's digest",
        description="Verify every shard of a dataset (schema, checksums, counts, K against the landmarks, banks) and "
        "its manifest. Prints one line per defect and exits with 1, or the dataset's digest and exits with 0.",
    )
    check.add_argument("dataset", type=Path, help="the dataset's folder (the build's --out)")
    check.set_defaults(run=_check)
    return cli.run(parser, lambda args: int(args.run(args)), argv)


def _check(args: argparse.Namespace) -> int:
    defects, digest = check_dataset(args.dataset, progress=True)
    for defect in defects:
        print(defect)
    if defects:
        print(f"{args.dataset}: {len(defects)} defects", file=sys.stderr)
        return 1
    print(digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
