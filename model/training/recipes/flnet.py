"""FLNet's recipe: Eq. 16 for the discriminator, with a history of fakes, and Eq. 17 for the generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from model.config import LossWeights, ModelConfig, TrainConfig
from model.network.discriminator import Discriminator
from model.network.generator import Generator, GeneratorOutput
from model.network.losses import discriminator_loss, generator_losses
from model.network.maps import map_figures
from model.network.perceptual import PerceptualFeatures
from model.networks import DISCRIMINATOR, GENERATOR
from model.training.history import ImageHistory
from model.training.machine import Machine
from model.training.recipes.recipe import Losses, Part, Recipe


class FlnetRecipe(Recipe):
    """See `Recipe`."""

    def __init__(self, config: TrainConfig, machine: Machine, features: PerceptualFeatures | None) -> None:
        self.machine = machine
        self.model: ModelConfig = config.model
        self.weights: LossWeights = config.weights
        generator = machine.placed(Generator(self.model))
        discriminator = machine.placed(Discriminator(self.model.base_channels, self.model.initialisation))
        self.networks: dict[str, nn.Module] = {GENERATOR: generator, DISCRIMINATOR: discriminator}
        self.features = None if features is None else machine.placed(features)
        self.history = ImageHistory(config.history_size, config.seed)
        self._generate: Callable[[Tensor, Tensor], GeneratorOutput] = machine.compiled(generator)
        self._judge: Callable[[Tensor], Tensor] = machine.compiled(discriminator)

    def optimizer(self, name: str) -> torch.optim.Optimizer:
        """Adam, of both networks ("Implementation")."""
        return self.machine.adam(self.networks[name])

    def fakes(self, parts: Sequence[Part]) -> Sequence[Tensor]:
        """Fresh ones, half of them exchanged for ones from the history."""
        with torch.no_grad(), self.machine.precision():
            made = torch.cat([self._generate(part.batch.bank, part.batch.field).output for part in parts])
        # One pool over all processes' images, equal in each of them, as one process with the whole batch has.
        processes = self.machine.processes
        fakes = processes.share(self.history.mix(processes.gather(made)))
        return fakes.chunk(len(parts))

    def discriminator_losses(self, part: Part, fake: Tensor) -> Losses:
        """Eq. 16."""
        with self.machine.precision():
            scores = self._judge(torch.cat((part.batch.target, fake)))
        return Losses({"L_D": discriminator_loss(*scores.chunk(2))})

    def generator_losses(self, part: Part) -> Losses:
        """Eq. 17, and figures of the maps."""
        batch, streams, adversarial = part.batch, self.model.streams, self.weights.adversarial > 0
        with self.machine.precision():
            out = self._generate(batch.bank, batch.field)
            said = self._judge(out.output) if adversarial else None
            terms = generator_losses(out, batch.target, batch.weight_map, self.weights, streams, said, self.features)
        return Losses({**terms, **map_figures(out, streams)}, out.output.detach() if adversarial else None)

    def updated(self, made: Tensor) -> None:
        """The images go into the history."""
        self.history.add(self.machine.processes.gather(made))

    def state_dict(self) -> dict[str, Any]:
        """What the next step depends on beside networks and optimisers: the images of the history."""
        return {"history": self.history.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the history back."""
        self.history.load_state_dict(state["history"], self.machine.device)
