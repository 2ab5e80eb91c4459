"""The landmarks' own answer: whom it selects, where it moves pixels, and that a guided network starts from it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from model.network.generator import Generator, warped_image
from model.network.guide import landmark_guide
from model.network.offsets import offset_field

SIDE = 64


def face(x: float, y: float) -> Tensor:
    """(68, 2) landmarks on a grid about a place, in pixels of a 64-pixel image."""
    grid = torch.stack(torch.meshgrid(torch.arange(10.0), torch.arange(7.0), indexing="ij"), -1).flatten(0, 1)[:68]
    return 3 * grid + torch.tensor([x, y])


def test_the_image_whose_landmarks_are_nearest_is_selected() -> None:
    target = face(16, 20)[None]
    source = torch.stack((face(22, 20), face(16.6, 20), face(16, 28)))[None]
    selection = landmark_guide(offset_field(target, source, SIDE, SIDE), 40.0).selection
    assert (selection.argmax(1) == 1).all()


def test_where_one_image_fits_best_may_differ_from_place_to_place() -> None:
    target = face(16, 20)[None]
    left, right = target[0].clone(), target[0].clone()
    left[:34, 0] += 3  # the first image is off on the left, the second on the right
    right[34:, 0] += 3
    selection = landmark_guide(offset_field(target, torch.stack((left, right))[None], SIDE, SIDE), 40.0).selection
    assert selection[0, 1, 30, 18] > selection[0, 0, 30, 18]
    assert selection[0, 0, 30, 42] > selection[0, 1, 30, 42]


@pytest.mark.parametrize("size", [(64, 64), (96, 32)])
def test_a_moved_face_is_moved_back(size: tuple[int, int]) -> None:
    """Every pixel among the landmarks is fetched from where it was, at any size."""
    height, width = size
    scale = torch.tensor([width / 64, height / 64])
    target, source = face(16, 20) * scale, (face(16, 20) + torch.tensor([3.0, -2.0])) * scale
    warp = landmark_guide(offset_field(target[None], source[None, None], height, width), 40.0).warp.tanh() * 40
    x, y = warp[0, :, round(30 * height / 64), round(30 * width / 64)] * scale * 64 / 224
    assert (x / scale[0]).item() == pytest.approx(3, rel=0.05)
    assert (y / scale[1]).item() == pytest.approx(-2, rel=0.05)
    assert warp[0, :, 0, -1].abs().max() < 1e-3, "far from every landmark nothing moves"


def test_equal_landmarks_leave_everything_as_it_is() -> None:
    points = face(16, 20)
    guide = landmark_guide(offset_field(points[None], points.expand(1, 5, 68, 2), SIDE, SIDE), 40.0)
    assert not guide.warp.any()
    assert torch.equal(guide.selection, torch.zeros_like(guide.selection))


def test_a_guided_network_starts_from_the_guide() -> None:
    torch.manual_seed(0)
    generator = Generator(ModelConfig(SIDE, base_channels=4, streams="warp", guide="landmarks"))
    bank = torch.rand(1, 5, 3, SIDE, SIDE)
    sources = torch.stack([face(16 + shift, 20 - shift) for shift in range(5)])[None]
    field = offset_field(face(17.5, 19)[None], sources, SIDE, SIDE)
    out = generator(bank, field)
    guide = landmark_guide(field, 40.0)
    masks, fields = guide.selection.softmax(1)[:, :, None], guide.warp.tanh().view(1, 5, 2, SIDE, SIDE)
    torch.testing.assert_close(out.output, warped_image(bank, masks, fields, 40 * SIDE / 224))
    out.output.mean().backward()
    assert all(share.grad is not None and share.grad != 0 for share in generator.own_share.values())
