"""What evaluation asks of a network, and what a network is to it: one answer a question, whatever is inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Question(NamedTuple):
    """B target images to be made. All five bank images always come; a network takes those that it uses.

    Attributes:
        bank: (B, 5, 3, S, S) in [-1, 1], closed mouth to open.
        bank_landmarks: (B, 5, 68, 2) in pixels of these images, pixel centres at integers.
        target_landmarks: (B, 68, 2), likewise.
        driving: the target images themselves (B, 3, S, S), for who `sees_target`; else None.
        names: of the B frames, where answers are looked up: "<video's id>/<number in the source video>.png".
    """

    bank: Tensor
    bank_landmarks: Tensor
    target_landmarks: Tensor
    driving: Tensor | None
    names: tuple[str, ...] = ()


class Network(nn.Module):
    """A generator as evaluation, figures and checkpoints know it: settings, and an answer to a question."""

    config: Any
    """`image_size`, `size`, `base_channels`, `bank_size` and its own."""

    sees_target = False
    """Whether it is driven by the target image itself and not by landmarks."""

    options: frozenset[str] = frozenset()
    """Further arguments of `answer` and `columns`: what can be chosen after training."""

    @property
    def sources(self) -> int:
        """How many of the five bank images an answer is made from."""
        raise NotImplementedError

    def answer(self, question: Question) -> Tensor:
        """The images (B, 3, S, S) in [-1, 1]."""
        raise NotImplementedError

    def columns(self, question: Question) -> dict[str, Tensor]:
        """For picture grids: what it starts from and makes on its way, by title, (B, 3, S, S) each; "output" last."""
        raise NotImplementedError


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Without gradients and in evaluation mode: in training mode spectral and batch norm move with every look."""
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(was_training)
