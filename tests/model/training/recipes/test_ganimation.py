"""GANimation's recipe: no target leaks, its condition's units, what it draws, and what it warns of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.baseline_config import GanimationConfig, GanimationWeights
from model.checkpoint import checkpoint_path, load_checkpoint
from model.config import Size, TrainConfig
from model.data.landmark_statistics import landmark_statistics
from model.data.loader import BatchDataset, batches
from model.network.condition import SPREAD, LandmarkCondition
from model.network.ganimation import GanimationGenerator
from model.network.question import Question
from model.trained import load_trained
from model.training.distributed import Processes
from model.training.machine import Machine
from model.training.recipes.ganimation import GanimationRecipe, drawn_source
from model.training.recipes.recipe import Part
from model.training.run import Run, make_planner, train
from model.training.step import Trainer
from pipeline.errors import DatasetError
from pipeline.shards import ShardReader, open_dataset

ALONE = Processes(0, 1, torch.device("cpu"))
SMALL = TrainConfig(
    network="ganimation",
    steps=2,
    batch_size=4,
    frames_per_video=2,
    discriminator_steps=1,
    model=GanimationConfig(32, 4),
    weights=GanimationWeights(),
)


def recipe_of(config: TrainConfig = SMALL) -> GanimationRecipe:
    torch.manual_seed(0)
    return GanimationRecipe(config, Machine(ALONE, config), None)


@pytest.fixture
def part(tiny_dataset: Path, tmp_path: Path) -> Part:
    run = Run(tmp_path, open_dataset(tiny_dataset), SMALL, 0, False)
    (batch,) = batches(BatchDataset(make_planner(run, ALONE).plan), 0, 1, workers=0)
    trainer = Trainer(SMALL, ALONE)
    (only,) = trainer._parts(trainer._prepare(batch), 0)
    return only


def test_no_target_leaks_into_the_generator(part: Part) -> None:
    """Its pixels are real images to the critic and nothing else."""
    for weight, leaks in ((0.0, False), (100.0, True)):
        recipe = recipe_of(replace(SMALL, weights=GanimationWeights(reconstruction=weight)))
        target = part.batch.target.clone().requires_grad_()
        shown = part._replace(batch=part.batch._replace(target=target))
        gradient = torch.autograd.grad(recipe.generator_losses(shown).terms["total"], target, allow_unused=True)[0]
        assert (gradient is not None and bool(gradient.any())) is leaks
        assert all(torch.equal(a, b) for a, b in zip(recipe.fakes([shown]), recipe.fakes([part]), strict=True))
    (fake,) = recipe.fakes([part])
    gradient = torch.autograd.grad(recipe.discriminator_losses(shown, fake).terms["L_y_real"], target)[0]
    assert gradient.any()


def test_the_condition_has_the_spread_of_action_units_on_the_training_split(tiny_dataset: Path) -> None:
    opened = open_dataset(tiny_dataset)
    recipe = recipe_of()
    recipe.fit(opened)
    points = []
    for video in opened.videos("train"):
        with ShardReader(video.shard) as shard:
            points.append(shard.landmarks(slice(video.first_row, video.first_row + video.row_count)))
    landmarks = torch.from_numpy(np.concatenate(points))
    found = recipe.condition(landmarks, Size(224, 224))
    torch.testing.assert_close(found.mean(0), torch.zeros(136), rtol=0, atol=1e-5)
    assert found.square().mean().sqrt().item() == pytest.approx(SPREAD, rel=1e-4)


def test_landmarks_that_never_move_are_refused() -> None:
    with pytest.raises(DatasetError, match="all 0 frames of 0 videos have the same landmarks"):
        landmark_statistics([])


def test_a_checkpoint_carries_the_condition(tiny_dataset: Path, tmp_path: Path) -> None:
    opened = open_dataset(tiny_dataset)
    train(Run(tmp_path, opened, SMALL, 0, False), ALONE, None)
    fitted = LandmarkCondition()
    fitted.fit(landmark_statistics(opened.videos("train")))
    trained = load_trained(tmp_path, torch.device("cpu"))
    assert isinstance(trained.generator, GanimationGenerator)
    for name, value in fitted.state_dict().items():
        assert torch.equal(trained.generator.condition.state_dict()[name], value), name
    assert load_checkpoint(checkpoint_path(tmp_path, 2))["config"]["network"] == "ganimation"
    bank = torch.zeros(1, 5, 3, 32, 32)
    answer = trained.generator.answer(Question(bank, torch.zeros(1, 5, 68, 2), torch.zeros(1, 68, 2), None))
    assert answer.shape == (1, 3, 32, 32)


def test_identity_images_are_drawn_from_the_whole_bank_with_their_landmarks(part: Part) -> None:
    for luck, place in ((0.0, 0), (0.59, 2), (1 - 1e-12, 4)):
        image, own = drawn_source(part._replace(luck=torch.full((4, 2), luck, dtype=torch.float64)))
        assert torch.equal(image, part.batch.bank[:, place])
        assert torch.equal(own, part.batch.bank_landmarks[:, place])


def test_luck_is_the_same_for_any_number_of_processes_and_another_for_every_update() -> None:
    def luck(rank: int, count: int, step: int, update: int) -> torch.Tensor:
        trainer = Trainer(SMALL, ALONE)
        trainer.processes = Processes(rank, count, torch.device("cpu"))
        trainer.step_count = step
        return trainer._luck(update)

    whole = luck(0, 1, 3, 1)
    assert whole.shape == (4, 2)
    assert torch.equal(torch.cat([luck(rank, 2, 3, 1) for rank in (0, 1)]), whole)
    assert not torch.equal(luck(0, 1, 3, 0), whole)
    assert torch.equal(luck(0, 1, 2, 2), luck(0, 1, 3, 0)), "numbered on through the steps"


def test_any_pairs_desire_the_next_videos_landmarks(part: Part) -> None:
    recipe = recipe_of(replace(SMALL, model=GanimationConfig(32, 4, pairs="any")))
    landmarks = part.batch.target_landmarks
    assert torch.equal(recipe._desired(part.batch), landmarks[[2, 3, 0, 1]])
    assert torch.equal(recipe_of()._desired(part.batch), landmarks)


def test_the_critic_stays_in_full_precision(part: Part) -> None:
    recipe = recipe_of(replace(SMALL, precision="bf16"))
    (fake,) = recipe.fakes([part])
    seen = []
    recipe.critic.scores.register_forward_hook(lambda _module, _inputs, scores: seen.append(scores.dtype))
    with recipe.machine.precision():
        recipe.discriminator_losses(part, fake)
    recipe.generator_losses(part)
    assert set(seen) == {torch.float32}
    rough, exact = (recipe_of(replace(SMALL, precision=p)).fakes([part])[0] for p in ("bf16", "fp32"))
    assert not torch.equal(rough, exact), "the generator does run under autocast"


@pytest.mark.parametrize(("mean", "says"), [(0.5, ""), (0.97, "copies its input"), (0.02, "paints every pixel anew")])
def test_a_saturated_attention_is_a_concern(mean: float, says: str) -> None:
    concern = recipe_of().concern({"attention_mean": mean})
    assert says in concern
    assert bool(concern) is bool(says)
    if says:
        assert "--attention-weight 0.2 or 0.05" in concern


def test_the_concern_is_told_while_training(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("model.training.recipes.ganimation.MOST_ATTENTION", 0.1)
    train(Run(tmp_path, open_dataset(tiny_dataset), SMALL, 0, False), ALONE, None)
    assert "warning: after 1 steps the mean attention is" in capsys.readouterr().err
