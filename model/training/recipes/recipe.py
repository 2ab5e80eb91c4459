"""What a network is to the trainer: its parts, what each update of them descends, and what else there is to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from model.config import TrainConfig
from model.data.batch import PreparedBatch
from model.network.perceptual import PerceptualFeatures
from model.network.question import Network
from model.networks import DISCRIMINATOR, GENERATOR
from model.training.machine import Machine
from pipeline.shards import Dataset

OBJECTIVES = {GENERATOR: "total", DISCRIMINATOR: "L_D"}
"""The symbol of what an update of each network descends: a weighted sum of its terms."""


class Part(NamedTuple):
    """The part of a batch that is run at once.

    Attributes:
        batch: B targets and their banks.
        luck: (B, `Recipe.draws`) float64 in [0, 1), drawn for each target whatever processes and parts there are.
    """

    batch: PreparedBatch
    luck: Tensor


class Losses(NamedTuple):
    """Of one part.

    Attributes:
        terms: scalars by symbol, unweighted; the objective with them, the only one whose gradient is used.
        made: the images that the generator made, without gradient, where the recipe wants to see all of them.
    """

    terms: dict[str, Tensor]
    made: Tensor | None = None


class Recipe:
    """How a network is trained. What a recipe does not say, it has no need of.

    Attributes:
        networks: on the device: "generator", and "discriminator" where there is one.
        draws: random numbers that an update wants for each target.

    Args:
        config: of the run.
        machine: what it runs on.
        features: VGG16 for a perceptual loss; None where there is none.
    """

    networks: Mapping[str, nn.Module]
    draws = 0

    def __init__(self, config: TrainConfig, machine: Machine, features: PerceptualFeatures | None) -> None:
        raise NotImplementedError

    @property
    def generator(self) -> Network:
        """The network that makes images."""
        generator = self.networks[GENERATOR]
        assert isinstance(generator, Network)
        return generator

    def optimizer(self, name: str) -> torch.optim.Optimizer:
        """Of one of the networks, new."""
        raise NotImplementedError

    def generator_losses(self, part: Part) -> Losses:
        """What an update of the generator descends, as "total". The discriminator is frozen meanwhile."""
        raise NotImplementedError

    def fakes(self, parts: Sequence[Part]) -> Sequence[Tensor]:
        """The images that the discriminator is shown for each part, without gradient."""
        raise NotImplementedError

    def discriminator_losses(self, part: Part, fake: Tensor) -> Losses:
        """What an update of the discriminator descends, as "L_D". The generator is frozen meanwhile."""
        raise NotImplementedError

    def updated(self, made: Tensor) -> None:
        """Called when the generator is updated, with its images of the batch (of this process), if it gave any."""

    def fit(self, dataset: Dataset) -> None:
        """Learn from the training split what is not learnt by descent, before the first step of a new run."""

    def concern(self, terms: Mapping[str, float]) -> str:  # noqa: ARG002 - of those that have one
        """What the user should know of a step's terms early in the run, one line; or nothing."""
        return ""

    def state_dict(self) -> dict[str, Any]:
        """What later steps depend on and no network holds."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a checkpoint that holds, among other things, what `state_dict` gave."""
