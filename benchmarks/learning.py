"""What each part of the network is worth: L1 on people never seen, for the full model, its ablations and corrections.

    python benchmarks/learning.py --shards OUT                             # reduced size, for a CPU
    python benchmarks/learning.py --shards OUT --steps 50000 -- --image-size 224   # the paper's size, on a GPU
    python benchmarks/learning.py --shards OUT --group studio='grid_*'     # groups of speakers apart

Runs `model.train` and `model.evaluate` as a user does, one run after another, seed by seed. Stop it at any moment and
start it again: finished runs are not repeated, the one under way goes on from its last checkpoint. Several of them may
work on one --out with different --only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from unittest import mock

from torch import Tensor

from model import evaluate, train
from model.network import losses
from model.network.offsets import offset_field
from pipeline.cli import run
from pipeline.errors import InputError
from pipeline.shards import open_dataset

Patches = dict[str, Callable[..., Any]]
"""Names in the program that a run replaces, to undo one correction: "module.name" -> what stands there instead."""


@dataclass(frozen=True)
class Kind:
    """One way to train."""

    title: str
    flags: Sequence[str] = ()
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


KINDS: dict[str, Kind] = {
    "full": Kind("full: both streams, bank of 5"),
    "warp": Kind("warping stream only", ("--ablation", "streams=warp")),
    "appearance": Kind("appearance stream only", ("--ablation", "streams=appearance")),
    "bank-1": Kind("bank of 1", ("--ablation", "bank=1")),
    "bank-3": Kind("bank of 3", ("--ablation", "bank=3")),
    "guided": Kind("full, --guide landmarks (not in the paper)", ("--guide", "landmarks")),
    "guide-alone": Kind(
        "the guide alone (one step, warping stream only)",
        ("--guide", "landmarks", "--ablation", "streams=warp", "--steps", "1"),
    ),
    "pytorch": Kind("PyTorch's initialisation", ("--initialisation", "pytorch")),
    "no-eq12": Kind("without Eq. 12", undone={"model.training.recipes.flnet.generator_losses": _without_eq12}),
    "mean-colours": Kind(
        "Eqs. 12, 13 a mean over the colours",
        undone={"model.training.recipes.flnet.generator_losses": _mean_over_colours},
    ),
    "margin-units": Kind(
        "offsets divided by the warp margin",
        undone={
            f"model.{place}.offset_field": _in_units_of_the_margin
            for place in ("data.to_device", "network.generator", "animation.clip")
        },
    ),
    "adversarial": Kind("with L_adv, history of 320", ("--adversarial-weight", "1")),
    "short-history": Kind("with L_adv, no history", ("--adversarial-weight", "1", "--history-size", "0")),
}
COPIED = {
    "trivial": "the bank image of nearest openness, copied",
    "landmarks": "the bank image of nearest landmarks, copied",
}
REGIONS = {"l1": "L1", "face_l1": "face", "mouth_l1": "mouth", "eyes_l1": "eyes"}
# Expected to rise from left to right (the paper's Figure 4).
CLAIMS = (("full", "warp"), ("full", "appearance"), ("full", "bank-3", "bank-1"))
REDUCED = (
    "--image-size", "64", "--base-channels", "16", "--batch-size", "4", "--learning-rate", "0.001",
    "--perceptual-weight", "0", "--adversarial-weight", "0", "--workers", "0",
)  # fmt: skip
SETTINGS_FILE = "learning.json"

Results = dict[str, dict[int, dict[str, Any]]]
"""By name of the kind and seed: what `model.evaluate` wrote."""


def main(args: argparse.Namespace) -> int:
    """Train and measure what is missing, then print the table of what there is."""
    flags = [*REDUCED, *args.training]
    _claim(args.out, {"flags": flags, "steps": args.steps, "digest": open_dataset(args.shards).digest})
    for seed in range(args.seeds):
        for name in args.only:
            folder = args.out / f"{name}-seed{seed}"
            if _finished(folder, args.split) is None:
                steps = [] if "--steps" in KINDS[name].flags else ["--steps", str(args.steps)]
                with _undone(KINDS[name].undone):
                    status = _train_and_measure(args, folder, [*flags, *KINDS[name].flags, *steps, "--seed", str(seed)])
                if status:
                    return status
    found = _results(args.out, args.split)
    report = _report(found, args.steps, dict(group.split("=", 1) for group in args.group))
    (args.out / "learning.md").write_text(report, encoding="utf-8")
    print(report, end="")
    return 0


@contextmanager
def _undone(patches: Patches) -> Iterator[None]:
    with ExitStack() as stack:
        for name, new in patches.items():
            stack.enter_context(mock.patch(name, new))
        yield


def _claim(out: Path, settings: Mapping[str, Any]) -> None:
    """Note what the runs in a folder have in common. Raises `InputError` where that is something else."""
    path = out / SETTINGS_FILE
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != settings:
        raise InputError(f"{path}: the runs here have other training flags or another dataset; give another --out")
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings) + "\n", encoding="utf-8")


def _train_and_measure(args: argparse.Namespace, folder: Path, flags: Sequence[str]) -> int:
    shards = ["--shards", str(args.shards)]
    status = train.main([*shards, "--out", str(folder), "--resume", *flags])
    if status:
        return status
    return evaluate.main([*shards, "--checkpoint", str(folder), "--split", args.split, "--stride", str(args.stride)])


def _results(out: Path, split: str) -> Results:
    """What all runs in the folder have measured."""
    found: Results = {}
    for name in KINDS:
        for folder in sorted(out.glob(f"{name}-seed*")):
            result = _finished(folder, split)
            if result is not None:
                found.setdefault(name, {})[int(folder.name.rpartition("seed")[2])] = result
    return found


def _finished(folder: Path, split: str) -> dict[str, Any] | None:
    path = folder / "evaluation" / f"{split}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _figure(result: Mapping[str, Any], answer: str, region: str, pattern: str = "*") -> float:
    """The mean over the frames of the speakers whose names match (or do not, with "!" in front)."""
    wanted = not pattern.startswith("!")
    rows = [row for name, row in result["speakers"].items() if fnmatch(name, pattern.lstrip("!")) == wanted]
    total = sum(row["frames"] * row["scores"][answer][region] for row in rows)
    return float(total / sum(row["frames"] for row in rows))


def _report(found: Results, steps: int, groups: Mapping[str, str]) -> str:
    """The Markdown table, and under it each claim with the seeds in which it held."""
    if not found:
        return "no finished run\n"
    some = next(iter(next(iter(found.values())).values()))
    groups = groups or {"all": "*"}
    titles = [f"{group}: {' / '.join(REGIONS.values())}" for group in groups]
    lines = [
        f"| people never seen, {some['image_size']} px, step {steps} | {' | '.join(titles)} | L1 by seed |",
        f"| --- |{' --- |' * len(groups)} --- |",
    ]
    for answer, title in COPIED.items():
        cells = [" / ".join(f"{_figure(some, answer, r, p):.2f}" for r in REGIONS) for p in groups.values()]
        lines.append(f"| {title} | {' | '.join(cells)} | |")
    for name, by_seed in found.items():
        runs = list(by_seed.values())
        cells = [
            " / ".join(f"{statistics.mean(_figure(each, 'model', r, p) for each in runs):.2f}" for r in REGIONS)
            for p in groups.values()
        ]
        seeds = ", ".join(
            " / ".join(f"{_figure(each, 'model', 'l1', p):.2f}" for p in groups.values()) for each in runs
        )
        lines.append(f"| {KINDS[name].title} | {' | '.join(cells)} | {seeds} |")
    return "\n".join([*lines, "", *_claims(found, groups)]) + "\n"


def _claims(found: Results, groups: Mapping[str, str]) -> list[str]:
    """In how many seeds the paper's orders hold, and which kinds beat the best copy everywhere."""
    lines = []
    for chain in CLAIMS:
        if all(name in found for name in chain):
            seeds = sorted(set.intersection(*(set(found[name]) for name in chain)))
            order = " < ".join(KINDS[name].title.split(":")[0] for name in chain)
            for group, pattern in groups.items():
                held = [
                    sum(
                        list(row) == sorted(row)
                        for row in (
                            [_figure(found[n][seed], "model", region, pattern) for n in chain] for seed in seeds
                        )
                    )
                    for region in REGIONS
                ]
                told = ", ".join(f"{title} {n}" for title, n in zip(REGIONS.values(), held, strict=True))
                lines.append(f"- {order}, {group}, of {len(seeds)} seeds: {told}")
    for name, by_seed in found.items():
        for group, pattern in groups.items():
            better = [
                title
                for region, title in REGIONS.items()
                if all(
                    _figure(each, "model", region, pattern)
                    < min(_figure(each, answer, region, pattern) for answer in COPIED)
                    for each in by_seed.values()
                )
            ]
            if better:
                lines.append(f"- {KINDS[name].title}, {group}: below the best copy in every seed: {', '.join(better)}")
    return lines


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/learning.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--shards", type=Path, required=True, help="the dataset's folder (it holds dataset.json)")
    add("--out", type=Path, default=Path("runs/learning"), help="folder of the run folders (default runs/learning)")
    add("--steps", type=int, default=600, help="generator steps of each run (default 600)")
    add("--seeds", type=int, default=3, help="runs of each kind (default 3)")
    default = ["full", "warp", "appearance", "bank-1", "bank-3"]
    add("--only", nargs="*", choices=KINDS, default=default, help=f"which kinds (default {' '.join(default)})")
    add("--group", action="append", default=[], metavar="NAME=PATTERN",
        help="a column for the speakers of some names ('grid_*'; '!grid_*' for all others)")  # fmt: skip
    add("--split", default="test", help="default test")
    add("--stride", type=int, default=2, help="measure every how many-th frame (default 2)")
    add("training", nargs="*", metavar="-- FLAG", help=f"flags for model.train; without them {' '.join(REDUCED)}")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
