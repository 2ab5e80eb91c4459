"""The discriminator: shape of its scores, one score a patch, spectral norm."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from model.network.discriminator import Discriminator


@pytest.mark.parametrize(("size", "patches"), [(224, 14), (64, 4), (32, 2)])
def test_one_score_for_sixteen_pixels(size: int, patches: int) -> None:
    scores = Discriminator(base_channels=2)(torch.zeros(1, 3, size, size))
    assert scores.shape == (1, 1, patches, patches)


def test_a_score_depends_on_its_own_patch_only() -> None:
    torch.manual_seed(0)
    network = Discriminator(base_channels=2).eval()
    image = torch.zeros(1, 3, 224, 224)
    changed = image.clone()
    changed[..., :16, :16] = 1.0
    difference = (network(changed) - network(image)).detach()[0, 0]
    assert difference[0, 0] != 0
    assert not difference[6:, 6:].any()


def test_every_convolution_has_spectral_norm_one() -> None:
    torch.manual_seed(0)
    network = Discriminator(base_channels=8)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 5
    for conv in convolutions:
        norm = torch.linalg.matrix_norm(conv.weight.flatten(1), ord=2)
        assert norm.item() == pytest.approx(1.0, abs=0.05)


def test_the_papers_size() -> None:
    assert (
        sum(p.numel() for p in Discriminator().parameters()) == 2_761_152
    )  # GANimation's output convolution has no bias


def test_the_slope_is_ganimations() -> None:
    assert {m.negative_slope for m in Discriminator(2).modules() if isinstance(m, nn.LeakyReLU)} == {0.01}
