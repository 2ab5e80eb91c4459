"""The generator: one master network, and four heads that make the warping stream, the appearance stream and V."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import PAPER_IMAGE_SIZE, ModelConfig
from model.network.guide import landmark_guide
from model.network.master import MasterNetwork
from model.network.offsets import offset_field
from model.network.precision import at_least_float32
from model.network.question import Network, Question
from model.network.spectral import normalised_conv
from model.network.warp import warp_bilinear

BANK_CHANNELS = 5
"""Of one bank image in the input: its colours (3) and its offset field (2)."""
HEAD_KERNEL = 7
"""GANimation's; the paper says only that each head is one convolution."""


class GeneratorOutput(NamedTuple):
    """What the generator makes; all float32.

    Attributes:
        output: I_o (B, 3, H, W) in [-1, 1].
        warped: I_w (B, 3, H, W) in [-1, 1]; zeros without the warping stream.
        appearance: I_a (B, 3, H, W) in [-1, 1]; zeros without the appearance stream.
        merge_mask: V (B, 1, H, W) in [0, 1]; 1 selects the *warped* image.
        selection_masks: M_w (B, N, 1, H, W), non-negative, summing to one over N.
        warp_fields: W_w (B, N, 2, H, W) in [-1, 1], in units of M, channels x and y.
    """

    output: Tensor
    warped: Tensor
    appearance: Tensor
    merge_mask: Tensor
    selection_masks: Tensor
    warp_fields: Tensor


def warped_image(
    bank: Tensor, selection_masks: Tensor, warp_fields: Tensor, margin_px: float | tuple[float, float]
) -> Tensor:
    """I_w = Σ_i M_w,i ⊙ φ(I_s,i, M · W_w,i) (Eq. 4).

    Args:
        bank: I_s (B, N, 3, H, W).
        selection_masks: M_w (B, N, 1, H, W).
        warp_fields: W_w (B, N, 2, H, W) in [-1, 1].
        margin_px: M in pixels of these images, one number or one along x and one along y.

    Returns:
        (B, 3, H, W).
    """
    along_x, along_y = margin_px if isinstance(margin_px, tuple) else (margin_px, margin_px)
    x, y = warp_fields.flatten(0, 1).unbind(1)
    candidates = warp_bilinear(bank.flatten(0, 1), torch.stack((x * along_x, y * along_y), 1))
    return (selection_masks * candidates.view(bank.shape)).sum(dim=1)


def merge(warped: Tensor, appearance: Tensor, merge_mask: Tensor) -> Tensor:
    """I_o = V ⊙ I_w + (1 − V) ⊙ I_a (Eq. 7); V = 1 takes the warped image.

    Args:
        warped, appearance: (B, 3, H, W).
        merge_mask: V (B, 1, H, W) in [0, 1].
    """
    return merge_mask * warped + (1 - merge_mask) * appearance


def _head(config: ModelConfig, outputs: int) -> nn.Module:
    """One of E_wm, E_ww, E_a, E_V: a convolution with spectral norm."""
    conv = nn.Conv2d(config.base_channels, outputs, HEAD_KERNEL, padding=HEAD_KERNEL // 2)
    return normalised_conv(conv, config.initialisation)


class Generator(Network):
    """Eqs. 1-7: bank images and their offset fields in, the target image out, at any size of sides that 4 divides.

    Args:
        config: `streams` other than "both" leaves the other stream's heads out and fixes V.
    """

    config: ModelConfig
    options = frozenset({"warp_margin_px"})

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        normalise = partial(normalised_conv, initialisation=config.initialisation)
        self.master = MasterNetwork(config.bank_size * BANK_CHANNELS, config.base_channels, normalise)
        warp_heads = {"selection": config.bank_size, "warp": 2 * config.bank_size}
        channels: dict[str, int] = {
            "both": {**warp_heads, "appearance": 3, "merge": 1},
            "warp": warp_heads,
            "appearance": {"appearance": 3},
        }[config.streams]
        # How much of its own answer a guided head adds to the guide's: nothing at first.
        guided = ("selection", "warp") if config.guide == "landmarks" and "warp" in channels else ()
        self.own_share = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in guided})
        self.heads = nn.ModuleDict({name: _head(config, outputs) for name, outputs in channels.items()})

    def forward(self, bank: Tensor, field: Tensor, warp_margin_px: float | None = None) -> GeneratorOutput:
        """Make the target images.

        M_w is a softmax over the bank of E_wm(I_f) (Eq. 2), W_w = tanh E_ww(I_f) (Eq. 3; the tanh keeps it in the
        printed [-1, 1]), I_a = tanh E_a(I_f) (Eq. 5; the range of images), V = sigmoid E_V(I_f) (Eq. 6).

        Args:
            bank: I_s (B, N, 3, H, W) in [-1, 1].
            field: ΔF_s (B, N, 2, H, W) in pixels of a 224-pixel image.
            warp_margin_px: M in pixels of a 224-pixel image, which scales the warp and nothing else; None is the
                configuration's.
        """
        batch, size, _, height, width = bank.shape
        margin = self.config.warp_margin_px if warp_margin_px is None else warp_margin_px
        margin_px = (margin * width / PAPER_IMAGE_SIZE, margin * height / PAPER_IMAGE_SIZE)
        zeros = bank.new_zeros((batch, 3, height, width))
        heads = self._head_responses(self.features(bank, field))
        if self.own_share:
            guide = landmark_guide(field, self.config.warp_margin_px)._asdict()
            heads |= {name: share * heads[name] + guide[name] for name, share in self.own_share.items()}
        if "warp" in heads:
            selection_masks = heads["selection"].softmax(dim=1).view(batch, size, 1, height, width)
            warp_fields = heads["warp"].tanh().view(batch, size, 2, height, width)
            warped = warped_image(bank, selection_masks, warp_fields, margin_px)
        else:
            selection_masks = bank.new_full((batch, size, 1, height, width), 1 / size)
            warp_fields, warped = torch.zeros_like(field), zeros
        appearance = heads["appearance"].tanh() if "appearance" in heads else zeros
        fixed_mask = bank.new_full((batch, 1, height, width), 1.0 if "warp" in heads else 0.0)
        merge_mask = heads["merge"].sigmoid() if "merge" in heads else fixed_mask
        output = merge(warped, appearance, merge_mask)
        return GeneratorOutput(output, warped, appearance, merge_mask, selection_masks, warp_fields)

    @property
    def sources(self) -> int:
        """N."""
        return self.config.bank_size

    def answer(self, question: Question, warp_margin_px: float | None = None) -> Tensor:
        """I_o for the first `bank_size` bank images and the target's landmarks, (B, 3, H, W).

        Args:
            question: its target picture is not looked at.
            warp_margin_px: another M than the configuration's, see `forward`.
        """
        return self.forward(*self._inputs(question), warp_margin_px).output

    def columns(self, question: Question, warp_margin_px: float | None = None) -> dict[str, Tensor]:
        """Bank images closed to open, both streams, V as grey (white where the warped image is taken) and I_o."""
        bank, field = self._inputs(question)
        out = self.forward(bank, field, warp_margin_px)
        columns = {f"bank {i + 1}": image for i, image in enumerate(bank.unbind(1))}
        mask = (2 * out.merge_mask - 1).expand(-1, 3, -1, -1)
        insides = {"warped": out.warped, "appearance": out.appearance, "merge mask V": mask}
        return {**columns, **insides, "output": out.output}

    def _inputs(self, question: Question) -> tuple[Tensor, Tensor]:
        """Bank and field: its first 1, its first 3 or all 5 images ("Ablation study")."""
        bank, landmarks = (values[:, : self.config.bank_size] for values in (question.bank, question.bank_landmarks))
        return bank, offset_field(question.target_landmarks, landmarks, *bank.shape[-2:])

    def features(self, bank: Tensor, field: Tensor) -> Tensor:
        """I_f = E(I_s, ΔF_s) (Eq. 1), (B, base_channels, H, W); the N images lie side by side in the channels."""
        images = torch.cat((bank, field), dim=2).flatten(1, 2)
        features: Tensor = self.master(images.contiguous(memory_format=torch.channels_last))
        return features

    def _head_responses(self, features: Tensor) -> dict[str, Tensor]:
        """The linear responses of E_wm, E_ww, E_a and E_V, (B, ·, H, W) float32.

        One convolution computes them all: alone, each head has too few channels to be worth a pass over the
        features (half the time of four passes on a CPU).
        """
        heads = {name: cast(nn.Conv2d, head) for name, head in self.heads.items()}
        weight = torch.cat([head.weight for head in heads.values()])
        bias = torch.cat([cast(Tensor, head.bias) for head in heads.values()])
        responses = at_least_float32(F.conv2d(features, weight, bias, padding=HEAD_KERNEL // 2))
        channels = [head.out_channels for head in heads.values()]
        return dict(zip(heads, torch.split(responses, channels, dim=1), strict=True))
