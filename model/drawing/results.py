"""Figure 2: the truth over what is synthesised, for some speakers."""

from __future__ import annotations

from model.config import Size
from model.drawing.choice import spread_over_openness, spread_over_speakers
from model.drawing.corpora import Corpus
from model.drawing.panel import CELL_PX, Cell, captioned, draw_block, stacked
from model.pictures import Pixels, cell_size, to_pixels

SPEAKERS, FRAMES = 3, 5


def results_block(corpus: Corpus) -> Pixels:
    """Two rows a speaker, five frames from a closed mouth to an open one: the truth above, the result below."""
    groups = spread_over_speakers(corpus.groups, len(corpus.speakers) or SPEAKERS)
    blocks = []
    for group in groups:
        batch, made = corpus.answers(corpus.network, [spread_over_openness(group, FRAMES)])
        rows = [[Cell(picture) for picture in to_pixels(images)] for images in (batch.target, made)]
        cell = cell_size(Size(*batch.target.shape[-2:]), CELL_PX)
        blocks.append(captioned(draw_block(rows, cell), f"{group.video.speaker}: truth above, synthesised below"))
    return stacked(blocks)
