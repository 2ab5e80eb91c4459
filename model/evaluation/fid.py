"""The Fréchet Inception distance of Table 1: features of Inception v3, and the distance between two sets of them."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from model.network.published_weights import Weights, verified_weights

INCEPTION = Weights(
    what="Inception weights",
    name="inception-2015-12-05.pt",
    url="https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    flag="--inception-weights",
    without="leave --fid out",
)
FEATURES = 2048


class InceptionFeatures:
    """The 2048 features before the last layer of Inception v3, in the TorchScript that StyleGAN2-ADA measures with.

    It resizes images to 299 pixels itself, as the network of the original FID does.

    Args:
        weights: the file `inception-2015-12-05.pt`; None looks in `$TORCH_HOME/hub/checkpoints`.
        download: fetch the file into that folder if it is not there.

    Raises:
        InputError: the file is missing and cannot be fetched, or is not the published one.
    """

    def __init__(self, device: torch.device, weights: Path | None = None, download: bool = True) -> None:
        # TorchScript is a program: it is loaded only if it is the published one, byte for byte.
        path = verified_weights(INCEPTION, weights, download)
        with warnings.catch_warnings():  # torch would rather have torch.export's files, but this one is TorchScript
            warnings.simplefilter("ignore", DeprecationWarning)
            network: nn.Module = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call, unused-ignore]
        self._network = network.eval()
        self._device = device

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Features (B, 2048) float32 of images (B, 3, H, W) in [0, 255], which are rounded to 8 bits first."""
        pixels = images.round().clamp(0, 255).to(self._device, torch.uint8)
        features: Tensor = self._network(pixels, return_features=True)
        return features.float()


class Moments:
    """Mean and covariance of feature vectors that come in batches, in double precision.

    Args:
        size: D, features of a vector.
    """

    def __init__(self, size: int = FEATURES) -> None:
        self.count = 0
        self._sum = torch.zeros(size, dtype=torch.float64)
        self._products = torch.zeros(size, size, dtype=torch.float64)

    def update(self, features: Tensor) -> None:
        """Take in vectors (B, D)."""
        values = features.detach().to("cpu", torch.float64)
        self.count += len(values)
        self._sum += values.sum(dim=0)
        self._products += values.T @ values

    def merged(self, other: Moments) -> Moments:
        """Those of both sets together."""
        both = Moments(len(self._sum))
        both.count = self.count + other.count
        both._sum = self._sum + other._sum
        both._products = self._products + other._products
        return both

    @property
    def mean(self) -> Tensor:
        """(D,) float64."""
        return self._sum / self.count

    @property
    def covariance(self) -> Tensor:
        """(D, D) float64, unbiased (over n − 1), as the original FID's."""
        centred = self._products - torch.outer(self._sum, self._sum) / self.count
        return centred / (self.count - 1)


def frechet_distance(a: Moments, b: Moments) -> float:
    """|μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½), the squared Fréchet distance of two normal distributions.

    Σ_a Σ_b has the eigenvalues of the symmetric Σ_a^½ Σ_b Σ_a^½, so the trace of its root is the sum of their roots;
    that is sound for the singular covariances of fewer images than features, too.

    Raises:
        ValueError: fewer than two vectors in a set.
    """
    if min(a.count, b.count) < 2:
        raise ValueError(f"a Fréchet distance needs two vectors in each set, got {a.count} and {b.count}")
    covariance_a, covariance_b = a.covariance, b.covariance
    values, vectors = torch.linalg.eigh(covariance_a)
    root_a = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    between = torch.linalg.eigvalsh(root_a @ covariance_b @ root_a)
    spread = covariance_a.trace() + covariance_b.trace() - 2 * between.clamp(min=0).sqrt().sum()
    return float((a.mean - b.mean).square().sum() + spread)
