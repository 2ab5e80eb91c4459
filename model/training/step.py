"""One training step: the discriminator's updates and the generator's, and the state that resuming needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model.config import Decay, TrainConfig
from model.data.batch import Batch, PreparedBatch
from model.data.to_device import prepare_batch
from model.network.perceptual import PerceptualFeatures
from model.network.precision import at_least_float32
from model.networks import GENERATOR, kind_of, load_class, schedule_of
from model.training.distributed import Processes
from model.training.machine import Machine, load_optimizer
from model.training.recipes.recipe import OBJECTIVES, Losses, Part, Recipe
from pipeline.errors import FlnetError, InputError

DIVERGENCE_LIMIT = 1e5
"""No sound run comes near: images in [-1, 1] bound 250 L_rec by 500, and critics' scores stay within hundreds."""
_LUCK_STREAM = 3  # of random numbers, apart from those of `model.data.sampler`


class DivergenceError(FlnetError):
    """A loss is not a number, infinite or beyond all bounds; the message names the batch."""


@dataclass(frozen=True)
class StepLosses:
    """The losses of one step, averaged over processes, on their way from the device.

    Attributes:
        step: generator updates done, this one included.
        names: the loss terms' symbols, those of each update in turn.
        values: (len(names),) float32 on the CPU; of a GPU's step, not before `arrived`.
        updates: which update each of them is of.
        videos: the video ids of each update's batch (this process's part), the generator's last.
        arrived: of a GPU's step, when `values` is there.
    """

    step: int
    names: tuple[str, ...]
    values: Tensor
    updates: tuple[int, ...]
    videos: tuple[tuple[str, ...], ...]
    arrived: torch.cuda.Event | None = None

    def checked(self) -> dict[str, float]:
        """The terms by symbol as numbers, a mean where several updates have one. Waits for the step, not later ones.

        Raises:
            DivergenceError: a term is NaN, or infinite, or what an update descends is beyond `DIVERGENCE_LIMIT`.
        """
        if self.arrived is not None:
            self.arrived.synchronize()
        found: dict[str, list[float]] = {}
        for name, number, update in zip(self.names, self.values.tolist(), self.updates, strict=True):
            bounded = name not in OBJECTIVES.values() or abs(number) < DIVERGENCE_LIMIT
            if not (bounded and abs(number) < float("inf")):
                ids = ", ".join(self.videos[update])
                raise DivergenceError(
                    f"step {self.step}: {name} is {number:g}; the batch's videos are {ids}; resume from a checkpoint"
                    " with a lower --learning-rate or --precision fp32"
                )
            found.setdefault(name, []).append(number)
        return {name: sum(numbers) / len(numbers) for name, numbers in found.items()}


class Trainer:
    """A recipe's networks and their optimisers, moved forward one step at a time.

    Args:
        config: the run's settings; the weights follow from `config.seed`.
        processes: this process among the run's, and its device.
        features: VGG16 for the perceptual loss; None where there is none.

    Raises:
        InputError: the batch cannot be cut into the parts asked for.
    """

    def __init__(self, config: TrainConfig, processes: Processes, features: PerceptualFeatures | None = None) -> None:
        parts = processes.world_size * config.accumulation_steps
        if config.batch_size % parts:
            raise InputError(
                f"--batch-size must be a multiple of {parts} (processes x --accumulate), got {config.batch_size}"
            )
        self.config = config
        self.processes = processes
        self.device = processes.device
        self.step_count = 0
        self.schedule = schedule_of(config)
        torch.manual_seed(config.seed)
        recipe = load_class(kind_of(config.network).recipe)
        self.recipe: Recipe = recipe(config, Machine(processes, config), features)
        processes.copy_from_main(self.recipe.networks.values())
        self.optimizers = {name: self.recipe.optimizer(name) for name in self.recipe.networks}

    @property
    def batches_per_step(self) -> int:
        """Batches that `step` takes: every update has one of its own."""
        return len(self.schedule)

    def step(self, source: Iterator[Batch]) -> StepLosses:
        """Take `batches_per_step` batches and do the discriminator's updates, then the generator's ("Implementation").

        Every update has a batch of its own, the generator's too: the paper counts its 5 to 1 in iterations, and an
        iteration is a batch. Pictures that the discriminator has just been trained on would be scored too kindly.
        """
        self._set_learning_rate()
        names: list[str] = []
        values: list[Tensor] = []
        updates: list[int] = []
        videos = []
        for number, network in enumerate(self.schedule):
            batch = next(source)
            videos.append(batch.videos)
            terms = self._update(network, self._parts(self._prepare(batch), number))
            names += terms
            values += [at_least_float32(term.detach()) for term in terms.values()]
            updates += [number] * len(terms)
        self.step_count += 1
        means = self.processes.average(torch.stack(values))
        found, arrived = means.to("cpu", non_blocking=True), None
        if self.device.type == "cuda":
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record()
        return StepLosses(self.step_count, tuple(names), found, tuple(updates), tuple(videos), arrived)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors and plain types; complete on the main process."""
        return {
            "step": self.step_count,
            "batches": self.step_count * self.batches_per_step,
            **{name: network.state_dict() for name, network in self.recipe.networks.items()},
            **{f"{name}_optimizer": optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            **self.recipe.state_dict(),
            "random": {
                "torch": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken (on another kind of device: up to its arithmetic)."""
        self.step_count = int(state["step"])
        for name, network in self.recipe.networks.items():
            network.load_state_dict(state[name])
            load_optimizer(self.optimizers[name], state[f"{name}_optimizer"])
        self.recipe.load_state_dict(state)
        torch.set_rng_state(state["random"]["torch"])
        if self.device.type == "cuda" and len(state["random"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["random"]["cuda"])

    def _update(self, name: str, parts: list[Part]) -> dict[str, Tensor]:
        """Descend a network's objective on a batch; returns every term by its symbol, the mean over the parts."""
        network, optimizer = self.recipe.networks[name], self.optimizers[name]
        others = [other for other in self.recipe.networks.values() if other is not network]
        sums: dict[str, Tensor] = {}
        made = []
        with _frozen(others):
            losses_of = self._generator_losses if name == GENERATOR else self._discriminator_losses
            optimizer.zero_grad(set_to_none=True)
            for losses in losses_of(parts):
                (losses.terms[OBJECTIVES[name]] / len(parts)).backward()  # type: ignore[no-untyped-call]
                made += [] if losses.made is None else [losses.made]
                for symbol, term in losses.terms.items():
                    sums[symbol] = sums.get(symbol, torch.zeros_like(term)) + term.detach() / len(parts)
        self.processes.average_gradients(network.parameters())
        optimizer.step()
        if made:
            self.recipe.updated(torch.cat(made))
        return sums

    def _generator_losses(self, parts: list[Part]) -> Iterator[Losses]:
        for part in parts:
            yield self.recipe.generator_losses(part)

    def _discriminator_losses(self, parts: list[Part]) -> Iterator[Losses]:
        for part, fake in zip(parts, self.recipe.fakes(parts), strict=True):
            yield self.recipe.discriminator_losses(part, fake)

    def _set_learning_rate(self) -> None:
        """The step's, worked out from its number: nothing to save, and a resumed run goes on exactly."""
        share = rate_share(self.step_count, self.config.steps, self.config.decay_share, self.config.decay)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self.config.learning_rate * share

    def _prepare(self, batch: Batch) -> PreparedBatch:
        return prepare_batch(batch, self.device, self.config.model.size)

    def _parts(self, batch: PreparedBatch, update: int) -> list[Part]:
        """The batch cut into `accumulation_steps` equal parts, each with its targets' luck."""
        count = self.config.accumulation_steps
        lucks = self._luck(update).to(batch.target.device).chunk(count)
        batches = zip(*(value.chunk(count) for value in batch), strict=True)
        return [Part(PreparedBatch(*values), luck) for values, luck in zip(batches, lucks, strict=True)]

    def _luck(self, update: int) -> Tensor:
        """Random numbers for this process's targets of one update, from the seed and the update's number alone.

        They are drawn for the whole batch, so that there is no state to keep, and any number of processes or parts
        gives a target the same.
        """
        number = self.step_count * self.batches_per_step + update
        rng = np.random.default_rng((self.config.seed, _LUCK_STREAM, number))
        return self.processes.share(torch.from_numpy(rng.random((self.config.batch_size, self.recipe.draws))))


@contextmanager
def _frozen(networks: list[nn.Module]) -> Iterator[None]:
    """No gradients for some networks' weights, only through them."""
    for network in networks:
        network.requires_grad_(False)
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)


def rate_share(step: int, steps: int, decay_share: float, decay: Decay = "line") -> float:
    """The share of the learning rate that a step has: 1, and less over the last `decay_share` of the steps.

    Args:
        step: steps done before it, below `steps`.
        steps: all of the run.
        decay_share: in [0, 1]; 0 keeps the rate.
        decay: "line" is a straight line to 0, "tenth" a tenth at once.
    """
    decaying = decay_share * steps
    if not decaying or steps - step > decaying:
        return 1.0
    return (steps - step) / decaying if decay == "line" else 0.1
