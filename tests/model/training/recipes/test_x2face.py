"""X2Face's recipe: its loss's units, its sources, its optimisers, and its batch norm in training and at test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.baseline_config import X2FaceConfig, X2FaceWeights
from model.config import TrainConfig
from model.data.loader import BatchDataset, batches
from model.network.question import Question, evaluating
from model.training.distributed import Processes
from model.training.machine import Machine
from model.training.recipes.recipe import Part
from model.training.recipes.x2face import X2FaceRecipe, l1_loss
from model.training.run import Run, make_planner
from model.training.step import Trainer
from pipeline.shards import open_dataset

ALONE = Processes(0, 1, torch.device("cpu"))
SMALL = TrainConfig(
    network="x2face", steps=2, batch_size=4, frames_per_video=2, model=X2FaceConfig(32, 4), weights=X2FaceWeights()
)
STRONG = replace(SMALL, model=X2FaceConfig(32, 4, sources=5, identity_start=True, optimizer="adam"))


def recipe_of(config: TrainConfig = SMALL) -> X2FaceRecipe:
    torch.manual_seed(0)
    return X2FaceRecipe(config, Machine(ALONE, config), None)


@pytest.fixture
def part(tiny_dataset: Path, tmp_path: Path) -> Part:
    run = Run(tmp_path, open_dataset(tiny_dataset), SMALL, 0, False)
    (batch,) = batches(BatchDataset(make_planner(run, ALONE).plan), 0, 1, workers=0)
    trainer = Trainer(SMALL, ALONE)
    (only,) = trainer._parts(trainer._prepare(batch), 0)
    return only


def test_white_against_black_is_1() -> None:
    assert l1_loss(torch.ones(1, 3, 2, 2), -torch.ones(1, 3, 2, 2)).item() == 1


def test_one_source_is_drawn_for_each_target(part: Part) -> None:
    luck = torch.tensor([[0.0], [0.5], [0.99], [0.2]], dtype=torch.float64)
    sources, which = recipe_of()._sources(part._replace(luck=luck))
    assert torch.equal(sources[:, 0], part.batch.bank[torch.arange(4), torch.tensor([0, 2, 4, 1])])
    assert which.tolist() == [0, 1, 2, 3]


def test_five_sources_are_a_videos_bank_once(part: Part) -> None:
    sources, which = recipe_of(STRONG)._sources(part)
    assert part.batch.group.tolist() == [0, 0, 1, 1]
    assert which.tolist() == [0, 0, 1, 1]
    assert torch.equal(sources, part.batch.bank[[0, 2]])
    assert torch.equal(sources[which], part.batch.bank)


def test_the_identity_start_begins_as_the_mean_of_the_bank(part: Part) -> None:
    """Zero fields and equal confidences: its first loss is that of the mean of five copied."""
    batch = part.batch
    loss = recipe_of(STRONG).generator_losses(part).terms["L_1"]
    assert loss.item() == pytest.approx(l1_loss(batch.bank.mean(1), batch.target).item(), rel=1e-4)


def test_optimisers_are_as_configured() -> None:
    sgd, adam = (recipe_of(config).optimizer("generator") for config in (SMALL, STRONG))
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.param_groups[0]["momentum"] == 0.9
    assert isinstance(adam, torch.optim.Adam)
    assert adam.param_groups[0]["betas"] == (0.5, 0.999)


def test_at_test_batch_norm_uses_its_running_statistics_and_keeps_them(part: Part) -> None:
    recipe = recipe_of()
    network = recipe.generator
    recipe.generator_losses(part)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    asked = Question(part.batch.bank, part.batch.bank_landmarks, part.batch.target_landmarks, part.batch.target)
    with evaluating(network):
        together = network.answer(asked)
        alone = network.answer(Question(*(value[:1] for value in asked if isinstance(value, torch.Tensor))))
    torch.testing.assert_close(alone, together[:1], rtol=0, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training


def test_the_strong_protocol_learns_from_the_identity(tiny_dataset: Path, tmp_path: Path) -> None:
    config = replace(STRONG, steps=40, learning_rate=1e-3)
    run = Run(tmp_path, open_dataset(tiny_dataset), config, 0, False)
    source = batches(BatchDataset(make_planner(run, ALONE).plan), 0, config.steps, workers=0)
    trainer = Trainer(config, ALONE)
    curve = [trainer.step(source).checked()["L_1"] for _ in range(config.steps)]
    assert sum(curve[-5:]) < 0.95 * sum(curve[:5])
