"""LPIPS (Zhang et al. 2018) on VGG16, where its weights are at hand: nothing of it can be bundled."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import torch
from torch import Tensor

from model.network.perceptual import WIDTHS, PerceptualFeatures, load_perceptual
from model.network.published_weights import Weights, verified_weights
from model.pixels import from_levels
from pipeline.errors import InputError

STAGES = (*WIDTHS, (512, 512, 512))
"""LPIPS looks one stage deeper than the perceptual loss, to relu5_3."""
PACKAGE = "lpips"
LINEAR = Weights(
    what="LPIPS's linear weights",
    name="vgg.pth",
    url="https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/vgg.pth",
    sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    flag="--lpips-weights",
    without="leave LPIPS out",
)


class Lpips:
    """The distance of version 0.1 with VGG16: 0 for equal images, about 0.1 to 0.7 for visibly different ones.

    Args:
        device: where to compute.
        vgg_weights: `vgg16-397923af.pth`; None looks in `$TORCH_HOME/hub/checkpoints`.
        linear_weights: `vgg.pth` of the package `lpips` (7 kB); None looks into the package if it is installed.
        download: fetch VGG16 if it is not there.

    Raises:
        InputError: a file is missing or another one.
    """

    def __init__(
        self,
        device: torch.device,
        vgg_weights: Path | None = None,
        linear_weights: Path | None = None,
        download: bool = False,
    ) -> None:
        path = verified_weights(LINEAR, linear_weights or _packaged(), download=False)
        self._features: PerceptualFeatures = load_perceptual(vgg_weights, download, STAGES).to(device)
        self._linear = [weights.to(device) for weights in _read_linear(path)]

    @torch.inference_mode()
    def __call__(self, images: Tensor, targets: Tensor) -> Tensor:
        """(B,) distances of images (B, 3, H, W) in [0, 255], H and W at least 16."""
        seen, wanted = (self._features(from_levels(pixels)) for pixels in (images, targets))
        return lpips_distance(seen, wanted, self._linear)


def lpips_distance(first: list[Tensor], second: list[Tensor], linear: list[Tensor]) -> Tensor:
    """Σ_l mean over pixels of Σ_c w_lc (f̂_lc − ĝ_lc)², f̂ and ĝ scaled to unit length in every pixel.

    Args:
        first, second: features (B, C_l, H_l, W_l) of each layer l.
        linear: w_l (C_l,) of each layer.

    Returns:
        (B,).
    """
    total = torch.zeros(len(first[0]), device=first[0].device)
    for f, g, weights in zip(first, second, linear, strict=True):
        difference = (_unit(f) - _unit(g)).square() * weights[:, None, None]
        total = total + difference.sum(dim=1).mean(dim=(1, 2))
    return total


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


def _packaged() -> Path:
    """Where the package keeps them; it is located, never imported (importing it needs torchvision)."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"{LINEAR.what}: the package {PACKAGE} is not installed; pip install --no-deps {PACKAGE}, name its "
            f"weights/v0.1/vgg.pth with {LINEAR.flag}, or {LINEAR.without}"
        )
    return Path(spec.submodule_search_locations[0]) / "weights" / "v0.1" / "vgg.pth"


def _read_linear(path: Path) -> list[Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return [state[f"lin{stage}.model.1.weight"].flatten() for stage in range(len(STAGES))]
    except (pickle.UnpicklingError, RuntimeError, KeyError, EOFError) as error:
        raise InputError(f"{LINEAR.what} cannot be read: {path}; {LINEAR.without}") from error
