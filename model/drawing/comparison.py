"""Figure 3: all networks and the truth side by side, with close-ups of mouth and eyes under each picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.config import Size
from model.drawing.choice import Scored, apart, best_of_each, widest_mouths
from model.drawing.corpora import Corpus
from model.drawing.faces import Values, eye_opening
from model.drawing.panel import CELL_PX, GAP_PX, Cell, captioned, draw_block
from model.networks import kind_of
from model.pictures import Pixels, cell_size, fitted, to_pixels
from model.trained import Trained
from pipeline.geometry import EYES, MOUTH, Points, mouth_openness

TRUTH = "truth"
CLOSE_UP_SHARE = 0.4
"""Height of a close-up over its width, which is that of the picture above it."""
CLOSE_UP_MARGIN = 0.2
"""How far it reaches beyond its landmarks on every side, as a share of their longer extent."""


def columns_of(networks: Mapping[str, Trained]) -> dict[str, Trained]:
    """Networks by the titles of their columns: their kinds, or where there are several of one, the names of their runs.

    They stand in the order in which they were named.
    """
    kinds = Counter(network.config.network for network in networks.values())
    return {
        kind_of(network.config.network).title if kinds[network.config.network] == 1 else name: network
        for name, network in networks.items()
    }


def chosen_frames(corpus: Corpus) -> dict[str, Scored]:
    """The frames shown, by what they are: open mouths, shut eyes, a median; of different speakers where there are."""
    wide = apart(widest_mouths(corpus.groups), 2)
    narrow = apart(best_of_each(corpus.groups, lambda points: -eye_opening(points)), 3)
    usual = apart(best_of_each(corpus.groups, _nearest_to_median), 4)
    found = {f"open mouth {place + 1}": frame for place, frame in enumerate(wide)}
    for what, frames in (("shut eyes", narrow), ("median mouth", usual)):
        speakers = {frame.group.video.speaker for frame in found.values()}
        found[what] = next((frame for frame in frames if frame.group.video.speaker not in speakers), frames[0])
    return found


def comparison_block(corpus: Corpus) -> Pixels:
    """A row an example: every network's answer, then the truth; mouth and eyes enlarged below each."""
    frames = chosen_frames(corpus)
    groups = [frame.group for frame in frames.values()]
    answered = {title: corpus.answers(network, groups) for title, network in columns_of(corpus.networks).items()}
    # The truth at the size of the largest network.
    largest = max((batch for batch, _ in answered.values()), key=lambda batch: batch.target.shape[-1])
    pictures = {title: (made, batch.target_landmarks) for title, (batch, made) in answered.items()}
    pictures[TRUTH] = (largest.target, largest.target_landmarks)
    cell = cell_size(Size(*largest.target.shape[-2:]), CELL_PX)
    drawn = {
        title: [
            with_details(picture, points, cell)
            for picture, points in zip(to_pixels(images), landmarks.cpu().numpy(), strict=True)
        ]
        for title, (images, landmarks) in pictures.items()
    }
    rows = [
        [Cell(drawn[title][row], title if row == 0 else "") for title in drawn]  # titles above the first row alone
        for row in range(len(groups))
    ]
    told = ", ".join(f"{what} ({frame.group.video.speaker})" for what, frame in frames.items())
    height, width = drawn[TRUTH][0].shape[:2]
    return captioned(draw_block(rows, Size(height, width)), told)


def with_details(picture: Pixels, points: npt.NDArray[np.float32], cell: Size) -> Pixels:
    """The picture at a cell's size, and below it mouth and eyes, each as wide.

    Args:
        picture: (H, W, 3) uint8.
        points: (68, 2) landmarks in its pixels, those of the target.
        cell: the size wanted of the picture.

    Returns:
        (cell height + two close-ups and gaps, cell width, 3) uint8.
    """
    strip = Size(round(CLOSE_UP_SHARE * cell.width), cell.width)
    parts = [fitted(picture, cell)]
    for region in (MOUTH, EYES):
        parts += [np.full((GAP_PX, cell.width, 3), 255, np.uint8), _close_up(picture, points[region], strip)]
    return np.concatenate(parts)


def _close_up(picture: Pixels, points: npt.NDArray[np.float32], strip: Size) -> Pixels:
    """The part of the picture about some landmarks, of a strip's proportions and inside the picture, enlarged."""
    sides = np.array(picture.shape[1::-1], np.float64)  # width, height
    low, high = points.min(0) + 0.5, points.max(0) + 0.5
    extent = (high - low) + 2 * CLOSE_UP_MARGIN * (high - low).max()
    width = min(max(extent[0], extent[1] * strip.width / strip.height), sides[0], sides[1] * strip.width / strip.height)
    shown = np.array((width, width * strip.height / strip.width))
    start = np.clip((low + high - shown) / 2, 0, sides - shown)
    box = (*start.tolist(), *(start + shown).tolist())
    part = Image.fromarray(picture).resize((strip.width, strip.height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(part)


def _nearest_to_median(points: Points) -> Values:
    openness = mouth_openness(points).astype(np.float64)
    return -np.abs(openness - np.median(openness))
