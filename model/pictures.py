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

from model.data.batch import PreparedBatch
from model.network.generator import GeneratorOutput

MIN_CELL_PX = 112
GAP_PX = 4
TITLE_PX = 22
FONT_PX = 13
_BACKGROUND = (255, 255, 255)

Pixels = NDArray[np.uint8]


def example_columns(batch: PreparedBatch, out: GeneratorOutput) -> dict[str, Tensor]:
    """The standard columns by title: bank images closed to open, target, both streams, merge mask, output.

    Returns:
        (B, 3, H, W) each in [-1, 1]; the merge mask V as grey, white where the warped image is taken.
    """
    count = batch.bank.shape[1]
    columns = {f"bank {i + 1}": batch.bank[:, i] for i in range(count)}
    columns["target"] = batch.target
    columns["warped"] = out.warped
    columns["appearance"] = out.appearance
    columns["merge mask V"] = (2 * out.merge_mask - 1).expand(-1, 3, -1, -1)
    columns["output"] = out.output
    return columns


def to_pixels(images: Tensor) -> Pixels:
    """(B, 3, H, W) in [-1, 1] to (B, H, W, 3) uint8, rounded; values beyond are clipped."""
    scaled = ((images.detach().float() + 1) * 127.5).round().clamp(0, 255)
    pixels: Pixels = scaled.to("cpu", torch.uint8).movedim(1, -1).numpy()
    return pixels


def draw_grid(columns: dict[str, Tensor], row_titles: Sequence[str] = ()) -> Pixels:
    """One picture: a column of images for every entry under its title, a row for every example.

    Args:
        columns: title -> (B, 3, H, W) in [-1, 1], equal in shape. Small images are shown enlarged.
        row_titles: written below each row, one per example; or none.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    cells = {title: to_pixels(images) for title, images in columns.items()}
    rows, size = next(iter(cells.values())).shape[:2]
    cell = max(MIN_CELL_PX, size)
    below = TITLE_PX if row_titles else 0
    pitch_x, pitch_y = cell + GAP_PX, cell + GAP_PX + below
    canvas = Image.new("RGB", (len(cells) * pitch_x + GAP_PX, TITLE_PX + rows * pitch_y + GAP_PX), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(FONT_PX)
    for number, (title, images) in enumerate(cells.items()):
        left = GAP_PX + number * pitch_x
        draw.text((left + cell / 2, TITLE_PX / 2), title, fill="black", font=font, anchor="mm")
        for row, pixels in enumerate(images):
            picture = Image.fromarray(pixels).resize((cell, cell), Image.Resampling.BICUBIC)
            canvas.paste(picture, (left, TITLE_PX + GAP_PX + row * pitch_y))
    for row, title in enumerate(row_titles):
        top = TITLE_PX + GAP_PX + row * pitch_y + cell
        draw.text((GAP_PX, top + below / 2), title, fill="black", font=font, anchor="lm")
    return np.asarray(canvas)


def save_picture(path: Path, pixels: NDArray[Any]) -> None:
    """Write (H, W, 3) uint8 as PNG, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    Image.fromarray(pixels).save(partial, format="PNG")
    partial.replace(path)
