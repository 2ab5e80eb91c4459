"""Images at another size: reduced by areas and enlarged smoothly, each side by itself."""

from __future__ import annotations

import torch

from model.config import Size
from model.data.to_device import resize_area, resize_images


def test_reducing_is_by_areas_and_keeping_changes_nothing() -> None:
    images = torch.rand(2, 5, 3, 24, 36, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert resize_images(images, Size(24, 36)) is images
    assert torch.equal(resize_images(images, Size(8, 12)), resize_area(images, Size(8, 12)))


def test_enlarging_one_side_and_reducing_the_other() -> None:
    """A ramp stays a ramp along the enlarged side, and its rows are means of three along the reduced one."""
    ramp = torch.linspace(-0.9, 0.9, 24)[:, None] * torch.ones(24, 16)
    images = ramp.T.expand(1, 3, 16, 24)  # changes along x
    made = resize_images(images, Size(4, 48))
    assert made.shape == (1, 3, 4, 48)
    places = (torch.arange(48) + 0.5) / 2 - 0.5  # of the new columns among the old
    line = (-0.9 + 1.8 / 23 * places).expand(4, -1)
    torch.testing.assert_close(made[0, 0, :, 4:-4], line[:, 4:-4], atol=0.01, rtol=0)
    assert made.abs().max() <= 1
