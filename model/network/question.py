"""What evaluation asks of a network, and what a network is to it: one answer a question, whatever is inside."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from torch import Tensor


class Question(NamedTuple):
    """B target images to be made. All five bank images always come; a network takes those that it uses.

    Attributes:
        bank: (B, 5, 3, S, S) in [-1, 1], closed mouth to open.
        bank_landmarks: (B, 5, 68, 2) in pixels of these images, pixel centres at integers.
        target_landmarks: (B, 68, 2), likewise.
        driving: the target images themselves (B, 3, S, S), for a network that `sees_target`; else None.
    """

    bank: Tensor
    bank_landmarks: Tensor
    target_landmarks: Tensor
    driving: Tensor | None


class Network(Protocol):
    """A generator to evaluation and figures. All of them are torch modules besides."""

    @property
    def config(self) -> Any:
        """Its settings: `image_size`, `size`, `base_channels` and its own."""

    @property
    def sees_target(self) -> bool:
        """Whether it is driven by the target image itself and not by landmarks."""

    def answer(self, question: Question) -> Tensor:
        """The images (B, 3, S, S) in [-1, 1]."""

    def columns(self, question: Question) -> dict[str, Tensor]:
        """For picture grids: what it starts from and makes on its way, by title, (B, 3, S, S) each; "output" last."""
