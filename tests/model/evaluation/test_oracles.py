"""PSNR, SSIM and the arithmetic of FID against torchmetrics, which computes them by other people's code.

Its FID takes the features of a network that it is given; with one of its own it would want torchvision.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from model.evaluation.fid import Moments, frechet_distance
from model.evaluation.psnr_ssim import psnr, ssim

image_metrics = pytest.importorskip(
    "torchmetrics.functional.image", reason="torchmetrics, the oracle, is not installed: pip install -e '.[dev]'"
)


@pytest.fixture(scope="module")
def pairs() -> tuple[Tensor, Tensor]:
    """Six images (6, 3, 37, 52) in [0, 255] and what they should be, from nearly alike to unlike."""
    rng = torch.Generator().manual_seed(5)
    coarse = torch.rand((6, 3, 5, 7), generator=rng, dtype=torch.float64) * 255
    targets = nn.functional.interpolate(coarse, (37, 52), mode="bilinear")
    strength = torch.tensor([0.5, 3, 10, 30, 80, 200])[:, None, None, None]
    noise = torch.randn(targets.shape, generator=rng, dtype=torch.float64)
    return (targets + strength * noise).clamp(0, 255), targets


def test_psnr_is_that_of_torchmetrics(pairs: tuple[Tensor, Tensor]) -> None:
    expected = image_metrics.peak_signal_noise_ratio(*pairs, data_range=255.0, dim=(1, 2, 3), reduction="none")
    assert psnr(*pairs).tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    assert float(expected.min()) < 10 < 50 < float(expected.max())


def test_ssim_is_that_of_torchmetrics(pairs: tuple[Tensor, Tensor]) -> None:
    """In the whole windows, as in the original: torchmetrics has windows over the edge as well, on mirrored pixels."""
    _, values = image_metrics.structural_similarity_index_measure(
        *pairs, sigma=1.5, kernel_size=11, data_range=255.0, reduction="none", return_full_image=True
    )
    expected = values[..., 5:-5, 5:-5].mean((1, 2, 3))
    assert ssim(*pairs).tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    assert float(expected.min()) < 0.1 < 0.99 < float(expected.max())


class Pixels(nn.Module):
    """Stands for Inception: the features of a picture are its pixels."""

    num_features = 48

    def forward(self, images: Tensor) -> Tensor:
        return images.double().flatten(1)


@pytest.mark.parametrize(("real", "made"), [(300, 200), (30, 20)], ids=["many", "fewer than features"])
def test_the_frechet_distance_is_that_of_torchmetrics(real: int, made: int) -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance

    rng = torch.Generator().manual_seed(6)
    theirs = FrechetInceptionDistance(feature=Pixels()).set_dtype(torch.float64)
    ours = []
    for count, low, high in ((real, 0, 200), (made, 60, 256)):
        images = torch.randint(low, high, (count, 3, 4, 4), generator=rng, dtype=torch.uint8)
        theirs.update(images, real=not ours)
        ours.append(Moments(48))
        ours[-1].update(Pixels()(images))
    expected = float(theirs.compute())
    assert expected > 1000
    assert frechet_distance(*ours) == pytest.approx(expected, rel=1e-6)
