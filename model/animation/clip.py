"""A clip being made: the source's bank in the network, the driver's landmarks in batches, the result in a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.animation.driver import Driver, Timeline
from model.animation.source import SourceFace
from model.config import Size
from model.data.sampler import bank_choice
from model.data.to_device import resize_images, resize_landmarks, to_network_range
from model.network.generator import Generator, GeneratorOutput
from model.network.offsets import offset_field
from model.pictures import require_finite
from model.pixels import LEVELS_PER_UNIT
from model.trained import InferenceSettings
from pipeline.preparing.tracked_clip import Crop, crop_frames
from pipeline.shards import FRAME_SIZE

STORED = Size(FRAME_SIZE, FRAME_SIZE)


@dataclass(frozen=True)
class Bank:
    """A source as the network takes it, on its device.

    Attributes:
        images: (1, N, 3, H, W) in [-1, 1].
        landmarks: (1, N, 68, 2) in pixels of these images.
    """

    images: Tensor
    landmarks: Tensor


def make_bank(source: SourceFace, bank_size: int, size: Size, device: torch.device) -> Bank:
    """The source's images that a network of `bank_size` uses, at the size that is wanted."""
    choice = list(bank_choice(bank_size))
    images = resize_images(to_network_range(torch.from_numpy(source.images[choice]).to(device)), size)
    landmarks = torch.from_numpy(source.landmarks[choice]).to(device)
    return Bank(images[None], resize_landmarks(landmarks, STORED, size)[None])


@torch.inference_mode()
def animate(generator: Generator, bank: Bank, landmarks: Tensor, warp_margin_px: float | None) -> GeneratorOutput:
    """The source's face with each of some landmarks.

    Args:
        generator: on the device of `bank`.
        landmarks: (B, 68, 2) in pixels of the bank's images.
        warp_margin_px: M in pixels of a 224-pixel image; None is that of the training.
    """
    count = len(landmarks)
    bank_landmarks = bank.landmarks.expand(count, -1, -1, -1)
    field = offset_field(landmarks.to(bank.images.device), bank_landmarks, *bank.images.shape[-2:])
    out: GeneratorOutput = generator(bank.images.expand(count, -1, -1, -1, -1), field, warp_margin_px)
    return out


@dataclass
class Clip:
    """Everything that decides a result: iterate `batches` for its frames.

    Attributes:
        generator: the network.
        settings: how it is run.
        source, driver: who is shown, and what moves them.
        timeline: which driver frame each frame comes from.
        landmarks: (n, 68, 2) the driver's, fitted to the source, in pixels of a 224-pixel crop.
        frame_size: side of the crops that the network was trained on, pixels.
    """

    generator: Generator
    settings: InferenceSettings
    source: SourceFace
    driver: Driver
    timeline: Timeline
    landmarks: npt.NDArray[np.float32]
    frame_size: int = FRAME_SIZE

    @property
    def size(self) -> Size:
        """Of the result's images."""
        return self.settings.size_for(self.generator)

    def batches(self, size: int, crops: bool) -> Iterator[tuple[GeneratorOutput, Tensor, list[Crop] | None]]:
        """The result, some frames at a time; nothing but these frames is held in memory.

        Args:
            size: B, frames at once.
            crops: give the driver's crops as well, which decodes the driver once more.

        Yields:
            the network's output of B frames, their landmarks (B, 68, 2) in pixels of the network's images, and the
            driver's B crops where they are wanted and the driver is a video.
        """
        device = next(self.generator.parameters()).device
        bank = make_bank(self.source, self.generator.config.bank_size, self.size, device)
        faces = self.timeline.faces
        pictures = self._driver_crops() if crops and self.driver.transforms is not None else None
        for start in range(0, len(faces), size):
            points = torch.from_numpy(self.landmarks[faces[start : start + size]])
            points = resize_landmarks(points, STORED, self.size).to(device)
            batch = None if pictures is None else [next(pictures) for _ in range(len(points))]
            out = animate(self.generator, bank, points, self.settings.warp_margin_px)
            require_finite(out.output)
            yield out, points, batch

    def _driver_crops(self) -> Iterator[Crop]:
        """As a dataset holds them, so that what is measured against them is what evaluation measures."""
        assert self.driver.transforms is not None
        transforms = self.driver.transforms[self.timeline.faces]
        return crop_frames(self.driver.path, self.timeline.places.tolist(), transforms, self.frame_size)


class Reconstruction:
    """The L1 of a result against its driver's own frames: the figure of `model.evaluate` when they are one speaker."""

    def __init__(self) -> None:
        self._sum, self._frames = 0.0, 0

    def update(self, out: GeneratorOutput, crops: Sequence[Crop]) -> None:
        """Take in the output of some frames and the driver's crops of them."""
        truth = to_network_range(torch.from_numpy(np.stack(crops)).to(out.output.device))
        error = (out.output - resize_images(truth, Size(*out.output.shape[-2:]))).abs().mean((1, 2, 3))
        self._sum += float(error.double().sum()) * LEVELS_PER_UNIT
        self._frames += len(crops)

    @property
    def l1(self) -> float:
        """Mean absolute difference in 0-255 units."""
        return self._sum / self._frames
