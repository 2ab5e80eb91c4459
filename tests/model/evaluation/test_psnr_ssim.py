"""PSNR, SSIM, LPIPS and landmark error, each against a second, simple route."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.evaluation import lpips
from model.evaluation.landmark_error import LandmarkError
from model.evaluation.lpips import Lpips
from model.evaluation.psnr_ssim import MOST_DECIBELS, psnr, ssim
from model.network import perceptual
from model.network.nearest import nearest_landmarks
from model.network.perceptual import PerceptualFeatures
from pipeline.errors import InputError
from pipeline.sample import NAMED
from pipeline.sample.landmarks import FaceState
from pipeline.sample.pose import Pose
from pipeline.sample.renderer import render, studio
from pipeline.tracking.landmark_model import landmark_model_path

CPU = torch.device("cpu")


def image_pair(size: int, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(3)
    target = torch.rand((count, 3, size, size), generator=rng) * 255
    return (target + 30 * torch.randn(target.shape, generator=rng)).clamp(0, 255), target


def test_psnr_is_that_of_a_loop() -> None:
    images, targets = image_pair(8)
    for value, image, target in zip(psnr(images, targets), images, targets, strict=True):
        squares = [(a - b) ** 2 for a, b in zip(image.flatten().tolist(), target.flatten().tolist(), strict=True)]
        assert float(value) == pytest.approx(10 * math.log10(255**2 / (sum(squares) / len(squares))))
    assert psnr(images, images).tolist() == [MOST_DECIBELS] * 2


def test_ssim_is_that_of_a_loop_over_windows() -> None:
    images, targets = image_pair(13, count=1)
    place = np.arange(11) - 5
    weights = np.exp(-(place[:, None] ** 2 + place[None, :] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for a, b in zip(images[0].double().numpy(), targets[0].double().numpy(), strict=True):
        for top in range(3):
            for left in range(3):
                x, y = (plane[top : top + 11, left : left + 11] for plane in (a, b))
                mx, my = (weights * x).sum(), (weights * y).sum()
                vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
                vxy = (weights * (x - mx) * (y - my)).sum()
                c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                values.append((2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    assert float(ssim(images, targets)) == pytest.approx(np.mean(values))
    assert float(ssim(targets, targets)) == pytest.approx(1)


@pytest.fixture
def random_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Random VGG16 and linear weights in the published files' form, their hashes accepted."""
    torch.manual_seed(0)
    vgg, linear = tmp_path / "vgg16.pth", tmp_path / "vgg.pth"
    torch.save(PerceptualFeatures(lpips.STAGES).state_dict(), vgg)
    channels = (64, 128, 256, 512, 512)
    torch.save({f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(channels)}, linear)
    monkeypatch.setattr(perceptual, "VGG16_SHA256", hashlib.sha256(vgg.read_bytes()).hexdigest())
    digest = hashlib.sha256(linear.read_bytes()).hexdigest()
    monkeypatch.setattr(lpips, "LINEAR", replace(lpips.LINEAR, sha256=digest))
    return vgg, linear


def test_lpips_is_that_of_a_loop_over_pixels(random_weights: tuple[Path, Path]) -> None:
    vgg, linear = random_weights
    images, targets = image_pair(16)
    measured = Lpips(CPU, vgg, linear)(images, targets)
    network = PerceptualFeatures(lpips.STAGES)
    network.load_state_dict(torch.load(vgg, weights_only=True))
    weights = [value.flatten().numpy() for value in torch.load(linear, weights_only=True).values()]
    first, second = (network(pixels / 127.5 - 1) for pixels in (images, targets))
    assert [layer.shape[1:] for layer in first][-1] == (512, 1, 1), "relu5_3"
    for number in range(2):
        total = 0.0
        for f, g, w in zip(first, second, weights, strict=True):
            a, b = f[number].numpy(), g[number].numpy()
            distances = []
            for row in range(a.shape[1]):
                for column in range(a.shape[2]):
                    x, y = a[:, row, column], b[:, row, column]
                    x, y = x / (np.linalg.norm(x) + 1e-10), y / (np.linalg.norm(y) + 1e-10)
                    distances.append((w * (x - y) ** 2).sum())
            total += np.mean(distances)
        assert float(measured[number]) == pytest.approx(total, rel=1e-4)
    assert Lpips(CPU, vgg, linear)(targets, targets).tolist() == [0, 0]


def test_lpips_says_what_is_missing(
    random_weights: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vgg, linear = random_weights
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError, match="VGG16 weights not found"):
        Lpips(CPU, None, linear)
    monkeypatch.setattr(lpips, "PACKAGE", "no_such_package")
    with pytest.raises(InputError, match=r"no_such_package is not installed; pip install --no-deps .* leave LPIPS out"):
        Lpips(CPU, vgg)
    linear.write_bytes(b"broken")
    with pytest.raises(InputError, match="linear weights must have the sha256"):
        Lpips(CPU, vgg, linear)


def test_landmark_error_of_a_drawn_face_whose_landmarks_are_known() -> None:
    """dlib reads it to a few percent; landmarks moved by a fifth of the eye distance are wrong by about as much."""
    scene = studio(NAMED[0], (240, 240))
    picture, truth = render(scene, FaceState(open=0.3), Pose(120, 120, 60))
    face = torch.from_numpy(np.ascontiguousarray(picture)).movedim(-1, 0)[None].float()
    wanted = torch.from_numpy(truth)[None]
    measure = LandmarkError(landmark_model_path())
    small = torch.nn.functional.interpolate(face, (80, 80), mode="area")
    assert 0 < float(measure(face, wanted)) < 6
    assert 0 < float(measure(small, (wanted + 0.5) / 3 - 0.5)) < 9, "small pictures are enlarged"
    eyes = float((wanted[0, 36] - wanted[0, 45]).norm())
    moved = measure(face, wanted + torch.tensor([0.2 * eyes, 0.0]))
    assert float(moved) == pytest.approx(20, abs=4)
    assert math.isnan(float(measure(torch.full((1, 3, 64, 64), 90.0), wanted)))


def test_the_bank_image_of_nearest_landmarks() -> None:
    target = torch.zeros(3, 68, 2)
    target[1] += 4
    target[2] += 2.5
    bank = torch.tensor([0.0, 5.0, 5.0])[None, :, None, None].expand(3, 3, 68, 2)
    assert nearest_landmarks(target, bank).tolist() == [0, 1, 0], "the first of several as near"
