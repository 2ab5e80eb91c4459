"""`python -m model.figures --shards out/ --checkpoint …`: the paper's Figures 2, 4 and 5 and Table 1, made anew."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.animation.views import Sheet, View
from model.config import ModelConfig, Size
from model.data.batch import PreparedBatch
from model.data.examples import evaluation_split, load_groups
from model.data.loader import ShardPool, load_batch
from model.data.sampler import Group, fixed_groups
from model.data.to_device import prepare_batch, resize_area
from model.device import choose_device
from model.evaluate import add_measures, load_all, wanted_from
from model.evaluation.copied_answers import nearest_landmarks, nearest_openness
from model.evaluation.protocol import evaluate
from model.evaluation.selection import choose_measures
from model.evaluation.tables import table1
from model.pictures import MIN_CELL_PX, Pixels, draw_grid, save_picture, to_pixels
from model.trained import Trained
from pipeline.cli import run
from pipeline.errors import DatasetError, InputError
from pipeline.shards import Dataset, ShardReader, open_dataset

PARTS = ("2", "4", "5", "table1")
COPY_TITLES = {"trivial": "copied: mouth", "landmarks": "copied: points"}
MOST_LETTERS = 18  # of a network's name over a column of Figure 4
DRIVERS = 5
"""Driving frames of each speaker in Figure 2: as many as the bank has images."""


def choose_groups(dataset: Dataset, split: str, speakers: Sequence[str] | None, frames: int) -> list[Group]:
    """For each speaker some frames of their first video, from a closed to an open mouth, and the bank they drive.

    Args:
        speakers: in this order; None takes up to four, spread over the split.
        frames: of each speaker, or fewer where the video has fewer.

    Raises:
        InputError: no such speaker in the split.
        DatasetError: no frame to show.
    """
    first: dict[str, Group] = {}
    for group in fixed_groups(dataset.videos(split), dataset.corpus):
        first.setdefault(group.video.speaker, group)
    if not first:
        raise DatasetError(f"{dataset.root}: the split '{split}' has no frame to show")
    if speakers is None:
        names = sorted(first)
        count = min(4, len(names))
        speakers = [names[(2 * i + 1) * len(names) // (2 * count)] for i in range(count)]
    unknown = [name for name in speakers if name not in first]
    if unknown:
        raise InputError(f"{dataset.root}: split '{split}' has no speaker {unknown[0]}; it has {', '.join(first)}")
    return [_spread(first[name], frames) for name in speakers]


def _spread(group: Group, frames: int) -> Group:
    """The group with some of its targets, spread evenly over the openness of the mouth."""
    with ShardReader(group.video.shard) as shard:
        order = np.argsort(shard.mouth_openness(group.target_rows), kind="stable")
    places = np.rint(np.linspace(0, len(order) - 1, min(frames, len(order)))).astype(int)
    return replace(group, target_rows=tuple(group.target_rows[place] for place in order[places]))


@torch.no_grad()
def figure2(network: Trained, groups: Sequence[Group]) -> Pixels:
    """Results by speaker: three rows each, the bank, the driving frames, and the output for each of them."""
    blocks = []
    for group in groups:
        batch = load_groups([group], network.config.model, _device(network))
        out = network.generator(batch.bank, batch.field)
        rows = [to_pixels(batch.bank[0]), to_pixels(batch.target), to_pixels(out.output)]
        speaker = group.video.speaker
        titles = [
            [f"{speaker}: bank {i + 1}" for i in range(len(rows[0]))],
            [f"driver {i + 1}" for i in range(len(rows[1]))],
            [f"output {i + 1}" for i in range(len(rows[2]))],
        ]
        cell = max(MIN_CELL_PX, network.config.model.image_size)
        blocks.append(Sheet(titles, cell).draw([picture for row in rows for picture in row]))
    return stacked(blocks)


@torch.no_grad()
def figure4(networks: Mapping[str, Trained], groups: Sequence[Group]) -> Pixels:
    """Networks side by side: the true frame, both bank images copied, and every network's output for it."""
    side = max(network.config.model.image_size for network in networks.values())
    columns = _truth_and_copies(groups, ModelConfig(image_size=side))
    for name, network in networks.items():
        batch = load_groups(groups, network.config.model, _device(network))
        short = name[-MOST_LETTERS:]
        columns[name if short in columns else short] = resize_area(
            network.generator(batch.bank, batch.field).output.cpu(), Size(side, side)
        )
    titles = [group.video.speaker for group in groups for _ in group.target_rows]
    return draw_grid(columns, titles)


def _truth_and_copies(groups: Sequence[Group], config: ModelConfig) -> dict[str, Tensor]:
    pool = ShardPool()
    try:
        stored = load_batch(groups, pool)
    finally:
        pool.close()
    batch: PreparedBatch = prepare_batch(stored, torch.device("cpu"), config.size)
    every = torch.arange(len(batch.target))
    choices = {
        "trivial": nearest_openness(stored.target_openness, stored.bank_openness[stored.group]),
        "landmarks": nearest_landmarks(batch.target_landmarks, batch.bank_landmarks),
    }
    return {"truth": batch.target, **{COPY_TITLES[name]: batch.bank[every, choice] for name, choice in choices.items()}}


@torch.no_grad()
def figure5(network: Trained, groups: Sequence[Group]) -> Pixels:
    """Inside the network: bank with selection masks, both streams, merge mask and output, a block for each frame."""
    config = network.config.model
    blocks = []
    for group in groups:
        batch = load_groups([group], config, _device(network))
        out = network.generator(batch.bank, batch.field)
        view = View("masks", to_pixels(batch.bank[0]), config.image_size)
        blocks += view.draw(out, batch.target_landmarks.cpu().numpy(), list(to_pixels(batch.target)))
    return stacked(blocks)


def stacked(blocks: Sequence[Pixels]) -> Pixels:
    """Pictures one below the other on white, each at the left."""
    width = max(block.shape[1] for block in blocks)
    padded = [np.pad(b, ((0, 0), (0, width - b.shape[1]), (0, 0)), constant_values=255) for b in blocks]
    return np.concatenate(padded)


def _device(network: Trained) -> torch.device:
    return next(network.generator.parameters()).device


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m model.figures",
        description="Make the paper's figures from trained networks and a dataset: figure2.png (bank, driver, output "
        "by speaker), figure4.png (networks and copies beside the truth), figure5.png (streams and masks), table1.md.",
    )
    add = parser.add_argument
    add("--shards", type=Path, required=True, help="the dataset's folder (it holds dataset.json)")
    add("--checkpoint", type=Path, nargs="+", required=True,
        help=".pt files or run folders; the first is that of Figures 2 and 5")  # fmt: skip
    add("--out", type=Path, default=Path("figures"), help="folder for them (default: figures)")
    add("--only", nargs="+", choices=PARTS, default=PARTS, help="make just these")
    add("--split", help="default: test, else val")
    add("--speaker", nargs="+", help="whom to show (default: up to four, spread over the split)")
    add("--stride", type=int, default=1, help="Table 1: every how many-th frame of a video (default 1: all)")
    add("--batch-size", type=int, default=16, help="Table 1: frames at once (default 16)")
    add("--workers", type=int, default=1, help="Table 1: loader processes (default 1)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    add_measures(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run(build_parser(), _figures, argv)


def _figures(args: argparse.Namespace) -> int:
    device = choose_device(args.device)
    dataset = open_dataset(args.shards)
    split = args.split or evaluation_split(dataset)
    if split is None:
        raise DatasetError(f"{dataset.root}: neither a test nor a val split to show; name one with --split")
    networks = load_all(args.checkpoint, device)
    first = next(iter(networks.values()))
    made = []
    for part, frames in (("2", DRIVERS), ("4", 2), ("5", 2)):
        if part in args.only:
            groups = choose_groups(dataset, split, args.speaker, frames)
            picture = figure4(networks, groups) if part == "4" else _SINGLE[part](first, groups)
            save_picture(args.out / f"figure{part}.png", picture)
            made.append(f"figure{part}.png")
    if "table1" in args.only:
        print(_write_table1(args, dataset, split, networks), end="")
        made += ["table1.md", "table1.json"]
    print(f"{args.out}: {', '.join(made)}")
    return 0


_SINGLE = {"2": figure2, "5": figure5}


def _write_table1(args: argparse.Namespace, dataset: Dataset, split: str, networks: Mapping[str, Trained]) -> str:
    """Measure, and write the table as Markdown and JSON."""
    measures = choose_measures(wanted_from(args), choose_device(args.device))
    found = {
        name: evaluate(
            network.generator,
            dataset,
            _device(network),
            metrics=measures.make(),
            split=split,
            stride=args.stride,
            batch_size=args.batch_size,
            workers=args.workers,
            progress=True,
        )
        for name, network in networks.items()
    }
    table = table1(found) + "".join(f"\n{line}\n" for line in measures.left_out)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "table1.md").write_text(table, encoding="utf-8")
    scores = {name: asdict(evaluation.overall) for name, evaluation in found.items()}
    contents = {"split": split, "stride": args.stride, "dataset_digest": dataset.digest, "networks": scores}
    (args.out / "table1.json").write_text(json.dumps(contents, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return table


if __name__ == "__main__":
    sys.exit(main())
