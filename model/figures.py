"""`python -m model.figures --shards out/ --checkpoint …`: the paper's Figures 2 to 6 and Table 1, made anew."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from model.device import choose_device
from model.drawing.ablation import ablation_block, missing_columns
from model.drawing.choice import look_at
from model.drawing.comparison import comparison_block
from model.drawing.corpora import Corpus, open_corpora
from model.drawing.failures import failures_block
from model.drawing.masks import check_masks, masks_block
from model.drawing.panel import captioned, side_by_side
from model.drawing.results import results_block
from model.drawing.table import write_table1
from model.evaluate import add_measures, measure_options
from model.evaluation.selection import choose_measures
from model.pictures import Pixels, save_picture
from model.trained import add_inference_flags, inference_settings
from pipeline import log
from pipeline.cli import Parser, run
from pipeline.errors import InputError

PROGRAM = "python -m model.figures"
PARTS = ("2", "4", "5", "6", "table1")
COMPARISON = "3"
CANDIDATES = 200


def build_parser(prog: str = PROGRAM) -> Parser:
    """The command's flags."""
    parser = Parser(
        prog=prog,
        description="Make the paper's figures from trained networks and their datasets, several corpora side by side: "
        "figure2.png (truth over synthesised), figure4.png (GT, 1B, 3B, 5B, A, W, A+W, as far as there are networks, "
        "with the mouth enlarged), figure5.png (bank over selection masks), figure6.png (failures: worst at the mouth, "
        "most extreme poses), and table1.md with the figures of model.evaluate; and with --only 3, figure3.png: any "
        "networks beside the truth, with close-ups of mouth and eyes. The Table 1 that joins corpora and methods is "
        "that of luigi --module model.experiments Table1.",
        epilog="Two corpora: --shards timit=out/timit ff=out/ff --checkpoint timit=runs/t timit=runs/t-1b ff=runs/f",
    )
    add = parser.add_argument
    add("--shards", nargs="+", required=True, metavar="[NAME=]FOLDER",
        help="the dataset's folder (it holds dataset.json); of several corpora each with a name")  # fmt: skip
    add("--checkpoint", nargs="+", required=True, metavar="[NAME=]RUN",
        help=".pt files or run folders; a corpus's first is that of Figures 2, 5 and 6")  # fmt: skip
    add("--out", type=Path, default=Path("figures"), help="folder for them (default: figures)")
    add("--only", nargs="+", choices=(*PARTS, COMPARISON), default=PARTS,
        help=f"make just these (default {' '.join(PARTS)})")  # fmt: skip
    add("--split", help="default: test, else val")
    add("--speaker", nargs="+", default=[], metavar="[NAME=]SPEAKER", help="whom to show (default: whoever suits)")
    add("--candidates", type=int, default=CANDIDATES, metavar="N",
        help=f"Figures 5 and 6: test frames that the network makes to choose from (default {CANDIDATES})")  # fmt: skip
    add("--stride", type=int, default=1, help="Table 1: every how many-th frame of a video (default 1: all)")
    add("--batch-size", type=int, default=16, help="Table 1: frames at once (default 16)")
    add("--workers", type=int, default=1, help="Table 1: loader processes (default 1)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    add_inference_flags(add)
    add_measures(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = PROGRAM) -> int:
    """The command; returns its exit status."""
    return run(build_parser(prog), _figures, argv)


def _figures(args: argparse.Namespace) -> int:
    for name in ("candidates", "batch_size"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} must be at least 1, got {getattr(args, name)}")
    device = choose_device(args.device)
    corpora = open_corpora(args.shards, args.checkpoint, args.speaker, args.split, inference_settings(args), device)
    made = []
    for part, picture in draw_figures(corpora, args.only, args.candidates):
        save_picture(args.out / f"figure{part}.png", picture)
        made.append(f"figure{part}.png")
    if "4" in args.only:
        for corpus in corpora:
            if missing := missing_columns(corpus.networks):
                log.note(f"figure4.png: no network of {corpus.name} for {', '.join(missing)}")
    if "table1" in args.only:
        measures = choose_measures(measure_options(args), device)
        print(write_table1(args.out, corpora, measures, args.stride, args.batch_size, args.workers), end="")
        made += ["table1.md", "table1.json"]
    print(f"{args.out}: {', '.join(made)}")
    return 0


def draw_figures(corpora: Sequence[Corpus], parts: Sequence[str], candidates: int) -> Iterator[tuple[str, Pixels]]:
    """The figures among `parts`, each with all corpora side by side.

    Args:
        candidates: how many test frames the network makes to choose from.

    Yields:
        the figure's number and its picture, (height, width, 3) uint8.

    Raises:
        InputError: Figure 5 of a network without masks.
    """
    if "5" in parts:
        for corpus in corpora:
            check_masks(corpus)
    looks = {"5", "6"} & set(parts)
    seen = {corpus.name: look_at(corpus, candidates, progress=True) if looks else [] for corpus in corpora}
    blocks: dict[str, Callable[[Corpus], Pixels]] = {
        "2": results_block,
        COMPARISON: comparison_block,
        "4": ablation_block,
        "5": lambda corpus: masks_block(corpus, seen[corpus.name]),
        "6": lambda corpus: failures_block(corpus, seen[corpus.name]),
    }
    for part, draw in blocks.items():
        if part in parts:
            drawn = [draw(corpus) for corpus in corpora]
            if len(corpora) > 1:
                drawn = [captioned(block, corpus.name, True) for block, corpus in zip(drawn, corpora, strict=True)]
            yield part, side_by_side(drawn)


if __name__ == "__main__":
    sys.exit(main())
