"""X2Face's recipe, stage I as its authors released it: L1 to the driving image, which is the target."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from model.baseline_config import X2FaceConfig
from model.config import TrainConfig
from model.network.x2face import X2Face, X2FaceOutput
from model.networks import GENERATOR
from model.training.machine import Machine
from model.training.recipes.ganimation import drawn_source
from model.training.recipes.recipe import Losses, Part, Recipe

MOMENTUM = 0.9


class X2FaceRecipe(Recipe):
    """See `Recipe`. Batch norm sees what is run at once: a process's part of a batch, and of that the part of
    `--accumulate`. So a run of several processes or parts is not quite that of one; a checkpoint holds the running
    statistics of the first process."""

    draws = 1
    """Which bank image, where there is one source."""

    def __init__(self, config: TrainConfig, machine: Machine, _features: object) -> None:
        self.machine = machine
        self.model: X2FaceConfig = config.model
        network = machine.placed(X2Face(self.model))
        self.networks: dict[str, nn.Module] = {GENERATOR: network}
        self._run: Callable[[Tensor, Tensor, Tensor], X2FaceOutput] = machine.compiled(network)

    def optimizer(self, name: str) -> torch.optim.Optimizer:
        """As configured."""
        network = self.networks[name]
        return self.machine.sgd(network, MOMENTUM) if self.model.optimizer == "sgd" else self.machine.adam(network)

    def generator_losses(self, part: Part) -> Losses:
        """L_1, the mean of |Î − I_t| in units of [0, 1], as its authors have it: half of that of [-1, 1]."""
        sources, which = self._sources(part)
        with self.machine.precision():
            out = self._run(sources, part.batch.target, which)
        loss = l1_loss(out.output, part.batch.target)
        return Losses({"L_1": loss, "total": loss})

    def _sources(self, part: Part) -> tuple[Tensor, Tensor]:
        """Sources (V, N, 3, S, S), and which of them each target has: one drawn for each, or whole banks once each."""
        batch = part.batch
        if self.model.sources == 1:
            image, _ = drawn_source(part)
            return image[:, None], torch.arange(len(image), device=image.device)
        # Targets of a video share their bank: its embedded face is made once.
        firsts = [place for place, group in enumerate(batch.group) if place == 0 or group != batch.group[place - 1]]
        lengths = torch.diff(torch.tensor([*firsts, len(batch.group)]))
        which = torch.repeat_interleave(lengths)
        return batch.bank[firsts], which.to(batch.bank.device)


def l1_loss(image: Tensor, target: Tensor) -> Tensor:
    """The mean absolute difference of images in [-1, 1], in units of [0, 1]: white against black is 1."""
    return (image - target).abs().mean() / 2
