"""FLNet's training step as it was written before the trainer knew other networks, to be compared bit by bit.

Frozen: nobody should have to change it. What it calls (networks, losses, history) has tests of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from model.config import TrainConfig
from model.data.batch import Batch, PreparedBatch
from model.data.to_device import prepare_batch
from model.network.discriminator import Discriminator
from model.network.generator import Generator
from model.network.losses import discriminator_loss, generator_losses
from model.training.history import ImageHistory


class FrozenTrainer:
    """One process, a CPU, float32."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        torch.manual_seed(config.seed)
        self.generator = Generator(config.model)
        self.discriminator = Discriminator(config.model.base_channels, config.model.initialisation)
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), config.learning_rate, config.betas)
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), config.learning_rate, config.betas
        )
        self.history = ImageHistory(config.history_size, config.seed)

    def step(self, source: Iterator[Batch]) -> dict[str, float]:
        """Take a batch for each update; the generator's terms, and the mean of the discriminator's."""
        critic = [self._update_discriminator(self._parts(next(source))) for _ in range(self.config.discriminator_steps)]
        terms = self._update_generator(self._parts(next(source)))
        return {"L_D": sum(critic) / len(critic), **terms}

    def state_dict(self) -> dict[str, Any]:
        """All that training changes."""
        return {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict()["state"],
            "discriminator_optimizer": self.discriminator_optimizer.state_dict()["state"],
            "history": self.history.state_dict(),
        }

    def _parts(self, batch: Batch) -> list[PreparedBatch]:
        prepared = prepare_batch(batch, torch.device("cpu"), self.config.model.size)
        count = self.config.accumulation_steps
        return [PreparedBatch(*part) for part in zip(*(value.chunk(count) for value in prepared), strict=True)]

    def _update_discriminator(self, parts: list[PreparedBatch]) -> float:
        with torch.no_grad():
            made = torch.cat([self.generator(part.bank, part.field).output for part in parts])
        fakes = self.history.mix(made)
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        losses = []
        for part, fake in zip(parts, fakes.chunk(len(parts)), strict=True):
            scores = self.discriminator(torch.cat((part.target, fake)))
            loss = discriminator_loss(*scores.chunk(2)) / len(parts)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        self.discriminator_optimizer.step()
        return float(torch.stack(losses).sum())

    def _update_generator(self, parts: list[PreparedBatch]) -> dict[str, float]:
        streams = self.config.model.streams
        self.generator_optimizer.zero_grad(set_to_none=True)
        self.discriminator.requires_grad_(False)
        sums: dict[str, Tensor] = {}
        made = []
        for part in parts:
            out = self.generator(part.bank, part.field)
            scores = self.discriminator(out.output)
            terms = generator_losses(out, part.target, part.weight_map, self.config.weights, streams, scores)
            made.append(out.output.detach())
            (terms["total"] / len(parts)).backward()  # type: ignore[no-untyped-call]
            for name, term in terms.items():
                sums[name] = sums.get(name, torch.zeros_like(term)) + term.detach() / len(parts)
        self.discriminator.requires_grad_(True)
        self.generator_optimizer.step()
        self.history.add(torch.cat(made))
        return {name: float(value) for name, value in sums.items()}
