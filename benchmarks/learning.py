"""What each part of the network is worth: L1 on unseen speakers for the full model and its ablations, by seed.

    python benchmarks/learning.py --shards OUT                             # reduced size, for a CPU
    python benchmarks/learning.py --shards OUT --steps 50000 -- --image-size 224   # the paper's size, on a GPU

Runs `model.train` and `model.evaluate` as a user does, one run after another, seed by seed. Stop it at any moment and
start it again: finished runs are not repeated, the one under way goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model import evaluate, train
from pipeline.cli import run
from pipeline.errors import InputError
from pipeline.shards import open_dataset

RUNS: dict[str, list[str]] = {
    "full": [],
    "warp": ["--ablation", "streams=warp"],
    "appearance": ["--ablation", "streams=appearance"],
    "bank-1": ["--ablation", "bank=1"],
    "bank-3": ["--ablation", "bank=3"],
}
TITLES = {
    "full": "full: both streams, bank of 5",
    "warp": "warping stream only",
    "appearance": "appearance stream only",
    "bank-1": "bank of 1",
    "bank-3": "bank of 3",
}
COPIED = {
    "trivial": "trivial: the bank image of nearest openness, copied",
    "landmarks": "the bank image of nearest landmarks, copied",
}
# Expected to rise from left to right.
CLAIMS = (("full", "warp"), ("full", "appearance"), ("full", "bank-3", "bank-1"))
REDUCED = (
    "--image-size", "64", "--base-channels", "16", "--batch-size", "4", "--learning-rate", "0.001",
    "--perceptual-weight", "0", "--adversarial-weight", "0", "--workers", "0",
)  # fmt: skip
SETTINGS_FILE = "learning.json"

Results = dict[str, dict[int, dict[str, Any]]]
"""By name of the run and seed: what `model.evaluate` wrote."""


def main(args: argparse.Namespace) -> int:
    """Train and measure what is missing, then print the table of what there is."""
    flags = [*REDUCED, *args.training]
    _claim(args.out, {"flags": flags, "digest": open_dataset(args.shards).digest})
    results: Results = {name: {} for name in args.only}
    for seed in range(args.seeds):
        for name in args.only:
            folder = args.out / f"{name}-seed{seed}"
            result = _finished(folder, args.split, args.steps)
            if result is None:
                status = _train_and_measure(args, folder, [*flags, *RUNS[name], "--seed", str(seed)])
                if status:
                    return status
                result = _finished(folder, args.split, args.steps)
            if result is not None:
                results[name][seed] = result
                print(f"{folder}: L1 {_l1(result):.3f}, copied {_l1(result, 'trivial'):.3f}", file=sys.stderr)
        (args.out / "learning.md").write_text(_report(results, args.steps), encoding="utf-8")
    print(_report(results, args.steps), end="")
    return 0


def _claim(out: Path, settings: Mapping[str, Any]) -> None:
    """Note what the runs in a folder have in common. Raises `InputError` where that is something else."""
    path = out / SETTINGS_FILE
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != settings:
        raise InputError(f"{path}: the runs here have other training flags or another dataset; give another --out")
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings) + "\n", encoding="utf-8")


def _train_and_measure(args: argparse.Namespace, folder: Path, flags: Sequence[str]) -> int:
    shards = ["--shards", str(args.shards)]
    status = train.main([*shards, "--out", str(folder), "--steps", str(args.steps), "--resume", *flags])
    if status:
        return status
    return evaluate.main([*shards, "--checkpoint", str(folder), "--split", args.split, "--stride", str(args.stride)])


def _finished(folder: Path, split: str, steps: int) -> dict[str, Any] | None:
    """The result in a run folder, if it is of so many steps."""
    path = folder / "evaluation" / f"{split}.json"
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return result if result.get("step") == steps else None


def _l1(result: Mapping[str, Any], answer: str = "model", figure: str = "l1") -> float:
    return float(result["overall"]["scores"][answer][figure])


def _report(results: Results, steps: int) -> str:
    """The Markdown table, and under it each claim with the seeds in which it held."""
    found = {name: by_seed for name, by_seed in results.items() if by_seed}
    if not found:
        return "no finished run\n"
    some = next(iter(next(iter(found.values())).values()))
    copied = _l1(some, "trivial")
    lines = [
        f"| unseen speakers, {some['image_size']} px, step {steps} | L1 | spread | mouth L1 | of trivial | by seed |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for answer, title in COPIED.items():
        l1, mouth = _l1(some, answer), _l1(some, answer, "mouth_l1")
        lines.append(f"| {title} | {l1:.2f} | | {mouth:.2f} | {l1 / copied:.0%} | |")
    for name, by_seed in found.items():
        figures = [_l1(result) for result in by_seed.values()]
        mouth = statistics.mean(_l1(result, figure="mouth_l1") for result in by_seed.values())
        mean, spread = statistics.mean(figures), statistics.stdev(figures) if len(figures) > 1 else 0.0
        seeds = ", ".join(f"{figure:.2f}" for figure in figures)
        lines.append(f"| {TITLES[name]} | {mean:.2f} | ± {spread:.2f} | {mouth:.2f} | {mean / copied:.0%} | {seeds} |")
    lines += ["", *_claims(found)]
    return "\n".join(lines) + "\n"


def _claims(found: Results) -> list[str]:
    lines = []
    for chain in CLAIMS:
        if all(name in found for name in chain):
            seeds = sorted(set.intersection(*(set(found[name]) for name in chain)))
            order = " < ".join(TITLES[name].split(":")[0] for name in chain)
            held = []
            for figure in ("l1", "mouth_l1"):
                by_name = {name: [_l1(found[name][seed], figure=figure) for seed in seeds] for name in chain}
                held.append(sum(list(row) == sorted(row) for row in zip(*by_name.values(), strict=True)))
            lines.append(f"- {order}: in {held[0]} of {len(seeds)} seeds, at the mouth in {held[1]}")
    results = [result for by_seed in found.values() for result in by_seed.values()]
    for answer, title in COPIED.items():
        better = sum(_l1(result) < _l1(result, answer) for result in results)
        lines.append(f"- better than {title.removeprefix('trivial: ')}: {better} of {len(results)} runs")
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
    add("--only", nargs="+", choices=RUNS, default=list(RUNS), help="which kinds (default all)")
    add("--split", default="test", help="default test")
    add("--stride", type=int, default=2, help="measure every how many-th frame (default 2)")
    add("training", nargs="*", metavar="-- FLAG", help=f"flags for model.train; without them {' '.join(REDUCED)}")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
