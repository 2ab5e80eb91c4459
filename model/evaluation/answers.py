"""Who answers evaluation's questions: a network, or ready pictures that any other program has made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from model.config import Size
from model.data.to_device import resize_images, to_network_range
from model.network.question import Network, Question, evaluating
from model.trained import InferenceSettings
from pipeline.errors import InputError
from pipeline.pictures import open_picture


class Answerer(Protocol):
    """Has images for questions."""

    @property
    def size(self) -> Size:
        """Of the images that are asked for and compared."""

    @property
    def sees_target(self) -> bool | None:
        """Whether it is to be shown the target images; None where it has made its answers elsewhere."""

    @property
    def device(self) -> torch.device:
        """Where it wants its questions."""

    @property
    def warp_margin_px(self) -> float | None:
        """M, where it warps with one, in pixels of a 224-pixel image."""

    def ready(self) -> AbstractContextManager[None]:
        """To be entered while it is asked."""

    def answer(self, question: Question) -> Tensor:
        """The images (B, 3, *size) in [-1, 1], on its device."""

    def columns(self, question: Question) -> dict[str, Tensor]:
        """For picture grids: what it starts from, what it makes on its way, "output" last."""


@dataclass(frozen=True)
class NetworkAnswers:
    """A network's, made on the spot.

    Attributes:
        network: on the device to compute on.
        inference: how it is run.
    """

    network: Network
    inference: InferenceSettings

    @property
    def size(self) -> Size:
        """As in training, or another."""
        return self.inference.size_for(self.network)

    @property
    def sees_target(self) -> bool:
        """Whether the network reads motion from the target image, as X2Face does."""
        return self.network.sees_target

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        return next(self.network.parameters()).device

    @property
    def warp_margin_px(self) -> float | None:
        """The network's, or another."""
        margin: float | None = getattr(self.network.config, "warp_margin_px", None)
        return margin and (self.inference.warp_margin_px or margin)

    def ready(self) -> AbstractContextManager[None]:
        """In evaluation mode."""
        return evaluating(self.network)

    def answer(self, question: Question) -> Tensor:
        """What the network makes."""
        return self.network.answer(question, **self.inference.options_for(self.network))

    def columns(self, question: Question) -> dict[str, Tensor]:
        """What the network makes, step by step."""
        return self.network.columns(question, **self.inference.options_for(self.network))


@dataclass(frozen=True)
class ReadyAnswers:
    """Pictures in a folder, one PNG a test frame at `frame_name`.

    Attributes:
        folder: that holds them.
        size: that they are compared at; others are brought to it.
        resized: the sizes of those that were.
    """

    folder: Path
    size: Size
    resized: set[Size] = field(default_factory=set)
    sees_target = None
    warp_margin_px = None
    device = torch.device("cpu")

    @contextmanager
    def ready(self) -> Iterator[None]:
        """At once."""
        with torch.no_grad():
            yield

    def answer(self, question: Question) -> Tensor:
        """The pictures of the named frames.

        Raises:
            InputError: one is missing or no picture.
        """
        return torch.cat([self._read(name) for name in question.names])

    def columns(self, question: Question) -> dict[str, Tensor]:
        """The bank and the pictures."""
        bank = {f"bank {i + 1}": image for i, image in enumerate(question.bank.unbind(1))}
        return {**bank, "output": self.answer(question)}

    def _read(self, name: str) -> Tensor:
        path = self.folder / name
        try:
            pixels = torch.from_numpy(np.array(open_picture(path)))
        except FileNotFoundError:
            raise InputError(
                f"{path}: there is no answer to this frame; --write-questions lists them all (with the --split and "
                "--stride of this command)"
            ) from None
        found = Size(*pixels.shape[:2])
        if found != self.size:
            self.resized.add(found)
        return resize_images(to_network_range(pixels[None]), self.size)


def frame_name(video_id: str, number: int) -> str:
    """Where the answer to a test frame lies below the folder of answers: "<video's id>/<frame, six digits>.png".

    Args:
        video_id: its path below the corpus's root, with its extension.
        number: of the frame in the source video, from 0.
    """
    return f"{video_id}/{number:06d}.png"
