"""`python -m pipeline check out/`, `python -m pipeline report out/`: what can be done with a finished dataset."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline import cli
from pipeline.check import check_dataset, repair
from pipeline.errors import InputError
from pipeline.report import PICTURES, write_report


def main(argv: Sequence[str] | None = None, prog: str = "python -m pipeline") -> int:
    """Run one of the commands; returns the exit status."""
    parser = cli.Parser(
        prog=prog,
        description="Look after a dataset. To build one: flnet build --help",
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
        help="move what is broken to work/removed/, so that the next build makes just that again (exit status 1 all "
        "the same); what a checksum proves to be as it was built stays, and whatever no build made",
    )
    check.set_defaults(run=_check, program=check.prog)
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
    report.add_argument(
        "--source-pictures",
        type=Path,
        metavar="CORPUS_ROOT",
        help="show a dropped frame of each kind, from the very videos that the build read below this folder (default: "
        "no picture but the dataset's own)",
    )
    report.set_defaults(run=_report, program=report.prog)
    return cli.run(parser, lambda args: int(args.run(args)), argv)


def _check(args: argparse.Namespace) -> int:
    defects, digest = check_dataset(args.dataset, progress=True)
    for defect in defects:
        print(defect)
    if not defects:
        print(digest)
        return 0
    if args.repair:
        moved = repair(args.dataset, defects)
        for path, place in moved.items():
            print(cli.printable(f"{path}: moved to {place}"))
        told = f"{len(moved)} files moved to work/removed/; run the build again" if moved else "nothing to take away"
    else:
        told = "--repair takes away what is broken"
    print(cli.printable(f"{args.dataset}: {len(defects)} defects; {told}"), file=sys.stderr)
    return 1


def _report(args: argparse.Namespace) -> int:
    if args.pictures < 0:
        raise InputError(f"--pictures must be 0 or more, got {args.pictures}")
    print(cli.printable(str(write_report(args.dataset, args.pictures, True, args.source_pictures))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
