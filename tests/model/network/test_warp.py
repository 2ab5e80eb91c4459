"""φ: identity, whole and half pixels, borders, gradients, and precision under autocast."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from model.network.warp import warp_bilinear


def flow(x: float, y: float, size: int) -> Tensor:
    return torch.tensor([x, y])[None, :, None, None].expand(1, 2, size, size).clone()


@pytest.mark.parametrize("size", [32, 224])
def test_zero_flow_is_the_identity(size: int) -> None:
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(warp_bilinear(image, flow(0, 0, size)), image, rtol=0, atol=1e-4)


def test_the_output_takes_the_pixel_that_the_flow_points_at() -> None:
    image = torch.arange(36.0).view(1, 1, 6, 6)
    shifted = warp_bilinear(image, flow(2, 1, 6))
    torch.testing.assert_close(shifted[..., :5, :4], image[..., 1:, 2:])


def test_beyond_the_border_the_border_is_repeated() -> None:
    image = torch.arange(16.0).view(1, 1, 4, 4)
    left = warp_bilinear(image, flow(-9, 0, 4))
    torch.testing.assert_close(left, image[..., :1].expand(-1, -1, -1, 4))
    below = warp_bilinear(image, flow(0, 9, 4))
    torch.testing.assert_close(below, image[..., 3:, :].expand(-1, -1, 4, -1))


def test_half_a_pixel_is_the_mean_of_two() -> None:
    image = torch.tensor([[0.0, 1.0, 5.0]]).expand(3, 3)[None, None]
    torch.testing.assert_close(
        warp_bilinear(image, flow(0.5, 0, 3))[0, 0, 0], torch.tensor([0.5, 3.0, 5.0]), rtol=0, atol=1e-5
    )


def test_each_pixel_has_a_flow_of_its_own() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3)
    field = torch.zeros(1, 2, 3, 3)
    field[0, :, 0, 0] = torch.tensor([2.0, 1.0])
    torch.testing.assert_close(warp_bilinear(image, field)[0, 0], torch.tensor([[5.0, 1, 2], [3, 4, 5], [6, 7, 8]]))


def test_the_gradient_to_the_flow_is_the_slope_of_the_image() -> None:
    column = torch.arange(5.0)
    image = (3 * column[None, :] - 2 * column[:, None])[None, None]
    field = flow(0.25, 0.25, 5).requires_grad_()
    warp_bilinear(image, field)[0, 0, 2, 2].backward()
    assert field.grad is not None
    torch.testing.assert_close(field.grad[0, :, 2, 2], torch.tensor([3.0, -2.0]))


def test_autocast_does_not_coarsen_the_coordinates() -> None:
    image = torch.arange(224.0).expand(224, 224)[None, None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        warped = warp_bilinear(image, flow(0.3, 0, 224))
    assert warped.dtype == torch.float32
    torch.testing.assert_close(warped[0, 0, 0, :-1], torch.arange(223.0) + 0.3, rtol=0, atol=1e-3)


def test_a_flow_that_is_no_number_ends_nothing() -> None:
    """grid_sample's backward on a CPU would write where NaN leads it."""
    flow = torch.full((1, 2, 16, 16), float("nan"))
    flow[:, :, :8] = float("inf")
    flow.requires_grad_()
    image = torch.rand((1, 3, 16, 16), requires_grad=True)
    warp_bilinear(image, flow).sum().backward()
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()


def test_a_flow_that_is_no_number_gives_no_number() -> None:
    """X2Face has no other loss that would tell that its field is none."""
    flow = torch.zeros(1, 2, 8, 8)
    flow[0, 0, 2, 3], flow[0, 1, 5, 5], flow[0, 0, 7, 7] = float("nan"), float("nan"), float("inf")
    image = torch.rand(1, 3, 8, 8)
    warped = warp_bilinear(image, flow)
    nowhere = warped.isnan()
    assert nowhere[:, :, 2, 3].all()
    assert nowhere[:, :, 5, 5].all()
    assert nowhere.sum() == 6
    torch.testing.assert_close(warped[..., 7, 7], image[..., 7, 7], msg="infinitely far is the border")
