"""GANimation's recipe: a Wasserstein critic with a gradient penalty that also reads landmarks, and a cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from model.baseline_config import GanimationConfig, GanimationWeights
from model.config import TrainConfig
from model.data.batch import PreparedBatch
from model.data.landmark_statistics import landmark_statistics
from model.network.ganimation import GanimationCritic, GanimationGenerator, GanimationOutput
from model.network.ganimation_losses import critic_losses, generator_losses
from model.networks import DISCRIMINATOR, GENERATOR
from model.training.machine import Machine
from model.training.recipes.recipe import Losses, Part, Recipe
from pipeline.shards import Dataset

TRAIN_SPLIT = "train"
ATTENTION = "attention_mean"
LEAST_ATTENTION, MOST_ATTENTION = 0.05, 0.95


class GanimationRecipe(Recipe):
    """See `Recipe`. The identity image of a target is drawn from its bank; the critic runs in full precision, and not
    through `torch.compile`, which has no gradients of gradients."""

    draws = 2
    """Which bank image; and α of the gradient penalty."""

    def __init__(self, config: TrainConfig, machine: Machine, _features: object) -> None:
        self.machine = machine
        self.model: GanimationConfig = config.model
        self.weights: GanimationWeights = config.weights
        self.frames_per_video = config.frames_per_video
        generator = machine.placed(GanimationGenerator(self.model))
        self.critic = machine.placed(GanimationCritic(self.model))
        self.networks: dict[str, nn.Module] = {GENERATOR: generator, DISCRIMINATOR: self.critic}
        self.condition = generator.condition
        self._generate: Callable[[Tensor, Tensor, Tensor], GanimationOutput] = machine.compiled(generator)

    def optimizer(self, name: str) -> torch.optim.Optimizer:
        """Adam, of both networks."""
        return self.machine.adam(self.networks[name])

    def fit(self, dataset: Dataset) -> None:
        """The statistics of the training split's landmarks."""
        self.condition.fit(landmark_statistics(dataset.videos(TRAIN_SPLIT)))

    def fakes(self, parts: Sequence[Part]) -> Sequence[Tensor]:
        """Fresh ones."""
        with torch.no_grad(), self.machine.precision():
            return [self._generate(*drawn_source(part), self._desired(part.batch)).output for part in parts]

    def discriminator_losses(self, part: Part, fake: Tensor) -> Losses:
        """L_D; the batch's targets are the real images."""
        batch, share = part.batch, part.luck[:, 1].to(fake.dtype)
        with self.machine.full_precision():
            condition = self.condition(batch.target_landmarks, self.model.size)
            return Losses(critic_losses(self.critic, batch.target, condition, fake, share, self.weights))

    def generator_losses(self, part: Part) -> Losses:
        """There and back again, and what the critic says of it; and the mean attention."""
        batch = part.batch
        (image, own), desired = drawn_source(part), self._desired(batch)
        with self.machine.precision():
            out = self._generate(image, own, desired)
            back = self._generate(out.output, desired, own)
        with self.machine.full_precision():
            wanted = self.condition(desired, self.model.size)
            terms = generator_losses(out, back, self.critic(out.output), image, wanted, batch.target, self.weights)
        return Losses({**terms, ATTENTION: out.attention.mean()})

    def concern(self, terms: Mapping[str, float]) -> str:
        """An attention that keeps all of the image, or nothing."""
        mean = terms[ATTENTION]
        if LEAST_ATTENTION <= mean <= MOST_ATTENTION:
            return ""
        what = "copies its input" if mean > MOST_ATTENTION else "paints every pixel anew"
        return (
            f"the mean attention is {mean:.3f}: the network {what} (about 0.5 is usual); try --attention-weight "
            f"{2 * self.weights.attention:g} or {self.weights.attention / 2:g} before you believe its figures"
        )

    def _desired(self, batch: PreparedBatch) -> Tensor:
        """The landmarks that the results are to have (B, 68, 2): the targets', or those of the next video's targets.

        The next video is the next in this process's part of the batch.
        """
        if self.model.pairs == "speaker":
            return batch.target_landmarks
        return batch.target_landmarks.roll(self.frames_per_video, 0)


def drawn_source(part: Part) -> tuple[Tensor, Tensor]:
    """A bank image of each target, drawn, (B, 3, S, S); and its landmarks (B, 68, 2)."""
    batch = part.batch
    choice = (part.luck[:, 0] * batch.bank.shape[1]).long()
    every = torch.arange(len(choice), device=choice.device)
    return batch.bank[every, choice], batch.bank_landmarks[every, choice]
