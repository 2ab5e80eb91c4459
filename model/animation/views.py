"""What a frame of the result shows: the output alone, beside its driver, or with the masks of the paper's Figure 5."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from model.config import Size
from model.network.generator import GeneratorOutput
from model.pictures import FONT_PX, GAP_PX, TITLE_PX, Pixels, cell_size, fitted, to_greys, to_pixels

VIEWS = ("output", "side-by-side", "masks")
WATERMARK = "SYNTHETIC"
WATERMARK_OPACITY = 0.6

Landmarks = npt.NDArray[np.float32]


class Sheet:
    """A grid of pictures under titles: the titles are drawn once, pictures are pasted for every frame.

    Args:
        titles: one list for each row of cells; rows may differ in length.
        cell: size of a cell, even.
    """

    def __init__(self, titles: Sequence[Sequence[str]], cell: Size) -> None:
        self.cell = cell
        across, down = cell.width + GAP_PX, cell.height + GAP_PX + TITLE_PX
        canvas = Image.new("RGB", (max(map(len, titles)) * across + GAP_PX, len(titles) * down + GAP_PX), "white")
        draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(FONT_PX)
        self._places = []
        for row, names in enumerate(titles):
            for column, name in enumerate(names):
                left, top = GAP_PX + column * across, row * down + TITLE_PX
                draw.text((left + cell.width / 2, top - TITLE_PX / 2), name, fill="black", font=font, anchor="mm")
                self._places.append((left, top))
        self._blank: Pixels = np.asarray(canvas)

    def draw(self, pictures: Sequence[Pixels]) -> Pixels:
        """The sheet with a picture (H, W, 3) or (H, W) uint8 in every cell, enlarged or reduced to it."""
        sheet = self._blank.copy()
        for (left, top), picture in zip(self._places, pictures, strict=True):
            sheet[top : top + self.cell.height, left : left + self.cell.width] = fitted(picture, self.cell)
        return sheet


class View:
    """Draws the frames of one result.

    Args:
        kind: one of `VIEWS`.
        bank: (N, H, W, 3) uint8 the source's images, as large as the network's.
        zoom: how many times larger they are shown, at least 1.
    """

    def __init__(self, kind: str, bank: Pixels, zoom: int = 1) -> None:
        self.kind = kind
        self._bank = bank
        count, height, width = bank.shape[:3]
        self._image, self._shown = Size(height, width), Size(height * zoom, width * zoom)
        cell = cell_size(self._shown)
        if kind == "side-by-side":
            self._sheet = Sheet([["source", "driver", "result"]], cell)
        elif kind == "masks":
            above = ["driver", *(f"bank {i + 1}" for i in range(count)), "warped I_w", "merge mask V"]
            below = ["landmarks", *(f"mask {i + 1}" for i in range(count)), "appearance I_a", "output I_o"]
            self._sheet = Sheet([above, below], cell)

    def draw(self, out: GeneratorOutput, landmarks: Landmarks, drivers: Sequence[Pixels] | None) -> list[Pixels]:
        """The frames of a batch.

        Args:
            out: of B frames.
            landmarks: (B, 68, 2) that drove them, in pixels of the network's images.
            drivers: the driver's B crops; None where the driver is a landmark file.

        Returns:
            B pictures (H, W, 3) uint8, equal in size, H and W even.
        """
        results = to_pixels(out.output)
        if self.kind == "output":
            return [fitted(result, self._shown) for result in results]
        drawn = [draw_landmarks(points, self._image, self._sheet.cell) for points in landmarks]
        shown = drawn if drivers is None else drivers
        if self.kind == "side-by-side":
            return [self._sheet.draw([self._bank[0], *pair]) for pair in zip(shown, results, strict=True)]
        warped, appearance = to_pixels(out.warped), to_pixels(out.appearance)
        merge = to_greys(out.merge_mask[:, 0])
        masks = to_greys(out.selection_masks[:, :, 0])
        return [
            self._sheet.draw(
                [shown[i], *self._bank, warped[i], merge[i], drawn[i], *masks[i], appearance[i], results[i]]
            )
            for i in range(len(results))
        ]


def draw_landmarks(points: Landmarks, size: Size, cell: Size) -> Pixels:
    """Landmarks (68, 2) in pixels of a picture of `size` as white dots on black, (*cell, 3) uint8."""
    canvas = Image.new("RGB", (cell.width, cell.height))
    draw = ImageDraw.Draw(canvas)
    radius = max(0.9, min(cell) / 160)
    for x, y in (points + 0.5) * (cell.width / size.width, cell.height / size.height):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill="white")
    return np.asarray(canvas)


def with_even_sides(picture: Pixels) -> Pixels:
    """A picture (H, W, 3) whose last row and column are there twice where their number is odd: encoders want it."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


class Watermark:
    """A visible note in the lower left corner.

    Args:
        text: what it says.
    """

    def __init__(self, text: str = WATERMARK) -> None:
        self.text = text

    def stamp(self, frame: Pixels) -> Pixels:
        """The frame (H, W, 3) uint8 with the note, readable on light and dark."""
        height, width = frame.shape[:2]
        picture = Image.fromarray(frame)
        note = Image.new("L", picture.size)
        font = ImageFont.load_default(max(8, min(width, height) // 14))
        draw = ImageDraw.Draw(note)
        left, top, right, bottom = draw.textbbox((width * 0.03, height * 0.97), self.text, font=font, anchor="ls")
        draw.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=round(255 * WATERMARK_OPACITY))
        picture.paste((0, 0, 0), mask=note)
        draw = ImageDraw.Draw(picture)
        draw.text((width * 0.03, height * 0.97), self.text, font=font, anchor="ls", fill=(255, 255, 255))
        return np.asarray(picture)
