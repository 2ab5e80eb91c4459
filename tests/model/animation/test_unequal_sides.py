"""Animation of images whose height and width differ: the bank, the views and the driver's landmarks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.animation.clip import make_bank
from model.animation.source import SourceFace
from model.animation.views import View, draw_landmarks
from model.config import ModelConfig, Size
from model.network.generator import Generator

WIDE = Size(32, 64)


def test_a_banks_images_and_landmarks_are_stretched_alike() -> None:
    """A white patch about a landmark is about it still."""
    images = np.zeros((5, 224, 224, 3), np.uint8)
    images[:, 56:84, 140:147] = 255  # 4 x 2 pixels of 32 x 64, from row 8 and column 40 on
    landmarks = np.full((5, 68, 2), (143, 69.5), np.float32)
    bank = make_bank(SourceFace("name", images, landmarks, landmarks[0]), 3, WIDE, torch.device("cpu"))
    assert bank.images.shape == (1, 3, 3, 32, 64)
    white = (bank.images[0, 0, 0] > 0.99).nonzero()
    assert white.tolist() == [[row, column] for row in range(8, 12) for column in (40, 41)]
    assert bank.landmarks[0, 0, 0].tolist() == pytest.approx(white.float().mean(0).flip(0).tolist())


def test_a_bank_is_enlarged_smoothly_and_stays_in_range() -> None:
    images = np.zeros((5, 224, 224, 3), np.uint8)
    images[:, :, 112:] = 255
    bank = make_bank(
        SourceFace("name", images, np.zeros((5, 68, 2), np.float32), np.zeros((68, 2))),
        1,
        Size(32, 448),
        torch.device("cpu"),
    )
    row = bank.images[0, 0, 0, 16]
    assert row[:220].eq(-1).all()
    assert row[-220:].eq(1).all()
    assert (row[1:] - row[:-1] >= -1e-6).all(), "no ringing beyond the range"
    assert 1 < len(row[row.abs() < 1]) < 8, "an edge of a few pixels, not of one"


@pytest.mark.parametrize("size", [WIDE, Size(64, 32)])
def test_views_keep_the_sides_of_the_images(size: Size) -> None:
    torch.manual_seed(0)
    bank = torch.rand(2, 5, 3, *size)
    with torch.no_grad():
        out = Generator(ModelConfig(image_size=32, base_channels=2))(bank, torch.zeros(2, 5, 2, *size))
    points = np.full((2, 68, 2), 15.5, np.float32)
    shown = np.zeros((5, *size, 3), np.uint8)
    assert View("output", shown, zoom=2).draw(out, points, None)[1].shape == (2 * size.height, 2 * size.width, 3)
    cell = Size(size.height * 112 // 32, size.width * 112 // 32)
    masks = View("masks", shown).draw(out, points, None)[0]
    assert masks.shape == (2 * (cell.height + 26) + 4, 8 * (cell.width + 4) + 4, 3)
    assert masks.shape[0] % 2 == masks.shape[1] % 2 == 0, "an encoder's frames have even sides"


def test_landmarks_are_drawn_where_they_are() -> None:
    drawn = draw_landmarks(np.full((68, 2), (47.5, 7.5), np.float32), WIDE, Size(64, 128))
    rows, columns = drawn[..., 0].nonzero()
    assert (rows.mean(), columns.mean()) == pytest.approx((15.5, 95.5), abs=0.6)
