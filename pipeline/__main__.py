"""`python -m pipeline check out/`, `python -m pipeline report out/`: what can be done with a finished dataset."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline import cli
from pipeline.check import Defect, check_dataset, repair
from pipeline.errors import DatasetError, InputError
from pipeline.report import PICTURES, write_report
from pipeline.shards.dataset import DATASET_FILE


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="Look after a dataset. To build one: luigi --module pipeline BuildTimit --help",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="check|report")
    check = commands.add_parser(
        "check",
        help="verify every shard and print the dataset's digest",
        description="Verify every shard of a dataset (schema, checksums, counts, K against the landmarks, banks) and "
        "its manifest. Prints one line per defect and exits with 1, or the dataset's digest and exits with 0.",
    )
    check.add_argument("dataset", type=Path, help="the dataset's folder (the build's --out)")
    check.add_argument(
        "--repair",
        action="store_true",
        help="remove what is broken, so that the next build makes just that again (exit status 1 all the same)",
    )
    check.set_defaults(run=_check)
    report = commands.add_parser(
        "report",
        help="write a page that shows the dataset, to <dataset>/report/index.html",
        description="Write one HTML page that shows a dataset: what is in it and what was left out, distributions, "
        "every speaker's bank, and the videos that deserve a look first. It needs no network and no other file.",
    )
    report.add_argument("dataset", type=Path, help="the dataset's folder (the build's --out)")
    report.add_argument(
        "--pictures",
        type=int,
        default=PICTURES,
        metavar="N",
        help="videos shown with pictures, some 20 kB each: the most suspicious and one of each speaker (%(default)s)",
    )
    report.set_defaults(run=_report)
    return cli.run(parser, lambda args: int(args.run(args)), argv)


def _check(args: argparse.Namespace) -> int:
    try:
        defects, digest = check_dataset(args.dataset, progress=True)
    except DatasetError as error:
        table = args.dataset / DATASET_FILE
        if not args.repair or not table.is_file():
            raise
        defects, digest = [Defect(table, str(error).removeprefix(f"{table}: "))], ""
    for defect in defects:
        print(defect)
    if not defects:
        print(digest)
        return 0
    if args.repair:
        for path in repair(args.dataset, defects):
            print(cli.printable(f"{path}: removed"))
        print(f"{args.dataset}: {len(defects)} defects, removed; run the build again", file=sys.stderr)
    else:
        print(f"{args.dataset}: {len(defects)} defects; --repair removes what is broken", file=sys.stderr)
    return 1


def _report(args: argparse.Namespace) -> int:
    if args.pictures < 0:
        raise InputError(f"--pictures must be 0 or more, got {args.pictures}")
    print(cli.printable(str(write_report(args.dataset, args.pictures, progress=True))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
