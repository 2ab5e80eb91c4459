"""Picture grids: what the network sees and makes, side by side, under column titles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from model.config import Size
from model.pixels import to_bytes
from pipeline.errors import BuildError
from pipeline.files import atomic_write

MIN_CELL_PX = 112
GAP_PX = 4
TITLE_PX = 22
FONT_PX = 13
_BACKGROUND = (255, 255, 255)

Pixels = NDArray[np.uint8]


def require_finite(images: Tensor) -> Tensor:
    """Images that a network made, once they are numbers.

    Raises:
        BuildError: they are not, though the weights are: these are too large to compute with.
    """
    if not bool(torch.isfinite(images).all()):
        raise BuildError("the network's images are no numbers (NaN or infinity); use another checkpoint")
    return images


def to_pixels(images: Tensor) -> Pixels:
    """(B, 3, H, W) in [-1, 1] to (B, H, W, 3) uint8, rounded; values beyond are clipped."""
    pixels: Pixels = to_bytes(images.detach()).cpu().movedim(1, -1).numpy()
    return pixels


def to_greys(maps: Tensor) -> Pixels:
    """Maps (..., H, W) in [0, 1] as grey levels uint8, white for 1."""
    levels: Pixels = (maps.detach().float() * 255).round().clamp(0, 255).to("cpu", torch.uint8).numpy()
    return levels


def cell_size(size: Size, least: int = MIN_CELL_PX) -> Size:
    """The size at which an image is shown: its own, or enlarged until no side is below `least`; sides are even."""
    factor = max(1.0, least / min(size))
    return Size(*(2 * round(side * factor / 2) for side in size))


def fitted(picture: Pixels, size: Size) -> Pixels:
    """A picture (H, W, 3) enlarged or reduced to a size; (H, W) is grey."""
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    if picture.shape[:2] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size.width, size.height), Image.Resampling.BICUBIC))


def draw_grid(columns: dict[str, Tensor], row_titles: Sequence[str] = ()) -> Pixels:
    """One picture: a column of images for every entry under its title, a row for every example.

    Args:
        columns: title -> (B, 3, H, W) in [-1, 1], equal in shape. Small images are shown enlarged.
        row_titles: written below each row, one per example; or none.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    cells = {title: to_pixels(images) for title, images in columns.items()}
    rows, *sides = next(iter(cells.values())).shape[:3]
    cell = cell_size(Size(*sides))
    below = TITLE_PX if row_titles else 0
    pitch_x, pitch_y = cell.width + GAP_PX, cell.height + GAP_PX + below
    canvas = Image.new("RGB", (len(cells) * pitch_x + GAP_PX, TITLE_PX + rows * pitch_y + GAP_PX), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(FONT_PX)
    for number, (title, images) in enumerate(cells.items()):
        left = GAP_PX + number * pitch_x
        draw.text((left + cell.width / 2, TITLE_PX / 2), title, fill="black", font=font, anchor="mm")
        for row, pixels in enumerate(images):
            canvas.paste(Image.fromarray(fitted(pixels, cell)), (left, TITLE_PX + GAP_PX + row * pitch_y))
    for row, title in enumerate(row_titles):
        top = TITLE_PX + GAP_PX + row * pitch_y + cell.height
        draw.text((GAP_PX, top + below / 2), title, fill="black", font=font, anchor="lm")
    return np.asarray(canvas)


def save_picture(path: Path, pixels: NDArray[Any]) -> None:
    """Write (H, W, 3) uint8 as PNG, complete or not at all."""
    with atomic_write(path) as partial:
        Image.fromarray(pixels).save(partial, format="PNG")
