"""`python -m pipeline check out/`, `report`, `export`, `merge`, `diff`, `segments`: what is done with datasets."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import cli
from pipeline.check import Sample, check_dataset, repair
from pipeline.diff import compare
from pipeline.errors import InputError
from pipeline.export import FORMATS, ORIGINS, PICTURES, ExportSettings, export_dataset, origin_of
from pipeline.merge import merge_datasets
from pipeline.report import CLIPS, MOST_TOGETHER, write_report
from pipeline.report import PICTURES as SHOWN
from pipeline.segments import write_segments
from pipeline.shards.dataset import BANKS_FROM

Commands = Any  # argparse does not name what `add_subparsers` gives


COMMANDS = "check|report|export|merge|diff|segments"
_EXPORTS = "write the dataset as WebDataset tars, folders of clips or parquet"
SAMPLE_IS_SOUND = 3  # exit status of `check`: no defect, but of a part only
_DATASET = "the dataset's folder (the build's --out)"


def main(argv: Sequence[str] | None = None, prog: str = "python -m pipeline") -> int:
    """Run one of the commands; returns the exit status."""
    parser = cli.Parser(
        prog=prog,
        description="Look after a dataset. To build one: flnet build --help",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar=COMMANDS)
    for add in (_add_check, _add_report, _add_merge, _add_diff, _add_segments):
        add(commands)
    _add_export(commands, "export", help=_EXPORTS)
    _add_export(commands, "export-dataset")  # as `flnet` calls it, whose `export` is the network's
    return cli.run(parser, lambda args: int(args.run(args)), argv)


def _add_check(commands: Commands) -> None:
    check = commands.add_parser(
        "check",
        help="verify every shard and print the dataset's digest",
        description="Verify every shard of a dataset (schema, checksums, counts, K against the landmarks, banks) and "
        "its manifest. Prints one line per defect and exits with 1, or the dataset's digest and exits with 0; after a "
        "sample without a defect, it exits with 3: the rest was not read.",
    )
    check.add_argument("dataset", type=Path, help=_DATASET)
    check.add_argument(
        "--jobs", type=int, default=0, metavar="N", help="shards read side by side (default: one a processor)"
    )
    check.add_argument(
        "--sample",
        metavar="N|P%",
        help="read so many shards only, or that percentage, always the same ones; of the others, presence and length "
        "are looked at, and that they are as they were built is not proved",
    )
    check.add_argument(
        "--repair",
        action="store_true",
        help="move what is broken to work/removed/, so that the next build makes just that again (exit status 1 all "
        "the same); what a checksum proves to be as it was built stays, and whatever no build made",
    )
    check.set_defaults(run=_check, program=check.prog)


def _add_report(commands: Commands) -> None:
    report = commands.add_parser(
        "report",
        help="write a page that shows the dataset, to <dataset>/report/index.html",
        description="Write one HTML page that shows a dataset: what is in it and what was left out, distributions, "
        "every speaker's bank, and the videos that deserve a look first, which can be chosen to be left out. It needs "
        f"no network and, up to {MOST_TOGETHER} videos, no other file. Of a build that has not ended the page says how "
        "far it is and what failed.",
    )
    report.add_argument("dataset", type=Path, help=_DATASET)
    report.add_argument(
        "--pictures",
        type=int,
        default=SHOWN,
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
    report.add_argument(
        "--clips",
        type=int,
        nargs="?",
        const=CLIPS,
        default=0,
        metavar="N",
        help=f"play a few seconds of the crops of N videos in the page, at most 200 kB each (without N: {CLIPS}; "
        "default: none)",
    )
    report.add_argument("--jobs", type=int, default=0, metavar="N", help="shards measured side by side (as of check)")
    report.set_defaults(run=_report, program=report.prog)


def _add_export(commands: Commands, name: str, **listed: str) -> None:
    export = commands.add_parser(
        name,
        **listed,
        description="Write a dataset for other people's trainers; docs/formats.md shows how to read each format. The "
        "same command goes on where it was interrupted, and always writes the same bytes. (A trained network: flnet "
        "export.)",
    )
    export.add_argument("dataset", type=Path, help=_DATASET)
    export.add_argument("--format", choices=tuple(FORMATS), required=True, help="what to write")
    export.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new folder, or one to go on with")
    export.add_argument(
        "--window", type=int, default=0, metavar="N", help="webdataset: N frames a sample (default: a whole video)"
    )
    export.add_argument(
        "--pictures", choices=PICTURES, default=PICTURES[0], help="of webdataset and huggingface (%(default)s)"
    )
    export.add_argument(
        "--frames-per-file",
        type=int,
        default=ExportSettings.frames_per_file,
        metavar="N",
        help="a tar or parquet file ends with the video that reaches N (%(default)s, some 300 MB)",
    )
    export.add_argument(
        "--origin", choices=ORIGINS, help="of the pictures, noted beside them (default: what the dataset says)"
    )
    export.add_argument("--workers", type=int, default=1, metavar="N", help="processes (%(default)s)")
    export.set_defaults(run=_export, program=export.prog)


def _add_merge(commands: Commands) -> None:
    merge = commands.add_parser(
        "merge",
        help="make one dataset of several",
        description="Make one dataset of several of the same crops: splits as they are, nobody in two of them, each "
        "shard proved by its checksum and linked where the disk allows. The datasets stay as they are.",
    )
    merge.add_argument("datasets", type=Path, nargs="+", metavar="DATASET", help="folders of two or more datasets")
    merge.add_argument("--out", type=Path, required=True, help="folder for the new one")
    merge.add_argument(
        "--exclude",
        type=Path,
        metavar="FILE",
        help="ids to leave out of all datasets but the first, one a line as in manifest.csv",
    )
    merge.add_argument("--copy", action="store_true", help="copy shards, also where they could be linked")
    merge.add_argument(
        "--bank-from", choices=BANKS_FROM, help="where banks come from in training; needed where the datasets differ"
    )
    merge.set_defaults(run=_merge, program=merge.prog)


def _add_diff(commands: Commands) -> None:
    diff = commands.add_parser(
        "diff",
        help="say what differs between two datasets",
        description="Say what differs between two datasets, a line each: settings, packages, videos that came, went "
        "or changed, dropped frames. Exits with 0 if their shards hold the same, with 1 if not.",
    )
    diff.add_argument("before", type=Path, help="a dataset's folder")
    diff.add_argument("after", type=Path, help="another one's")
    diff.add_argument("--json", action="store_true", help="print JSON")
    diff.set_defaults(run=_diff, program=diff.prog)


def _add_segments(commands: Commands) -> None:
    segments = commands.add_parser(
        "segments",
        help="write a table that cuts long videos into pieces, for a build of those",
        description="Write a table of pieces of a dataset's videos, cut at scene cuts, gaps and pauses of speech "
        "(where the sound is faintest; without --audio, where the mouth is most shut), for flnet build table.",
    )
    segments.add_argument("dataset", type=Path, help=_DATASET)
    segments.add_argument("--corpus-root", type=Path, required=True, help="of the videos that it was built of")
    segments.add_argument("--seconds", default="5..10", metavar="FROM..TO", help="length of a piece (%(default)s)")
    segments.add_argument("--to", type=Path, required=True, metavar="FILE.csv", help="the table")
    segments.set_defaults(run=_segments, program=segments.prog)


def _jobs(args: argparse.Namespace) -> int:
    if args.jobs < 0:
        raise InputError(f"--jobs must be 1 or more (0: one a processor), got {args.jobs}")
    return args.jobs or os.cpu_count() or 1


def _check(args: argparse.Namespace) -> int:
    sample = None if args.sample is None else Sample.of(args.sample)
    defects, digest = check_dataset(args.dataset, True, _jobs(args), sample)
    for defect in defects:
        print(defect)
    if not defects:
        print(digest or cli.printable(f"{args.dataset}: no defect in the sample; the other shards were not read"))
        return 0 if digest else SAMPLE_IS_SOUND
    if args.repair:
        moved = repair(args.dataset, defects)
        for path, place in moved.items():
            print(cli.printable(f"{path}: moved to {place}"))
        told = f"{len(moved)} files moved to work/removed/; run the build again" if moved else "nothing to take away"
    else:
        told = "--repair takes away what is broken"
    where = " in a sample" if sample is not None else ""
    print(cli.printable(f"{args.dataset}: {len(defects)} defects{where}; {told}"), file=sys.stderr)
    return 1


def _report(args: argparse.Namespace) -> int:
    if args.pictures < 0:
        raise InputError(f"--pictures must be 0 or more, got {args.pictures}")
    if args.clips < 0:
        raise InputError(f"--clips must be 0 or more, got {args.clips}")
    page = write_report(args.dataset, args.pictures, True, args.source_pictures, args.clips, _jobs(args))
    print(cli.printable(str(page)))
    return 0


def _export(args: argparse.Namespace) -> int:
    origin = args.origin or origin_of(args.dataset)
    settings = ExportSettings(args.format, args.window, args.pictures, args.frames_per_file, origin)
    contents = export_dataset(args.dataset, args.to, settings, args.workers, progress=True)
    for split, size in contents["splits"].items():
        print(cli.printable(f"{args.to / split}: {size['videos']} videos, {size['frames']} frames"))
    return 0


def _merge(args: argparse.Namespace) -> int:
    contents = merge_datasets(args.datasets, args.out, args.exclude, args.copy, args.bank_from, progress=True)
    for split, size in contents["splits"].items():
        print(f"{split}: {size['speakers']} speakers, {size['videos']} videos, {size['frames']} frames")
    print(contents["digest"])
    return 0


def _diff(args: argparse.Namespace) -> int:
    found = compare(args.before, args.after, progress=True)
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        for line in found.lines():
            print(cli.printable(line))
    return int(found.differ)


def _segments(args: argparse.Namespace) -> int:
    shortest, dots, longest = args.seconds.partition("..")
    try:
        lengths = float(shortest), float(longest if dots else "nan")
    except ValueError:
        lengths = (0.0, 0.0)
    found = write_segments(args.dataset, args.corpus_root, *lengths, args.to)
    told = f"{args.to}: {found.pieces} pieces, {found.seconds:.1f} s; {found.left_over:.1f} s are too short for one"
    if found.cut_before:
        told += f"; {found.cut_before} videos are pieces already, and left out"
    print(cli.printable(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
