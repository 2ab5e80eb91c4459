"""VGG16: its architecture against a plain reading of the paper, and every way its weights can be missing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.network import perceptual
from model.network.perceptual import PerceptualFeatures, load_perceptual
from pipeline.errors import InputError

CONVOLUTIONS = {
    0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256), 14: (256, 256),
    17: (512, 256), 19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512),
}  # fmt: skip
"""Index in torchvision's `features` → output and input channels."""


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """A state dict with torchvision's names and shapes of the convolutions, and one of the classifier's."""
    random = torch.Generator().manual_seed(0)
    found = {"classifier.6.bias": torch.zeros(1000)}
    for index, (outputs, inputs) in CONVOLUTIONS.items():
        found[f"features.{index}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=random) / inputs**0.5 / 3
        found[f"features.{index}.bias"] = torch.randn(outputs, generator=random) / 10
    return found


@pytest.fixture(scope="module")
def weights(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    torch.save(state, path)
    return path


@pytest.fixture
def accept_any_hash(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.setattr(perceptual, "VGG16_SHA256", digest)


@pytest.mark.usefixtures("accept_any_hash")
def test_features_follow_the_published_layers(state: dict[str, Tensor], weights: Path) -> None:
    image = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(1)) * 2 - 1
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = ((image + 1) / 2 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    expected = []
    for stage in ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21)):
        for index in stage:
            x = F.relu(F.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1))
        expected.append(x)
        x = F.max_pool2d(x, 2)
    found = load_perceptual(weights)(image)
    assert [tuple(f.shape[1:]) for f in found] == [(64, 16, 24), (128, 8, 12), (256, 4, 6), (512, 2, 3)]
    for got, want in zip(found, expected, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.usefixtures("accept_any_hash")
def test_it_is_frozen_but_lets_gradients_through(weights: Path) -> None:
    network = load_perceptual(weights)
    assert not any(p.requires_grad for p in network.parameters())
    assert sum(p.numel() for p in network.parameters()) == 7_635_264
    image = torch.zeros(1, 3, 16, 16, requires_grad=True)
    network(image)[-1].sum().backward()
    assert image.grad is not None
    assert image.grad.any()


def test_a_file_with_another_hash_is_refused(weights: Path) -> None:
    with pytest.raises(InputError, match=r"must have the sha256 397923af[0-9a-f]{56}, got") as caught:
        load_perceptual(weights)
    assert str(weights) in str(caught.value)
    assert "--perceptual-weight 0" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"VGG16 weights not found: .*gone\.pth; .*--perceptual-weight 0"):
        load_perceptual(tmp_path / "gone.pth")


@pytest.mark.parametrize("content", [b"not a checkpoint", b""])
def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    path = tmp_path / "broken.pth"
    path.write_bytes(content)
    monkeypatch.setattr(perceptual, "VGG16_SHA256", hashlib.sha256(content).hexdigest())
    with pytest.raises(InputError, match=r"VGG16 weights cannot be read: .*broken\.pth"):
        load_perceptual(path)


@pytest.mark.usefixtures("accept_any_hash")
def test_the_usual_place_is_searched(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "vgg16-397923af.pth").write_bytes(weights.read_bytes())
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("downloaded needlessly"))
    assert isinstance(load_perceptual(), PerceptualFeatures)


@pytest.mark.usefixtures("accept_any_hash")
def test_weights_are_fetched_where_there_is_internet(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(url: str, path: str, hash_prefix: str) -> None:
        assert url == "https://download.pytorch.org/models/vgg16-397923af.pth"
        assert hash_prefix == perceptual.VGG16_SHA256
        Path(path).write_bytes(weights.read_bytes())

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    assert isinstance(load_perceptual(), PerceptualFeatures)
    assert (tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth").is_file()


def test_without_internet_one_line_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(InputError) as caught:
        load_perceptual()
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(tmp_path), "no route", "--vgg-weights", "--perceptual-weight 0"):
        assert part in message


def test_downloading_can_be_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("downloaded"))
    with pytest.raises(InputError, match="VGG16 weights not found"):
        load_perceptual(download=False)
