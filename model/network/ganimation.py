"""GANimation (Pumarola et al. 2018), driven by landmarks: a generator of attention and colour, and a critic."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.baseline_config import GanimationConfig, SourceChoice
from model.config import Size
from model.network.condition import CONDITION_SIZE, LandmarkCondition
from model.network.discriminator import NEGATIVE_SLOPE
from model.network.master import MasterNetwork
from model.network.nearest import nearest_landmarks
from model.network.offsets import offset_field
from model.network.precision import at_least_float32
from model.network.question import Network, Question
from model.network.spectral import begun_anew

IMAGE_CHANNELS, FIELD_CHANNELS = 3, 2
HEAD_KERNEL = FIRST_KERNEL = 7
MOST_CRITIC_LAYERS = 6


class GanimationOutput(NamedTuple):
    """What the generator makes of an image; all float32.

    Attributes:
        output: Î (B, 3, H, W) in [-1, 1].
        colour: C (B, 3, H, W) in [-1, 1].
        attention: A (B, 1, H, W) in [0, 1]; 1 keeps the input's pixel.
    """

    output: Tensor
    colour: Tensor
    attention: Tensor


def merge(image: Tensor, colour: Tensor, attention: Tensor) -> Tensor:
    """Î = A ⊙ x + (1 − A) ⊙ C (Eq. 1 of the paper's second version; its first printed the opposite).

    Args:
        image, colour: (B, 3, H, W).
        attention: A (B, 1, H, W) in [0, 1].
    """
    return attention * image + (1 - attention) * colour


class GanimationGenerator(Network):
    """G(x, c) → A, C. No convolution has a bias, heads included, and none has spectral norm, which is FLNet's.

    Args:
        config: `condition_form` says in what form the landmarks come.
    """

    config: GanimationConfig
    options = frozenset({"source"})
    sources = 1

    def __init__(self, config: GanimationConfig) -> None:
        super().__init__()
        self.config = config
        self.condition = LandmarkCondition()
        told = CONDITION_SIZE if config.condition_form == "tiles" else FIELD_CHANNELS
        self.master = MasterNetwork(IMAGE_CHANNELS + told, config.base_channels, begun_anew)
        # Colour and attention are one convolution: alone, each has too few channels to be worth a pass.
        self.heads = begun_anew(nn.Conv2d(config.base_channels, 4, HEAD_KERNEL, padding=HEAD_KERNEL // 2, bias=False))

    def forward(self, image: Tensor, own: Tensor, desired: Tensor) -> GanimationOutput:
        """Move the face in an image.

        Args:
            image: x (B, 3, S, S) in [-1, 1].
            own: (B, 68, 2), its landmarks in pixels; used by the field alone.
            desired: (B, 68, 2), those that it is to have.
        """
        if self.config.condition_form == "tiles":
            response = self.first_response(image, self.condition(desired, Size(*image.shape[-2:])))
            features = self.master.from_first(response)
        else:
            field = offset_field(desired, own[:, None], *image.shape[-2:])[:, 0]
            features = self.master(torch.cat((image, field), 1).contiguous(memory_format=torch.channels_last))
        colour, attention = torch.split(at_least_float32(self.heads(features)), [3, 1], 1)
        colour, attention = colour.tanh(), attention.sigmoid()
        return GanimationOutput(merge(image, colour, attention), colour, attention)

    def first_response(self, image: Tensor, condition: Tensor) -> Tensor:
        """The first convolution's response (B, base_channels, S, S) to the image and the condition at every pixel.

        That is W_x ∗ x + W_c ∗ tile(c), and with zero padding of 3 the second part has but 7 × 7 different values: one
        for each distance of 0, 1, 2, or 3 and more from a border. They are computed on a tile of 7 × 7 and spread out,
        where 136 more input channels at every pixel would take 43 % of the whole network's operations.

        Args:
            image: (B, 3, S, S), S at least 7.
            condition: (B, 136).
        """
        weight = self.master.layers[0].weight
        assert isinstance(weight, Tensor)
        pad = FIRST_KERNEL // 2
        from_image = F.conv2d(image, weight[:, :IMAGE_CHANNELS], padding=pad)
        tile = condition.to(image.dtype)[:, :, None, None].expand(-1, -1, FIRST_KERNEL, FIRST_KERNEL)
        values = F.conv2d(tile, weight[:, IMAGE_CHANNELS:], padding=pad)
        rows, columns = (_places(side, image.device) for side in image.shape[-2:])
        return from_image + values[:, :, rows][:, :, :, columns]

    def answer(self, question: Question, source: SourceChoice | None = None) -> Tensor:
        """The identity image brought to the target's landmarks, (B, 3, S, S).

        Args:
            question: its target picture is not looked at.
            source: another choice of the identity image than the configuration's.
        """
        return self._answer(question, source)[1].output

    def columns(self, question: Question, source: SourceChoice | None = None) -> dict[str, Tensor]:
        """Identity image, colour, attention (white keeps the image) and output, by title."""
        image, out = self._answer(question, source)
        attention = (2 * out.attention - 1).expand(-1, 3, -1, -1)
        return {"identity": image, "colour C": out.colour, "attention A": attention, "output": out.output}

    def _answer(self, question: Question, source: SourceChoice | None) -> tuple[Tensor, GanimationOutput]:
        every = torch.arange(len(question.bank), device=question.bank.device)
        choice = torch.zeros_like(every)
        if (source or self.config.source) == "nearest":
            choice = nearest_landmarks(question.target_landmarks, question.bank_landmarks)
        image = question.bank[every, choice]
        return image, self(image, question.bank_landmarks[every, choice], question.target_landmarks)


def _places(side: int, device: torch.device) -> Tensor:
    """(side,): which of 7 tile rows each image row is like: 0, 1, 2, 3, 3, …, 3, 4, 5, 6."""
    middle = FIRST_KERNEL // 2
    row = torch.arange(side, device=device)
    return torch.minimum(row, torch.full_like(row, middle)) + (row - (side - 1 - middle)).clamp(min=0)


class CriticOutput(NamedTuple):
    """What the critic says of images.

    Attributes:
        scores: S_d (B, 1, h, h), higher where a patch looks more real; unbounded.
        condition: R_d (B, 136), the landmarks' condition that it reads from the image.
    """

    scores: Tensor
    condition: Tensor


class GanimationCritic(nn.Module):
    """D: stride-2 convolutions down to 2 or 3 pixels a side without any norm, then a score head and a regression head.

    Args:
        config: `image_size` decides the number of layers: 6 at 128 and 224, one fewer for each halving below 128.
    """

    def __init__(self, config: GanimationConfig) -> None:
        super().__init__()
        count = critic_layers(config.image_size)
        widths = [IMAGE_CHANNELS, *(config.base_channels * 2**i for i in range(count))]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [begun_anew(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)), nn.LeakyReLU(NEGATIVE_SLOPE)]
        self.layers = nn.Sequential(*layers)
        side = config.image_size // 2**count
        self.scores = begun_anew(nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False))
        self.regression = begun_anew(nn.Conv2d(widths[-1], CONDITION_SIZE, side, bias=False))

    def forward(self, image: Tensor) -> CriticOutput:
        """What it says of images (B, 3, S, S) in [-1, 1], S as configured."""
        features = self.layers(image)
        return CriticOutput(self.scores(features), self.regression(features).flatten(1))


def critic_layers(image_size: int) -> int:
    """How often the critic halves its images: min(6, ⌊log₂ S⌋ − 1)."""
    return min(MOST_CRITIC_LAYERS, image_size.bit_length() - 2)
