"""Several processes as `torchrun` starts them: equal shares of one global batch, gradients averaged by hand."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch import distributed as dist

from model.device import choose_device


@dataclass(frozen=True)
class Processes:
    """This process among those of the run, and the device it computes on."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that writes files and prints."""
        return self.rank == 0

    def average(self, values: Tensor) -> Tensor:
        """The mean over processes of a tensor of equal shape in each."""
        if self.world_size > 1:
            dist.all_reduce(values)
            values /= self.world_size
        return values

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over processes, in one exchange.

        All gradients are ready at once here (no overlap with the backward pass): that keeps accumulated parts
        and several backward passes per update simple, for an exchange of 0.1 GB a step at the paper's size.
        """
        if self.world_size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self.average(torch.cat([gradient.flatten() for gradient in gradients]))
        means = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def gather(self, values: Tensor) -> Tensor:
        """The processes' tensors of equal shape joined along the first dimension, in rank order."""
        if self.world_size == 1:
            return values
        parts = [torch.empty_like(values) for _ in range(self.world_size)]
        dist.all_gather(parts, values.contiguous())
        return torch.cat(parts)

    def share(self, values: Tensor) -> Tensor:
        """This process's part of what `gather` joined."""
        return values.chunk(self.world_size)[self.rank]

    def copy_from_main(self, modules: Iterable[nn.Module]) -> None:
        """Make all processes start from the first one's weights."""
        if self.world_size > 1:
            for module in modules:
                for tensor in module.state_dict().values():
                    dist.broadcast(tensor, 0)

    def wait_for_all(self) -> None:
        """Return when every process is here."""
        self.average(torch.zeros(1))


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """Join the processes that `torchrun` started (or stay alone), and leave them at the end.

    Args:
        device: "cpu", "cuda", or "auto": CUDA where there is one.

    Raises:
        InputError: `device` is not available.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    chosen = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if world_size == 1:
        yield Processes(0, 1, chosen)
        return
    # Adam imports this, and if the processes are joined by then, it keeps them so for ever: threads of gloo's then end
    # with the interpreter, which now and then aborts.
    importlib.import_module("torch._dynamo")
    # CPU tensors travel by gloo even where GPU tensors go by NCCL.
    dist.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(rank, world_size, chosen)
    finally:
        dist.destroy_process_group()
