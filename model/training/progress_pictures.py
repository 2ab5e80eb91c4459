"""The fixed examples whose pictures show a run's progress."""

from __future__ import annotations

from dataclasses import replace

import torch

from model.config import ModelConfig
from model.data.batch import PreparedBatch
from model.data.examples import evaluation_split, load_groups
from model.data.sampler import Group, fixed_groups
from model.network.generator import Generator
from model.pictures import Pixels, draw_grid, example_columns
from pipeline.errors import DatasetError
from pipeline.shards import Dataset

EXAMPLES = 4


def example_groups(dataset: Dataset, split: str, count: int = EXAMPLES) -> list[Group]:
    """One target from each of up to `count` videos spread over the split, at different times within them.

    Returns:
        Groups of one target and a bank of five each; the same on every call.
    """
    groups = fixed_groups(dataset.videos(split), dataset.corpus)
    count = min(count, len(groups))
    chosen = [groups[(2 * i + 1) * len(groups) // (2 * count)] for i in range(count)]
    examples = []
    for i, group in enumerate(chosen):
        row = group.target_rows[(2 * i + 1) * len(group.target_rows) // (2 * count)]
        examples.append(replace(group, target_rows=(row,)))
    return examples


def example_batch(
    dataset: Dataset, config: ModelConfig, device: torch.device, split: str | None = None
) -> PreparedBatch:
    """The examples of a split: the named one, else the test split, else the training split.

    Raises:
        DatasetError: the split has no frame that can be a target.
    """
    split = split or evaluation_split(dataset) or "train"
    groups = example_groups(dataset, split)
    if not groups:
        raise DatasetError(f"{dataset.root}: the split '{split}' has no frame to show as an example")
    return load_groups(groups, config, device)


@torch.no_grad()
def draw_examples(generator: Generator, examples: PreparedBatch) -> Pixels:
    """The picture grid of the examples: bank, target, both streams, merge mask, output.

    Leaves the generator as it was: in training mode spectral norm would move on with every look at it.
    """
    was_training = generator.training
    generator.eval()
    try:
        return draw_grid(example_columns(examples, generator(examples.bank, examples.field)))
    finally:
        generator.train(was_training)
