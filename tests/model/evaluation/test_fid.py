"""FID: the distance against a second implementation on random features, and the Inception file's checks."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model.evaluation import fid
from model.evaluation.fid import InceptionFeatures, Moments, frechet_distance
from pipeline.errors import InputError

CPU = torch.device("cpu")


def moments(features: np.ndarray) -> Moments:
    """Fed in three batches."""
    found = Moments(features.shape[1])
    for part in np.array_split(features, 3):
        found.update(torch.from_numpy(part))
    return found


def second_fid(a: np.ndarray, b: np.ndarray) -> float:
    """As it is usually written: NumPy's covariance, and the eigenvalues of the plain, unsymmetric product."""
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(covariance_a @ covariance_b).astype(complex)).real
    shift = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return float(shift + np.trace(covariance_a) + np.trace(covariance_b) - 2 * roots.sum())


@pytest.mark.parametrize(("count_a", "count_b"), [(400, 300), (20, 15)])
def test_the_distance_is_that_of_a_second_implementation(count_a: int, count_b: int) -> None:
    """With more and with fewer vectors than features: then the covariances are singular."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(40, 40))
    a = rng.normal(size=(count_a, 40)) @ mixing + 3
    b = rng.normal(1, 2, size=(count_b, 40)) @ mixing.T
    assert frechet_distance(moments(a), moments(b)) == pytest.approx(second_fid(a, b), rel=1e-5)


def test_the_distance_in_cases_known_by_hand() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(50, 6))
    assert frechet_distance(moments(a), moments(a)) == pytest.approx(0, abs=1e-6)
    shift = np.arange(6.0)
    assert frechet_distance(moments(a), moments(a + shift)) == pytest.approx((shift**2).sum())
    tripled = 3 * (a - a.mean(0)) + a.mean(0)  # (3 - 1)² times the variance
    assert frechet_distance(moments(a), moments(tripled)) == pytest.approx(4 * np.trace(np.cov(a, rowvar=False)))
    one = Moments(6)
    one.update(torch.ones(1, 6))
    with pytest.raises(ValueError, match="two vectors in each set, got 1 and 50"):
        frechet_distance(one, moments(a))


def test_moments_add_up() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(30, 5)).astype(np.float32), rng.normal(2, size=(9, 5)).astype(np.float32)
    both = moments(a).merged(moments(b))
    together = np.concatenate((a, b))
    assert both.count == 39
    assert both.mean.numpy() == pytest.approx(together.mean(0), rel=1e-6)
    assert both.covariance.numpy() == pytest.approx(np.cov(together, rowvar=False), rel=1e-6)


class Tiny(torch.nn.Module):
    """Stands for Inception: the features are the mean colours of 8-bit images."""

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        assert images.dtype == torch.uint8
        assert return_features
        return images.double().mean(dim=(2, 3))


@pytest.fixture
def tiny_inception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its TorchScript at the usual place, with its hash accepted."""
    path = tmp_path / "hub" / "checkpoints" / fid.INCEPTION.name
    path.parent.mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(Tiny()).save(str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(fid, "INCEPTION", replace(fid.INCEPTION, sha256=digest))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return path


def test_images_reach_the_network_as_eight_bits(tiny_inception: Path) -> None:
    images = torch.full((2, 3, 4, 4), 99.6)
    images[1] = 300.0
    for network in (InceptionFeatures(CPU), InceptionFeatures(CPU, tiny_inception)):
        features = network(images)
        assert features.dtype == torch.float32
        assert features.tolist() == [[100.0] * 3, [255.0] * 3]


def test_another_file_is_never_run(tiny_inception: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_inception.write_bytes(tiny_inception.read_bytes() + b"x")
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(InputError, match=r"Inception weights must have the sha256 .* leave --fid out"):
        InceptionFeatures(CPU)


def test_the_published_hash_is_demanded(tmp_path: Path) -> None:
    path = tmp_path / "inception.pt"
    path.write_bytes(b"broken")
    with pytest.raises(InputError, match="the sha256 f58cb9b6ec323ed63459aa4fb441fe75"):
        InceptionFeatures(CPU, path)


def test_without_the_file_one_line_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(InputError) as caught:
        InceptionFeatures(CPU)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(tmp_path), "no route", fid.INCEPTION.url, "--inception-weights", "leave --fid out"):
        assert part in message
    with pytest.raises(InputError, match=r"Inception weights not found: .*gone\.pt; leave --fid out"):
        InceptionFeatures(CPU, tmp_path / "gone.pt")
