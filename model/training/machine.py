"""How networks run on this machine: where they lie, in which precision, compiled or not, and moved by what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from model.config import TrainConfig
from model.training.distributed import Processes

Placed = TypeVar("Placed", bound=nn.Module)


@dataclass(frozen=True)
class Machine:
    """This process's device, as a run's settings want it used.

    Attributes:
        processes: this process among the run's, and its device.
        config: of the run.
    """

    processes: Processes
    config: TrainConfig

    @property
    def device(self) -> torch.device:
        """What networks run on."""
        return self.processes.device

    def placed(self, network: Placed) -> Placed:
        """On the device; on a GPU in the layout that its convolutions are fastest in."""
        layout = torch.channels_last if self.device.type == "cuda" else torch.preserve_format
        return network.to(self.device).to(memory_format=layout)  # type: ignore[call-overload, no-any-return]

    def compiled(self, network: nn.Module) -> Callable[..., Any]:
        """Through `torch.compile` where that is wanted, code for each size of batch rather than slower code for all."""
        return torch.compile(network, dynamic=False) if self.config.compile else network

    def precision(self) -> torch.autocast:
        """bfloat16 autocast where the run is to have it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=uses_bf16(self.config, self.device))

    def full_precision(self) -> torch.autocast:
        """No autocast, whatever is around."""
        return torch.autocast(self.device.type, enabled=False)

    def adam(self, network: nn.Module) -> torch.optim.Optimizer:
        """Adam of the run's rate and betas."""
        fused = self.device.type == "cuda"
        return torch.optim.Adam(network.parameters(), self.config.learning_rate, self.config.betas, fused=fused)

    def sgd(self, network: nn.Module, momentum: float) -> torch.optim.Optimizer:
        """Stochastic gradient descent of the run's rate."""
        return torch.optim.SGD(network.parameters(), self.config.learning_rate, momentum)


def uses_bf16(config: TrainConfig, device: torch.device) -> bool:
    """Whether the networks run under bfloat16 autocast: where asked for, or by default on a GPU that has it."""
    if config.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return config.precision == "bf16"


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimiser's state from whatever machine; the implementation, and how memory lies, are this one's."""
    own = [
        {key: group[key] for key in ("fused", "foreach", "capturable") if key in group}
        for group in optimizer.param_groups
    ]
    groups = [{**group, **ours} for group, ours in zip(state["param_groups"], own, strict=True)]
    optimizer.load_state_dict({**state, "param_groups": groups})  # looks at `fused` to place the count of steps
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.dim():
                values[name] = torch.empty_like(parameter).copy_(value)
