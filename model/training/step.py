"""One training step: five discriminator updates and one generator update, and the state that resuming needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from model.config import TrainConfig
from model.data.batch import Batch, PreparedBatch
from model.data.to_device import prepare_batch
from model.network.discriminator import Discriminator
from model.network.generator import Generator, GeneratorOutput
from model.network.losses import discriminator_loss, generator_losses
from model.network.maps import map_figures
from model.network.perceptual import PerceptualFeatures
from model.network.precision import at_least_float32
from model.training.distributed import Processes
from model.training.history import ImageHistory
from pipeline.errors import FlnetError, InputError

DIVERGENCE_LIMIT = 1e5
"""No sound run comes near: images in [-1, 1] bound 250 L_rec by 500, and hinge scores stay within tens."""


Network = TypeVar("Network", bound=nn.Module)


class DivergenceError(FlnetError):
    """A loss is not a number, infinite or beyond all bounds; the message names the batch."""


@dataclass(frozen=True)
class StepLosses:
    """The losses of one step, averaged over processes, on their way from the device.

    Attributes:
        step: generator updates done, this one included.
        names: the loss terms' symbols, "L_D" first for each discriminator update.
        values: (len(names),) float32 on the CPU; of a GPU's step, not before `arrived`.
        videos: the video ids of each update's batch (this process's part), the generator's last.
        arrived: of a GPU's step, when `values` is there.
    """

    step: int
    names: tuple[str, ...]
    values: Tensor
    videos: tuple[tuple[str, ...], ...]
    arrived: torch.cuda.Event | None = None

    def checked(self) -> dict[str, float]:
        """The terms by symbol as numbers ("L_D": the mean of its updates). Waits for the step, not for later ones.

        Raises:
            DivergenceError: a term is NaN, or infinite, or a total is beyond `DIVERGENCE_LIMIT`.
        """
        discriminator_updates = len(self.videos) - 1
        if self.arrived is not None:
            self.arrived.synchronize()
        numbers = self.values.tolist()
        for place, (name, number) in enumerate(zip(self.names, numbers, strict=True)):
            bounded = name not in ("L_D", "total") or abs(number) < DIVERGENCE_LIMIT
            if not (bounded and abs(number) < float("inf")):
                ids = ", ".join(self.videos[min(place, discriminator_updates)])
                raise DivergenceError(
                    f"step {self.step}: {name} is {number:g}; the batch's videos are {ids}; resume from a checkpoint"
                    " with a lower --learning-rate or --precision fp32"
                )
        terms = dict(zip(self.names, numbers, strict=True))
        if discriminator_updates:
            terms["L_D"] = sum(numbers[:discriminator_updates]) / discriminator_updates
        return terms


class Trainer:
    """The two networks, their optimisers and the history, moved forward one step at a time.

    Args:
        config: the run's settings; the weights follow from `config.seed`.
        processes: this process among the run's, and its device.
        features: VGG16 for the perceptual loss; None where its weight is 0.

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
        self.adversarial = config.weights.adversarial > 0
        torch.manual_seed(config.seed)
        self.generator = self._placed(Generator(config.model))
        self.discriminator = self._placed(Discriminator(config.model.base_channels, config.model.initialisation))
        processes.copy_from_main((self.generator, self.discriminator))
        self.features = None if features is None else self._placed(features)
        self.generator_optimizer = self._adam(self.generator)
        self.discriminator_optimizer = self._adam(self.discriminator)
        self.history = ImageHistory(config.history_size, config.seed)
        self.autocast = uses_bf16(config, self.device)
        # The discriminator sees two sizes of batch: code for each, rather than slower code for all.
        compiled = partial(torch.compile, dynamic=False) if config.compile else lambda module: module
        self._generate: Callable[[Tensor, Tensor], GeneratorOutput] = compiled(self.generator)
        self._judge: Callable[[Tensor], Tensor] = compiled(self.discriminator)

    @property
    def batches_per_step(self) -> int:
        """Batches that `step` takes: every update has one of its own."""
        return batches_per_step(self.config)

    def step(self, source: Iterator[Batch]) -> StepLosses:
        """Take `batches_per_step` batches and do the discriminator's updates, then the generator's ("Implementation").

        Every update has a batch of its own, the generator's too: "for every 5 iterations of discriminator update, we
        train once the generator", and an iteration is a batch. Pictures that the discriminator has just been trained
        on would be scored too kindly.
        """
        self._set_learning_rate()
        losses: list[tuple[str, Tensor]] = []
        videos = []
        for _ in range(self.batches_per_step - 1):
            batch = next(source)
            videos.append(batch.videos)
            losses.append(("L_D", self._update_discriminator(self._prepare(batch))))
        batch = next(source)
        videos.append(batch.videos)
        losses.extend(self._update_generator(self._prepare(batch)).items())
        self.step_count += 1
        values = self.processes.average(torch.stack([at_least_float32(loss.detach()) for _, loss in losses]))
        values, arrived = values.to("cpu", non_blocking=True), None
        if self.device.type == "cuda":
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record()
        return StepLosses(self.step_count, tuple(name for name, _ in losses), values, tuple(videos), arrived)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors and plain types; complete on the main process."""
        return {
            "step": self.step_count,
            "batches": self.step_count * self.batches_per_step,
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
            "history": self.history.state_dict(),
            "random": {
                "torch": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken (on another kind of device: up to its arithmetic)."""
        self.step_count = int(state["step"])
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        for optimizer, name in (
            (self.generator_optimizer, "generator_optimizer"),
            (self.discriminator_optimizer, "discriminator_optimizer"),
        ):
            _load_optimizer(optimizer, state[name])
        self.history.load_state_dict(state["history"], self.device)
        torch.set_rng_state(state["random"]["torch"])
        if self.device.type == "cuda" and len(state["random"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["random"]["cuda"])

    def _update_discriminator(self, batch: PreparedBatch) -> Tensor:
        """Eq. 16 on real targets and on fakes, half of them from the history; returns the loss."""
        parts = self._parts(batch)
        with torch.no_grad(), self._precision():
            made = torch.cat([self._generate(part.bank, part.field).output for part in parts])
        # One pool over all processes' images, equal in each of them, as one process with the whole batch has.
        fakes = self.processes.share(self.history.mix(self.processes.gather(made)))
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        losses = []
        for part, fake in zip(parts, fakes.chunk(len(parts)), strict=True):
            with self._precision():
                scores = self._judge(torch.cat((part.target, fake)))
            loss = discriminator_loss(*scores.chunk(2)) / len(parts)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        self._apply(self.discriminator_optimizer, self.discriminator)
        return torch.stack(losses).sum()

    def _update_generator(self, batch: PreparedBatch) -> dict[str, Tensor]:
        """Eq. 17; returns every term by its symbol."""
        parts, streams = self._parts(batch), self.config.model.streams
        self.generator_optimizer.zero_grad(set_to_none=True)
        self.discriminator.requires_grad_(False)
        sums: dict[str, Tensor] = {}
        made = []
        for part in parts:
            with self._precision():
                out = self._generate(part.bank, part.field)
                scores = self._judge(out.output) if self.adversarial else None
                terms = generator_losses(
                    out, part.target, part.weight_map, self.config.weights, streams, scores, self.features
                )
            made.append(out.output.detach())
            (terms["total"] / len(parts)).backward()  # type: ignore[no-untyped-call]
            for name, term in {**terms, **map_figures(out, streams)}.items():
                sums[name] = sums.get(name, torch.zeros_like(term)) + term.detach() / len(parts)
        self.discriminator.requires_grad_(True)
        self._apply(self.generator_optimizer, self.generator)
        if self.adversarial:
            self.history.add(self.processes.gather(torch.cat(made)))
        return sums

    def _set_learning_rate(self) -> None:
        """The step's, worked out from its number: nothing to save, and a resumed run goes on exactly."""
        rate = self.config.learning_rate * rate_share(self.step_count, self.config.steps, self.config.decay_share)
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = rate

    def _apply(self, optimizer: torch.optim.Optimizer, network: nn.Module) -> None:
        self.processes.average_gradients(network.parameters())
        optimizer.step()

    def _prepare(self, batch: Batch) -> PreparedBatch:
        return prepare_batch(batch, self.device, self.config.model.size)

    def _parts(self, batch: PreparedBatch) -> list[PreparedBatch]:
        """The batch cut into `accumulation_steps` equal parts."""
        count = self.config.accumulation_steps
        return [PreparedBatch(*part) for part in zip(*(value.chunk(count) for value in batch), strict=True)]

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast)

    def _placed(self, network: Network) -> Network:
        """On the device; on a GPU in the layout that its convolutions are fastest in."""
        layout = torch.channels_last if self.device.type == "cuda" else torch.preserve_format
        return network.to(self.device).to(memory_format=layout)  # type: ignore[call-overload, no-any-return]

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        fused = self.device.type == "cuda"
        return torch.optim.Adam(network.parameters(), self.config.learning_rate, self.config.betas, fused=fused)


def _load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load Adam's state from whatever machine; which implementation runs, and how memory is laid out, is this one's."""
    own = [{key: group[key] for key in ("fused", "foreach", "capturable")} for group in optimizer.param_groups]
    groups = [{**group, **ours} for group, ours in zip(state["param_groups"], own, strict=True)]
    optimizer.load_state_dict({**state, "param_groups": groups})  # looks at `fused` to place the count of steps
    for parameter, values in optimizer.state.items():
        for name in ("exp_avg", "exp_avg_sq"):
            values[name] = torch.empty_like(parameter).copy_(values[name])


def rate_share(step: int, steps: int, decay_share: float) -> float:
    """The share of the learning rate that a step has: 1, then a straight line to 0 over the last `decay_share`.

    Args:
        step: steps done before it, below `steps`.
        steps: all of the run.
        decay_share: in [0, 1]; 0 keeps the rate.
    """
    decaying = decay_share * steps
    return min(1.0, (steps - step) / decaying) if decaying else 1.0


def batches_per_step(config: TrainConfig) -> int:
    """Batches in one step: the generator's and, with the adversarial term, one per discriminator update."""
    return 1 + (config.discriminator_steps if config.weights.adversarial > 0 else 0)


def uses_bf16(config: TrainConfig, device: torch.device) -> bool:
    """Whether the networks run under bfloat16 autocast: where asked for, or by default on a GPU that has it."""
    if config.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return config.precision == "bf16"
