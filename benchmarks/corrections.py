"""What each reading of the paper's loss is worth: FLNet trained with one of them undone at a time, people never seen.

    python benchmarks/corrections.py --shards OUT --steps 1000 --groups 'studio=grid_*,others=!grid_*' \
        -- --learning-rate 5e-4 --decay-share 0.5 --augment --perceptual-weight 0 --adversarial-weight 0 --workers 0

The readings that are undone are no flags, so that this replaces parts of the program and then trains and measures as
`flnet ablations` does, into the same kind of folder. Stop it at any moment and start it again: it goes on where it was.
The paper's own ablations, and FLNet with other flags (`--variations`), are `flnet ablations`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from torch import Tensor

from model import evaluate, train
from model.experiments.plan import ROWS, Row, varied_row
from model.experiments.report import write_tables
from model.experiments.runs import RunFolder, measured_file, read_measured, read_result, write_json
from model.experiments.setup import Setup, claim, open_corpora
from model.network import losses
from model.network.offsets import offset_field
from pipeline.cli import run

CORPUS = "people"
Patches = Mapping[str, Callable[..., Any]]
"""Names in the program that a run replaces, to undo one reading: "module.name" -> what stands there instead."""


@dataclass(frozen=True)
class Correction:
    """One reading undone, by further flags of `model.train`, or by other code."""

    title: str
    flags: str = ""
    undone: Patches = field(default_factory=dict)


def _without_eq12(out: Any, target: Tensor, weight_map: Tensor, weights: Any, *rest: Any) -> dict[str, Tensor]:
    terms = losses.generator_losses(out, target, weight_map, weights, *rest)
    terms["total"] = terms["total"] - weights.reconstruction * terms.pop("L_rec_w")
    return terms


def _mean_over_colours(out: Any, target: Tensor, weight_map: Tensor, weights: Any, *rest: Any) -> dict[str, Tensor]:
    return losses.generator_losses(
        out, target, weight_map, replace(weights, reconstruction=weights.reconstruction / 3), *rest
    )


def _in_units_of_the_margin(target: Tensor, source: Tensor, height: int, width: int) -> Tensor:
    return offset_field(target, source, height, width) / 40.0


CORRECTIONS: dict[str, Correction] = {
    "no-eq12": Correction(
        "without Eq. 12", undone={"model.training.recipes.flnet.generator_losses": _without_eq12}
    ),
    "mean-colours": Correction(
        "Eqs. 12, 13 a mean over the colours",
        undone={"model.training.recipes.flnet.generator_losses": _mean_over_colours},
    ),
    "margin-units": Correction(
        "offsets divided by the warp margin",
        undone={
            f"model.{place}.offset_field": _in_units_of_the_margin
            for place in ("data.to_device", "network.generator", "animation.clip")
        },
    ),
    "pytorch": Correction("PyTorch's initialisation", "--initialisation pytorch"),
    "adversarial": Correction("with L_adv, history of 320", "--adversarial-weight 1"),
    "short-history": Correction("with L_adv, no history", "--adversarial-weight 1 --history-size 0"),
}  # fmt: skip
AS_IT_IS = replace(ROWS["flnet"], title="as it is")


def main(args: argparse.Namespace) -> int:
    """Train and measure what is missing, then print the table of all that was asked for."""
    setup = claim(
        args.out,
        Setup(
            steps=args.steps,
            image_size=args.image_size,
            base_channels=args.base_channels,
            batch_size=args.batch_size,
            train_flags=tuple(args.training),
            stride=args.stride,
            corpora=open_corpora(f"{CORPUS}={args.shards}"),
            variations={name: tuple(shlex.split(each.flags)) for name, each in CORRECTIONS.items()},
        ),
    )
    rows = [AS_IT_IS, *(replace(varied_row(name), title=CORRECTIONS[name].title) for name in args.only)]
    for seed in range(args.seeds):
        for row in rows:
            with _undone(row):
                if status := _train_and_measure(args.out, setup, row, seed):
                    return status
    request = {"corpora": [CORPUS], "rows": [row.key for row in rows], "seeds": list(range(args.seeds))}
    groups = dict(word.split("=", 1) for word in args.groups.split(",") if word)
    measured = read_measured(args.out, request)
    print(write_tables(args.out / "corrections", rows, measured, setup, (), groups, {"request": request}), end="")
    return 0


@contextmanager
def _undone(row: Row) -> Iterator[None]:
    correction = CORRECTIONS.get(row.training.variation)
    with ExitStack() as stack:
        for name, new in (correction.undone if correction else {}).items():
            stack.enter_context(mock.patch(name, new))
        yield


def _train_and_measure(out: Path, setup: Setup, row: Row, seed: int) -> int:
    result = measured_file(out, CORPUS, row.key, seed)
    if result.is_file():
        return 0
    training = RunFolder(out, CORPUS, row.training.name, seed)
    status = 0 if training.ended else train.main(setup.train_command(CORPUS, row.training, seed, training.folder))
    folder = result.with_suffix("")
    status = status or evaluate.main(setup.evaluate_command(CORPUS, row, training.last_checkpoint, folder))
    if not status:
        write_json(result, {**read_result(folder, setup.corpora[CORPUS].split), "hours": training.hours})
    return status


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/corrections.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--shards", type=Path, required=True, help="the dataset's folder (it holds dataset.json)")
    add("--out", type=Path, default=Path("corrections"), help="folder for all of it (default corrections)")
    add("--only", nargs="*", choices=CORRECTIONS, default=list(CORRECTIONS), help="which are undone (default all)")
    add("--steps", type=int, default=1000, help="generator steps of each run (default 1000)")
    add("--seeds", type=int, default=1, help="runs of each kind (default 1)")
    add("--image-size", type=int, default=64, help="side of the images (default 64)")
    add("--base-channels", type=int, default=16, help="default 16")
    add("--batch-size", type=int, default=8, help="targets a batch (default 8)")
    add("--stride", type=int, default=8, help="measure every how many-th test frame (default 8)")
    add("--groups", default="", help="columns for the speakers of some names: NAME=PATTERN, with commas between")
    add("training", nargs="*", metavar="-- FLAG", help="further flags of model.train, for all runs")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
