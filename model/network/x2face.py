"""X2Face (Wiles et al. 2018): several images to one embedded face, and that to the pose of a driving image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.baseline_config import X2FaceConfig
from model.network.precision import at_least_float32
from model.network.question import Network, Question
from model.network.warp import warp_bilinear

SLOPE = 0.2
MOST_CHANNELS = 8  # times the base channels
CODE_CHANNELS = 2  # likewise: all that the driving network tells of its image
LEAST_WEIGHT = 0.1
"""Of a source's pixel in the embedded face, so that the sum of weights never vanishes."""


class X2FaceOutput(NamedTuple):
    """What X2Face makes on its way; all float32. N sources, S the images' side; fields in half sides of an image.

    Attributes:
        output: Î (B, 3, S, S) in [-1, 1].
        embedded: F (B, 3, S, S) in [-1, 1], the face that all sources are brought to.
        driving_field: (B, 2, S, S), from where in the embedded face each pixel of the output comes.
    """

    output: Tensor
    embedded: Tensor
    driving_field: Tensor


class X2Face(Network):
    """Both networks, at a work size of the smallest power of two that holds the images.

    Where that is larger than the images (256 for 224), the networks see enlarged images and only their fields are
    brought back: the pictures that pixels are sampled from are never resized.

    Args:
        config: `sources` 1 averages the sources plainly, 5 by the embedding network's confidence.
    """

    config: X2FaceConfig
    sees_target = True
    sources = 5

    def __init__(self, config: X2FaceConfig) -> None:
        super().__init__()
        self.config = config
        self.work_size = 1 << (config.image_size - 1).bit_length()
        b, halvings = config.base_channels, self.work_size.bit_length() - 1
        widths = [b * min(2**level, MOST_CHANNELS) for level in range(halvings)]
        self.embedding = Hourglass(widths, 3, skips=True)
        self.driving = Hourglass([*widths[:-1], b * CODE_CHANNELS], 2, skips=False)
        if config.identity_start:
            for network in (self.embedding, self.driving):
                nn.init.zeros_(network.last.weight)

    def forward(self, sources: Tensor, driving: Tensor, which: Tensor) -> X2FaceOutput:
        """Make images.

        Args:
            sources: (V, N, 3, S, S) in [-1, 1].
            driving: (B, 3, S, S), whose pose the results take.
            which: (B,) int64 in [0, V), the sources of each.
        """
        embedded = self.embed(sources)[which]
        field = self.drive(driving)
        return X2FaceOutput(_sampled(embedded, field), embedded, field)

    def embed(self, sources: Tensor) -> Tensor:
        """F (V, 3, S, S) of sources (V, N, 3, S, S): Σ w_i e_i / Σ w_i, or the plain mean of the e_i.

        e_i = sample(s_i, grid + tanh E(s_i)₁₂), w_i = exp E(s_i)₃ + 0.1.
        """
        images = sources.flatten(0, 1)
        response = at_least_float32(self.embedding(self._at_work_size(images)))
        size = sources.shape[-2:]
        moved = _sampled(images, _resized(response[:, :2].tanh(), size)).view(sources.shape)
        if self.config.sources == 1:
            return moved.mean(1)
        weights = _resized(response[:, 2:].exp() + LEAST_WEIGHT, size).view(*sources.shape[:2], 1, *size)
        return (weights * moved).sum(1) / weights.sum(1)

    def drive(self, images: Tensor) -> Tensor:
        """The driving field (B, 2, S, S) of images (B, 3, S, S): tanh of the network's tanh, at most 0.762."""
        response = at_least_float32(self.driving(self._at_work_size(images)))
        return _resized(response.tanh().tanh(), images.shape[-2:])

    def answer(self, question: Question) -> Tensor:
        """All five bank images brought to the target image's pose, (B, 3, S, S)."""
        return self._answer(question).output

    def columns(self, question: Question) -> dict[str, Tensor]:
        """The bank, the embedded face and the output, by title."""
        out = self._answer(question)
        bank = {f"bank {i + 1}": image for i, image in enumerate(question.bank.unbind(1))}
        return {**bank, "embedded face": out.embedded, "output": out.output}

    def _answer(self, question: Question) -> X2FaceOutput:
        if question.driving is None:
            raise ValueError("driving must be the target images, got None")
        every = torch.arange(len(question.bank), device=question.bank.device)
        out: X2FaceOutput = self(question.bank, question.driving, every)
        return out

    def _at_work_size(self, images: Tensor) -> Tensor:
        square = torch.Size((self.work_size, self.work_size))
        return _resized(images, square).contiguous(memory_format=torch.channels_last)


class Hourglass(nn.Module):
    """Halvings down to one pixel and doublings back up, with or without skips between equal sizes.

    Down: leaky ReLU (but not on the image), a 4×4 convolution of stride 2, batch norm (but not first and last). Up:
    ReLU, bilinear doubling, a 3×3 convolution, batch norm (but not last). No convolution has a bias.

    Args:
        widths: channels after each halving.
        outputs: channels of the result.
        skips: every doubling but the innermost also sees what the halving of its size gave.
    """

    def __init__(self, widths: Sequence[int], outputs: int, *, skips: bool) -> None:
        super().__init__()
        self.skips = skips
        inner = len(widths) - 1
        self.down = nn.ModuleList()
        for level, (before, after) in enumerate(pairwise([3, *widths])):
            norm = [_batch_norm(after)] if 0 < level < inner else []
            activation = [nn.LeakyReLU(SLOPE)] if level else []
            self.down.append(
                nn.Sequential(*activation, _begun(nn.Conv2d(before, after, 4, 2, padding=1, bias=False)), *norm)
            )
        self.up = nn.ModuleList()
        for level in range(inner, 0, -1):
            seen = widths[level] * (2 if skips and level < inner else 1)
            self.up.append(_Doubling(seen, widths[level - 1], _batch_norm(widths[level - 1])))
        self.up.append(_Doubling(widths[0] * (2 if skips else 1), outputs, nn.Identity()))

    @property
    def last(self) -> nn.Conv2d:
        """The outermost convolution."""
        outermost = self.up[-1]
        assert isinstance(outermost, _Doubling)
        return outermost.conv

    def encode(self, image: Tensor) -> list[Tensor]:
        """What each halving gives of images (B, 3, W, W); the last is (B, ·, 1, 1)."""
        found = []
        for halving in self.down:
            image = halving(image)
            found.append(image)
        return found

    def forward(self, image: Tensor) -> Tensor:
        """(B, outputs, W, W), not limited, from (B, 3, W, W)."""
        found = self.encode(image)
        x = found.pop()
        for place, doubling in enumerate(self.up):
            x = doubling(torch.cat((found.pop(), x), 1) if self.skips and place else x)
        return x


class _Doubling(nn.Module):
    def __init__(self, inputs: int, outputs: int, norm: nn.Module) -> None:
        super().__init__()
        self.conv = _begun(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        larger = F.interpolate(F.relu(x), scale_factor=2, mode="bilinear", align_corners=True)
        result: Tensor = self.norm(self.conv(larger))
        return result


def _begun(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.xavier_normal_(conv.weight)
    return conv


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    """With a scale near 1, as its authors begin it."""
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight, 1.0, 0.02)
    return norm


def _resized(maps: Tensor, size: torch.Size) -> Tensor:
    """Maps (B, C, H, W) at another size, corner pixels on corner pixels, as the fields' units have it."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=True)


def _sampled(images: Tensor, field: Tensor) -> Tensor:
    """Images (B, 3, H, W) sampled at each pixel's place plus a field (B, 2, H, W) in half sides, channels x and y."""
    height, width = images.shape[-2:]
    x, y = field.unbind(1)
    return warp_bilinear(images, torch.stack((x * ((width - 1) / 2), y * ((height - 1) / 2)), 1))
