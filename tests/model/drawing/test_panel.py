"""Layout: where pictures, frames, titles and close-ups stand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from model.config import Size
from model.drawing.panel import (
    BETWEEN_PX,
    CAPTION_PX,
    CLOSE_UP_SHARE,
    RESULT_COLOUR,
    TRUTH_COLOUR,
    Cell,
    captioned,
    draw_block,
    emptiest_corner,
    shortened,
    side_by_side,
    stacked,
    with_close_up,
)
from model.pictures import TITLE_PX, cell_size

GREEN = (0, 200, 0)
SMALL = Size(40, 60)


def plain(colour: tuple[int, int, int], size: Size = SMALL) -> np.ndarray:
    return np.full((*size, 3), colour, np.uint8)


def test_small_pictures_are_enlarged_and_keep_their_sides() -> None:
    assert cell_size(Size(64, 64), 160) == (160, 160)
    assert cell_size(Size(32, 64), 160) == (160, 320)
    assert cell_size(Size(224, 160), 160) == (224, 160)
    assert all(side % 2 == 0 for side in cell_size(Size(36, 52), 161))


def test_pictures_stand_in_their_cells_and_frames_around_them() -> None:
    rows = [
        [Cell(plain(GREEN), "truth", TRUTH_COLOUR), Cell(plain((9, 9, 9)))],
        [Cell(np.full((40, 60), 77, np.uint8))],
    ]
    block = draw_block(rows, Size(40, 60))
    assert block.shape == (6 + TITLE_PX + 2 * 46, 6 + 2 * 66, 3)
    top, left = 6 + TITLE_PX, 6
    assert (block[top : top + 40, left : left + 60] == GREEN).all(), "no frame over the picture"
    assert (block[top - 3 : top, left : left + 60] == TRUTH_COLOUR).all()
    assert (block[top : top + 40, left + 60 : left + 63] == TRUTH_COLOUR).all()
    assert (block[top : top + 40, left + 66 : left + 126] == 9).all()
    assert (block[top + 46 : top + 86, left : left + 60] == 77).all(), "a row without titles has no room for them"
    assert (block[top + 46 :, left + 63 :] == 255).all()


def test_a_title_ends_within_its_cell() -> None:
    rows = [[Cell(plain(GREEN), "a" * 90), Cell(plain(GREEN))]]
    block = draw_block(rows, Size(40, 60))
    assert (block[: 6 + TITLE_PX, :6] == 255).all()
    assert (block[: 6 + TITLE_PX, 66:] == 255).all()
    assert (block[: 6 + TITLE_PX] < 128).any()
    font = ImageFont.load_default(13)
    assert shortened("truth", font, 60) == "truth"
    assert shortened("a very long name", font, 60).endswith("…")


def test_blocks_stand_below_or_beside_each_other_on_white() -> None:
    small, large = np.zeros((2, 3, 3), np.uint8), np.zeros((1, 5, 3), np.uint8)
    assert stacked([small, large])[..., 0].tolist() == [[0, 0, 0, 255, 255], [0, 0, 0, 255, 255], [0] * 5]
    beside = side_by_side([small, large])
    assert beside.shape == (2, 3 + BETWEEN_PX + 5, 3)
    assert beside[0, :, 0].tolist() == [0] * 3 + [255] * BETWEEN_PX + [0] * 5
    assert (beside[1, 3:] == 255).all()


def test_a_caption_stands_above_and_stays_within_its_block() -> None:
    block = captioned(plain(GREEN), "a long caption that does not fit")
    assert block.shape == (40 + CAPTION_PX, 60, 3)
    assert (block[CAPTION_PX:] == GREEN).all()
    assert (block[:CAPTION_PX] < 128).any()


def marked_mouth(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """A grey picture with a green mouth in its lower half, and landmarks of it; all others on the left."""
    picture = plain((100, 100, 100), size)
    height, width = size
    picture[height * 5 // 8 : height * 6 // 8, width * 5 // 16 : width * 9 // 16] = GREEN
    points = np.zeros((68, 2), np.float32)
    points[:48] = (0.1 * width, 0.9 * height)
    corners = [(5 / 16, 5 / 8), (9 / 16, 5 / 8), (9 / 16, 6 / 8), (5 / 16, 6 / 8)]
    points[48:] = np.tile(corners, (5, 1)) * (width, height) - 0.5
    return picture, points


@pytest.mark.parametrize("size", [Size(64, 64), Size(160, 160), Size(64, 128)])
def test_a_close_up_shows_the_mouth_in_a_red_square(size: Size) -> None:
    picture, points = marked_mouth(size)
    cell = cell_size(size, 160)
    shown = with_close_up(picture, points, cell)
    assert shown.shape == (*cell, 3)
    height, width = round(CLOSE_UP_SHARE * cell.height), round(CLOSE_UP_SHARE * cell.width)
    inset = shown[-height:, -width:]
    assert (inset[:2] == RESULT_COLOUR).all()
    assert (inset[:, -2:] == RESULT_COLOUR).all()
    assert (inset[height // 2 - 3 : height // 2 + 3, width // 3 : width * 2 // 3] == GREEN).all(), "in the middle"
    green = (np.abs(inset.astype(int) - GREEN).max(-1) < 40).mean()
    assert green == pytest.approx(1 / 1.4 * 0.5 / 1.4, abs=0.05), "its box, twice as wide as high, with a margin"
    assert (shown[: cell.height // 2] == 100).all(), "the rest of the picture is as it was"


def test_a_mouth_at_the_edge_is_shown_as_far_as_there_is_a_picture() -> None:
    picture, points = marked_mouth(Size(64, 64))
    assert with_close_up(picture, points + 40, Size(160, 160)).shape == (160, 160, 3)


def test_the_close_up_covers_the_corner_with_the_fewest_landmarks() -> None:
    middle = np.full((60, 2), 0.5)
    assert emptiest_corner(middle) == (1, 1)
    bottom_right = np.concatenate((middle, [[0.9, 0.9]]))
    assert emptiest_corner(bottom_right) == (0, 1)
    below = np.concatenate((bottom_right, [[0.1, 0.8]]))
    assert emptiest_corner(below) == (1, 0)
    assert emptiest_corner(np.concatenate((below, [[0.9, 0.1]]))) == (0, 0)
