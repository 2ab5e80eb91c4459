"""The fixed examples whose pictures show a run's progress."""

from __future__ import annotations

from dataclasses import replace

import torch

from model.config import NetworkConfig
from model.data.batch import PreparedBatch
from model.data.examples import evaluation_split, load_targets
from model.data.sampler import Group, fixed_groups
from model.data.to_device import question_of
from model.network.question import Network, evaluating
from model.pictures import Pixels, draw_grid
from pipeline.errors import DatasetError
from pipeline.shards import Dataset

EXAMPLES = 4


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


def draw_examples(network: Network, examples: PreparedBatch) -> Pixels:
    """The picture grid of the examples: what the network starts from, what it makes on its way, output, target."""
    with evaluating(network):
        columns = network.columns(question_of(examples, network.sees_target))
        return draw_grid({**columns, "target": examples.target})
