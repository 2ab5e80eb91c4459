"""Single frames for figures and pictures: the split that they come from, and loading them in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from model.config import NetworkConfig, Size
from model.data.batch import PreparedBatch
from model.data.loader import load_batch
from model.data.sampler import Group, bank_choice
from model.data.to_device import prepare_batch
from pipeline.shards import Dataset, ShardPool


def evaluation_split(dataset: Dataset) -> str | None:
    """The split that figures and pictures are taken from: "test", else "val"; None where there is neither."""
    return next((name for name in ("test", "val") if name in dataset.splits), None)


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
