"""Figure 6: the failures, worst at the mouth and in the most extreme poses, truth beside result."""

from __future__ import annotations

from collections.abc import Sequence

from model.config import Size
from model.drawing.choice import Scored, Seen, apart, best_of_each
from model.drawing.corpora import Corpus
from model.drawing.faces import extremeness, tilt_degrees, turn
from model.drawing.panel import CELL_PX, Cell, captioned, draw_block, stacked, with_close_up
from model.pictures import Pixels, cell_size, to_pixels

OF_EACH_KIND = 3


def failures_block(corpus: Corpus, seen: Sequence[Seen]) -> Pixels:
    """Two rows of truth and result in turns: the largest L1 at the mouth, with it enlarged, and the extreme poses."""
    worst = apart([Scored(frame.group, frame.mouth_l1) for frame in seen], OF_EACH_KIND)
    poses = apart(best_of_each(corpus.groups, extremeness), OF_EACH_KIND)
    kinds = {"Worst at the mouth": (worst, True), "Most extreme poses": (poses, False)}
    return stacked([captioned(_row(corpus, frames, is_mouth), title) for title, (frames, is_mouth) in kinds.items()])


def _row(corpus: Corpus, frames: Sequence[Scored], is_mouth: bool) -> Pixels:
    batch, out = corpus.run(corpus.network, [frame.group for frame in frames])
    cell = cell_size(Size(*batch.target.shape[-2:]), CELL_PX)
    points = batch.target_landmarks.cpu().numpy()
    turns, tilts = turn(points), tilt_degrees(points)
    cells = []
    for place, (truth, result) in enumerate(zip(to_pixels(batch.target), to_pixels(out.output), strict=True)):
        if is_mouth:
            truth, result = (with_close_up(picture, points[place], cell) for picture in (truth, result))
            title = f"mouth L1 {frames[place].score:.1f}"
        else:
            title = f"turn {turns[place]:+.2f}, tilt {round(tilts[place]):+d}°"
        cells += [Cell(truth, f"{frames[place].group.video.speaker}: truth"), Cell(result, title)]
    return draw_block([cells], cell)
