"""`python -m model.evaluate --shards out/ --checkpoint …`: figures of trained networks on the test split."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from model.data.examples import load_groups
from model.device import choose_device
from model.evaluation.protocol import Evaluation, FrameScore, evaluate, extremes
from model.evaluation.selection import Wanted, choose_measures
from model.evaluation.tables import speaker_table, table1, verdict
from model.pictures import Pixels, draw_grid, example_columns, save_picture
from model.trained import Trained, load_trained
from pipeline.cli import run
from pipeline.errors import InputError
from pipeline.shards import Dataset, open_dataset

EXAMPLES_EACH = 2
"""Best, median and worst frames in the picture, so many of each."""


def load_all(checkpoints: Sequence[Path], device: torch.device) -> dict[str, Trained]:
    """Networks by the names of their run folders (or files), told apart by step or number where those agree.

    Raises:
        InputError: a checkpoint cannot be read.
    """
    found: dict[str, Trained] = {}
    for path in checkpoints:
        trained = load_trained(path, device)
        file = trained.checkpoint
        name = file.parent.parent.resolve().name if file.parent.name == "checkpoints" else file.stem
        if name in found:
            name = f"{name} step {trained.step}"
        found[name if name not in found else f"{name} ({len(found) + 1})"] = trained
    return found


def write_results(
    folder: Path,
    trained: Mapping[str, Trained],
    found: Mapping[str, Evaluation],
    left_out: Sequence[str],
    data: Dataset,
) -> str:
    """Write `<split>.json`, `<split>.md` and `<split>.png` into a folder; the first network is the one evaluated.

    Returns:
        The tables, as in `<split>.md`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name, evaluation = next(iter(found.items()))
    network = trained[name]
    shown = extremes(evaluation.frames, EXAMPLES_EACH)
    results = {
        "checkpoint": str(network.checkpoint),
        "step": network.step,
        "trained_on_digest": network.dataset_digest,
        "dataset_digest": data.digest,
        **_plain(evaluation),
        "left_out": list(left_out),
        "examples": [_example(kind, frame) for kind, frame in shown],
        "compared": {
            other: {"checkpoint": str(trained[other].checkpoint), "step": trained[other].step, **_plain(measured)}
            for other, measured in found.items()
            if other != name
        },
    }
    path = folder / f"{evaluation.split}.json"
    path.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    tables = table1(found) + "\n" + speaker_table(evaluation) + "".join(f"\n{line}\n" for line in left_out)
    path.with_suffix(".md").write_text(tables, encoding="utf-8")
    save_picture(path.with_suffix(".png"), draw_extremes(network, shown))
    return tables


def _plain(evaluation: Evaluation) -> dict[str, Any]:
    """What JSON holds of an evaluation: all but the single frames."""
    return {name: value for name, value in asdict(evaluation).items() if name != "frames"}


def _example(kind: str, frame: FrameScore) -> dict[str, Any]:
    return {"kind": kind, "video": frame.group.video.id, "frame": frame.number, "l1": frame.l1}


@torch.no_grad()
def draw_extremes(trained: Trained, shown: Sequence[tuple[str, FrameScore]]) -> Pixels:
    """The best, median and worst frames: bank, target, both streams, merge mask, output; (H, W, 3) uint8."""
    device = next(trained.generator.parameters()).device
    batch = load_groups([frame.group for _, frame in shown], trained.config.model, device)
    titles = [f"{kind}: L1 {frame.l1:.2f}, frame {frame.number} of {frame.group.video.id}" for kind, frame in shown]
    return draw_grid(example_columns(batch, trained.generator(batch.bank, batch.field)), titles)


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m model.evaluate",
        description="Measure trained networks on the test split, beside the trivial answers: a bank image copied, that "
        "of nearest mouth openness or of nearest landmarks. All at the network's image size, L1 in 0-255 units.",
    )
    add = parser.add_argument
    add("--shards", type=Path, required=True, help="the dataset's folder (it holds dataset.json)")
    add("--checkpoint", type=Path, required=True, help="a .pt file, or a run folder: its newest checkpoint")
    add("--compare", type=Path, nargs="+", default=[], metavar="CHECKPOINT", help="others, for the same table")
    add("--out", type=Path, help="folder for the results (default: evaluation/ beside the run's checkpoints/)")
    add("--split", help="default: test, else val")
    add("--stride", type=int, default=1, help="take every how many-th frame of a video (default 1: all)")
    add("--batch-size", type=int, default=16, help="frames at once (default 16)")
    add("--warp-margin", type=float, metavar="PX", help="another warp margin than the training's, at 224 pixels")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    add("--workers", type=int, default=1, help="loader processes (default 1)")
    add_measures(parser)
    return parser


def add_measures(parser: argparse.ArgumentParser) -> None:
    """The flags that say what is measured; `wanted_from` reads them."""
    figures = parser.add_argument_group("figures", "L1, PSNR and SSIM are always measured")
    add = figures.add_argument
    either = argparse.BooleanOptionalAction
    add("--fid", action=either, help="default: if Inception's weights are at hand; --fid fetches them")
    add("--lpips", action=either, help="default: if VGG16's and LPIPS's weights are at hand; --lpips fetches VGG16's")
    add("--landmark-error", action="store_true", help="find landmarks on every answer and compare (slow)")
    add("--inception-weights", type=Path, metavar="FILE",
        help="inception-2015-12-05.pt (default: looked for in $TORCH_HOME/hub/checkpoints)")  # fmt: skip
    add("--vgg-weights", type=Path, metavar="FILE",
        help="vgg16-397923af.pth, for LPIPS (default: looked for in $TORCH_HOME/hub/checkpoints)")  # fmt: skip
    add("--lpips-weights", type=Path, metavar="FILE",
        help="weights/v0.1/vgg.pth of the package lpips (default: looked for in the package)")  # fmt: skip
    add("--landmark-model", type=Path, metavar="FILE", help="dlib's 68-point model (default: the installed one)")


def wanted_from(args: argparse.Namespace) -> Wanted:
    """The figures that the flags of `add_measures` ask for."""
    return Wanted(
        fid=args.fid,
        lpips=args.lpips,
        landmark_error=args.landmark_error,
        inception_weights=args.inception_weights,
        vgg_weights=args.vgg_weights,
        lpips_weights=args.lpips_weights,
        landmark_model=args.landmark_model,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run(build_parser(), _evaluate, argv)


def _evaluate(args: argparse.Namespace) -> int:
    if args.batch_size < 1:
        raise InputError(f"--batch-size must be at least 1, got {args.batch_size}")
    device = choose_device(args.device)
    dataset = open_dataset(args.shards)
    trained = load_all([args.checkpoint, *args.compare], device)
    measures = choose_measures(wanted_from(args), device)
    found = {
        name: evaluate(
            network.generator,
            dataset,
            device,
            metrics=measures.make(),
            split=args.split,
            stride=args.stride,
            batch_size=args.batch_size,
            workers=args.workers,
            warp_margin_px=args.warp_margin,
            progress=True,
        )
        for name, network in trained.items()
    }
    first = next(iter(trained.values()))
    folder = args.out or first.checkpoint.parent.parent / "evaluation"
    print(write_results(folder, trained, found, measures.left_out, dataset), end="")
    evaluation = next(iter(found.values()))
    print(f"{folder}: {evaluation.split}.json, .md and .png are here")
    print(verdict(evaluation))
    return 0


if __name__ == "__main__":
    sys.exit(main())
