"""What trained baselines have learnt: whether GANimation obeys its landmarks, and X2Face against the mean of five.

    python benchmarks/baselines.py --shards OUT --checkpoint RUN [RUN ...]

GANimation: how far its picture moves (L1, 0-255) when an identity image's own landmarks are exchanged for the target's
(0 in a network that copies), how far the targets themselves are from those images, and the mean attention (near 0 or 1
where it is saturated). X2Face: L1 to the targets, and that of the mean of the five bank images, which its identity
start begins as. On test frames; exit status 1 where a network has not learnt it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import torch
from torch import Tensor

from model.data.examples import evaluation_split, load_targets
from model.data.sampler import fixed_groups
from model.data.to_device import question_of
from model.evaluation.protocol import cut
from model.network.ganimation import GanimationGenerator
from model.network.question import Network, Question
from model.network.x2face import X2Face
from model.pixels import LEVELS_PER_UNIT
from model.trained import load_trained
from pipeline.cli import run
from pipeline.errors import InputError
from pipeline.shards import open_dataset

CPU = torch.device("cpu")
BATCH_SIZE = 16
LEAST_MOTION = 1.0
LEAST_ATTENTION, MOST_ATTENTION = 0.05, 0.95


def main(args: argparse.Namespace) -> int:
    """The command; returns its exit status."""
    dataset = open_dataset(args.shards)
    split = evaluation_split(dataset)
    if split is None:
        raise InputError(f"{args.shards}: neither a test nor a val split")
    groups = list(cut(fixed_groups(dataset.videos(split), dataset.bank_from), BATCH_SIZE))[:: args.stride]
    learnt = True
    for path in args.checkpoint:
        network = load_trained(path, CPU).generator
        asked = []
        for group in groups:
            batch = load_targets([group], CPU, network.config.size)
            asked.append((question_of(batch, network.sees_target), batch.target))
        with torch.no_grad():
            said, good = told(network, asked)
        print(f"{path}: {said}: {'learnt' if good else 'NOT LEARNT'}", flush=True)
        learnt &= good
    return 0 if learnt else 1


def told(network: Network, asked: list[tuple[Question, Tensor]]) -> tuple[str, bool]:
    """What a network has learnt, and whether it has.

    Raises:
        InputError: it is none of the baselines.
    """
    if isinstance(network, GanimationGenerator):
        moved, apart, attention = (statistics.mean(values) for values in zip(*motions(network, asked), strict=True))
        said = f"moves by {moved:.2f} for targets {apart:.2f} away, mean attention {attention:.3f}"
        return said, moved > LEAST_MOTION and LEAST_ATTENTION < attention < MOST_ATTENTION
    if isinstance(network, X2Face):
        own = statistics.mean(l1(network.answer(question), target) for question, target in asked)
        mean = statistics.mean(l1(question.bank.mean(1), target) for question, target in asked)
        return f"L1 {own:.2f}, the mean of the bank {mean:.2f}", own < mean
    raise InputError("neither a GANimation nor an X2Face")


def motions(network: GanimationGenerator, asked: list[tuple[Question, Tensor]]) -> list[tuple[float, float, float]]:
    """By batch: between its pictures for own and wanted landmarks, between image and target, and the mean of A."""
    found = []
    for question, target in asked:
        image, own = question.bank[:, 0], question.bank_landmarks[:, 0]
        still, moved = (network(image, own, wanted) for wanted in (own, question.target_landmarks))
        found.append((l1(still.output, moved.output), l1(image, target), float(moved.attention.mean())))
    return found


def l1(one: Tensor, other: Tensor) -> float:
    """The mean absolute difference, 0-255."""
    return float((one - other).abs().mean() * LEVELS_PER_UNIT)


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/baselines.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--shards", type=Path, required=True, help="the dataset's folder (it holds dataset.json)")
    add("--checkpoint", type=Path, nargs="+", required=True, help=".pt files or run folders")
    add("--stride", type=int, default=1, help=f"every how many-th batch of {BATCH_SIZE} frames (default 1: all)")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
