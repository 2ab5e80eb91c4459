"""What an answer costs: parameters and operations of a network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from model.config import Size
from model.network.question import Network, Question
from pipeline.geometry import LANDMARKS


def parameters_of(network: Network) -> int:
    """How many numbers it has learnt to make images with."""
    return sum(parameter.numel() for parameter in network.parameters())


def gflop_of(network: Network, size: Size) -> float:
    """10⁹ operations of one answer, a multiply-add two of them, as torch's counter finds them.

    Nothing is computed: a copy of the network stands on the meta device.
    """
    with torch.device("meta"):
        copied = type(network)(network.config).eval()

        def empty(*shape: int) -> Tensor:
            return torch.empty(shape)

        image = empty(1, 3, *size)
        question = Question(empty(1, 5, 3, *size), empty(1, 5, LANDMARKS, 2), empty(1, LANDMARKS, 2), image)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            copied.answer(question)
    return float(counter.get_total_flops()) / 1e9
