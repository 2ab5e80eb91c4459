"""Spectral norm: torch's own in value, and in float32 whatever surrounds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from model.network.spectral import spectral_norm

LAYERS: list[Callable[[], Any]] = [lambda: nn.Conv2d(3, 5, 4), lambda: nn.ConvTranspose2d(3, 5, 4)]


@pytest.mark.parametrize("make", LAYERS)
def test_it_is_torchs_own(make: Callable[[], Any]) -> None:
    layers = []
    for normalise in (spectral_norm, parametrizations.spectral_norm):
        torch.manual_seed(0)
        layers.append(normalise(make()))
    ours, theirs = layers
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for _ in range(3):  # each look is a step of the power iteration
        torch.testing.assert_close(ours.weight, theirs.weight, rtol=0, atol=0)


def test_it_is_float32_under_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU autocast rounds a product of matrix and vector; on a CPU it does not, so look at the switch."""
    layer = spectral_norm(nn.Conv2d(3, 5, 4))
    rounding, product = [], torch.mv

    def watched(matrix: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
        rounding.append(torch.is_autocast_enabled("cpu"))
        return product(matrix, vector)

    monkeypatch.setattr(torch, "mv", watched)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.rand(1, 3, 8, 8)).dtype == torch.bfloat16
    assert rounding
    assert not any(rounding)
