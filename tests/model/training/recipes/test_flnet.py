"""FLNet's training did not change by a bit when the trainer learnt to train other networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.config import LossWeights, ModelConfig, TrainConfig
from model.data.loader import BatchDataset, batches
from model.data.sampler import BatchPlanner
from model.training.distributed import Processes
from model.training.step import Trainer
from pipeline.shards import open_dataset
from tests.model.training.frozen_flnet import FrozenTrainer

SMALL = TrainConfig(
    steps=6,
    batch_size=4,
    frames_per_video=2,
    discriminator_steps=2,
    history_size=6,
    model=ModelConfig(image_size=32, base_channels=4),
    weights=LossWeights(perceptual=0.0),
)


@pytest.mark.parametrize(
    "config",
    [SMALL, replace(SMALL, accumulation_steps=2, model=ModelConfig(32, 4, bank_size=1, streams="warp"))],
    ids=["whole", "in two parts, bank of 1, warp"],
)
def test_six_steps_are_those_of_the_frozen_trainer_bit_by_bit(tiny_dataset: Path, config: TrainConfig) -> None:
    """On one processor: how that adds up does not matter."""
    opened = open_dataset(tiny_dataset)
    planner = BatchPlanner(
        opened.videos("train"), "other", batch_size=4, frames_per_video=2, bank_size=config.model.bank_size, seed=0
    )
    batch_list = list(batches(BatchDataset(planner.plan), 0, 3 * config.steps, workers=0))
    trainer, frozen = Trainer(config, Processes(0, 1, torch.device("cpu"))), FrozenTrainer(config)
    here, there = iter(batch_list), iter(batch_list)
    for _ in range(config.steps):
        found, wanted = trainer.step(here).checked(), frozen.step(there)
        assert {name: found[name] for name in wanted} == wanted
    state = trainer.state_dict()
    for name, value in frozen.state_dict().items():
        assert same(state[name]["state"] if "optimizer" in name else state[name], value), name


def same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else bool(first == second)
