"""The fixed examples whose pictures show a run's progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from model.config import NetworkConfig, Size
from model.data.loader import ShardPool, load_batch
from model.data.sampler import Group, bank_choice, fixed_groups
from model.data.to_device import PreparedBatch, prepare_batch, question_of
from model.network.question import Network, evaluating
from model.pictures import Pixels, draw_grid
from pipeline.errors import DatasetError
from pipeline.shards import Dataset

EXAMPLES = 4


def evaluation_split(dataset: Dataset) -> str | None:
    """The split that figures and pictures are taken from: "test", else "val"; None where there is neither."""
    return next((name for name in ("test", "val") if name in dataset.splits), None)


def example_groups(dataset: Dataset, split: str, count: int = EXAMPLES) -> list[Group]:
    """One target from each of up to `count` videos spread over the split, at different times within them.

    Returns:
        Groups of one target and a bank of five each; the same on every call.
    """
    groups = fixed_groups(dataset.videos(split), dataset.bank_from)
    count = min(count, len(groups))
    chosen = [groups[(2 * i + 1) * len(groups) // (2 * count)] for i in range(count)]
    examples = []
    for i, group in enumerate(chosen):
        row = group.target_rows[(2 * i + 1) * len(group.target_rows) // (2 * count)]
        examples.append(replace(group, target_rows=(row,)))
    return examples


def example_batch(
    dataset: Dataset, config: NetworkConfig, device: torch.device, split: str | None = None
) -> PreparedBatch:
    """The examples of a split: the named one, else the test split, else the training split.

    Raises:
        DatasetError: the split has no frame that can be a target.
    """
    split = split or evaluation_split(dataset) or "train"
    groups = example_groups(dataset, split)
    if not groups:
        raise DatasetError(f"{dataset.root}: the split '{split}' has no frame to show as an example")
    return load_targets(groups, device, config.size)


def load_targets(groups: Sequence[Group], device: torch.device, size: Size) -> PreparedBatch:
    """The targets of some groups with their banks; of those of five a network takes what it uses."""
    pool = ShardPool()
    try:
        return prepare_batch(load_batch(groups, pool), device, size)
    finally:
        pool.close()


def load_groups(
    groups: Sequence[Group], config: NetworkConfig, device: torch.device, size: Size | None = None
) -> PreparedBatch:
    """The targets of some groups with stored banks of five, of which the network's `bank_size` are taken."""
    choice = bank_choice(config.bank_size)
    chosen = [replace(group, bank_rows=tuple(group.bank_rows[place] for place in choice)) for group in groups]
    return load_targets(chosen, device, size or config.size)


def draw_examples(network: Network, examples: PreparedBatch) -> Pixels:
    """The picture grid of the examples: what the network starts from, what it makes on its way, output, target."""
    with evaluating(network):
        columns = network.columns(question_of(examples, network.sees_target))
        return draw_grid({**columns, "target": examples.target})
