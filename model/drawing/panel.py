"""How figures are laid out: pictures in rows under titles, coloured frames, a close-up of the mouth, captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from model.config import Size
from model.pictures import FONT_PX, TITLE_PX, Pixels, fitted
from pipeline.geometry import MOUTH

CELL_PX = 160
"""The least side of a picture in a figure: those of small networks are enlarged."""
GAP_PX = 6
FRAME_PX = 3
CAPTION_PX, CAPTION_FONT_PX = 28, 17
BETWEEN_PX = 28
"""Between corpora that stand side by side."""
TRUTH_COLOUR, RESULT_COLOUR = (30, 90, 220), (220, 30, 30)
CLOSE_UP_SHARE = 0.4
"""Side of the close-up over that of its picture."""
CLOSE_UP_MARGIN = 0.2
"""How far the close-up reaches beyond the mouth on every side, as a share of the mouth's longer side."""

Colour = tuple[int, int, int]


class Cell(NamedTuple):
    """One picture of a block.

    Attributes:
        picture: (H, W, 3) uint8, or (H, W) grey.
        title: written above it.
        frame: the colour of a box about it.
    """

    picture: Pixels
    title: str = ""
    frame: Colour | None = None


def draw_block(rows: Sequence[Sequence[Cell]], cell: Size) -> Pixels:
    """Rows of pictures at one size, each row under its titles if it has any; (height, width, 3) uint8 on white."""
    heads = [TITLE_PX if any(each.title for each in row) else 0 for row in rows]
    width = GAP_PX + max(map(len, rows)) * (cell.width + GAP_PX)
    height = GAP_PX + sum(heads) + len(rows) * (cell.height + GAP_PX)
    canvas = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(FONT_PX)
    top = GAP_PX
    for head, row in zip(heads, rows, strict=True):
        top += head
        for column, (picture, title, frame) in enumerate(row):
            left = GAP_PX + column * (cell.width + GAP_PX)
            text = shortened(title, font, cell.width)
            draw.text((left + cell.width / 2, top - head / 2 - 1), text, fill="black", font=font, anchor="mm")
            if frame is not None:
                edge = (left - FRAME_PX, top - FRAME_PX, left + cell.width + 2, top + cell.height + 2)
                draw.rectangle(edge, outline=frame, width=FRAME_PX)
            canvas.paste(Image.fromarray(fitted(picture, cell)), (left, top))
        top += cell.height + GAP_PX
    return np.asarray(canvas)


def shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """The text, or as much of it as fits with an ellipsis."""
    if font.getlength(text) <= width:
        return text
    kept = len(text)
    while kept and font.getlength(f"{text[:kept]}…") > width:
        kept -= 1
    return f"{text[:kept]}…"


def captioned(block: Pixels, caption: str, heading: bool = False) -> Pixels:
    """The block under a line of text, at the left; a heading is larger and in the middle."""
    width = block.shape[1]
    canvas = Image.new("RGB", (width, CAPTION_PX), "white")
    font = ImageFont.load_default(CAPTION_FONT_PX if heading else FONT_PX)
    place, anchor = ((width / 2, CAPTION_PX / 2), "mm") if heading else ((GAP_PX, CAPTION_PX - 5), "ls")
    text = shortened(caption, font, width - 2 * GAP_PX)
    ImageDraw.Draw(canvas).text(place, text, fill="black", font=font, anchor=anchor)
    return np.concatenate((np.asarray(canvas), block))


def stacked(blocks: Sequence[Pixels]) -> Pixels:
    """Pictures one below the other on white, each at the left."""
    width = max(block.shape[1] for block in blocks)
    return np.concatenate([_padded(block, block.shape[0], width) for block in blocks])


def side_by_side(blocks: Sequence[Pixels]) -> Pixels:
    """Pictures beside each other on white, each at the top."""
    height = max(block.shape[0] for block in blocks)
    ends = [block.shape[1] + BETWEEN_PX for block in blocks[:-1]] + [blocks[-1].shape[1]]
    return np.concatenate([_padded(block, height, end) for block, end in zip(blocks, ends, strict=True)], axis=1)


def _padded(block: Pixels, height: int, width: int) -> Pixels:
    missing = ((0, height - block.shape[0]), (0, width - block.shape[1]), (0, 0))
    return np.pad(block, missing, constant_values=255)


def with_close_up(picture: Pixels, points: npt.NDArray[np.float32], cell: Size) -> Pixels:
    """The picture at a cell's size, and in its emptiest corner the mouth, enlarged, in a red square (Figure 4).

    Args:
        picture: (H, W, 3) uint8.
        points: (68, 2) landmarks in its pixels, those of the target.
        cell: the size wanted.

    Returns:
        (*cell, 3) uint8.
    """
    height, width = picture.shape[:2]
    places = (points + 0.5) / (width, height)  # in shares of the picture, whatever its sides
    mouth = places[MOUTH]
    side = min(float((1 + 2 * CLOSE_UP_MARGIN) * np.ptp(mouth, axis=0).max()), 1.0)
    start = np.clip((mouth.min(0) + mouth.max(0) - side) / 2, 0, 1 - side)
    left, top = start * (width, height)
    box = (left, top, left + side * width, top + side * height)
    shown = (round(CLOSE_UP_SHARE * cell.width), round(CLOSE_UP_SHARE * cell.height))
    close_up = Image.fromarray(picture).resize(shown, Image.Resampling.BICUBIC, box=box)
    across, down = emptiest_corner(places)
    x, y = across * (cell.width - shown[0]), down * (cell.height - shown[1])
    canvas = Image.fromarray(fitted(picture, cell))
    canvas.paste(close_up, (x, y))
    edge = (x, y, x + shown[0] - 1, y + shown[1] - 1)
    ImageDraw.Draw(canvas).rectangle(edge, outline=RESULT_COLOUR, width=2)
    return np.asarray(canvas)


def emptiest_corner(places: npt.NDArray[np.floating]) -> tuple[int, int]:
    """The corner in which a close-up covers the fewest landmarks: 1 for right and 1 for bottom; right bottom first.

    Args:
        places: (68, 2) in shares of the picture.
    """

    def covered(corner: tuple[int, int]) -> int:
        from_edge = np.where(corner, 1 - places, places)
        return int((from_edge < CLOSE_UP_SHARE).all(axis=1).sum())

    return min(((1, 1), (0, 1), (1, 0), (0, 0)), key=covered)
