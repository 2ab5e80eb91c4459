"""Figure 5: the bank over the masks that select from it, the truth in a blue box and the result in a red one."""

from __future__ import annotations

from collections.abc import Sequence

from model.config import Size
from model.drawing.choice import Scored, Seen, apart, best_of_each
from model.drawing.corpora import Corpus
from model.drawing.faces import open_mouth_shut_eyes
from model.drawing.panel import (
    CELL_PX,
    RESULT_COLOUR,
    TRUTH_COLOUR,
    Cell,
    captioned,
    draw_block,
    stacked,
)
from model.pictures import Pixels, cell_size, to_greys, to_pixels
from pipeline.errors import InputError

OF_EACH_KIND = 2


def check_masks(corpus: Corpus) -> None:
    """Refuse a network without masks.

    Raises:
        InputError: the corpus's first network has the appearance stream alone.
    """
    if corpus.network.flnet.config.streams == "appearance":
        raise InputError(
            f"{corpus.network.checkpoint}: Figure 5 shows selection masks, and a network with streams=appearance has "
            "none; name another one first, or choose figures with --only"
        )


def masks_block(corpus: Corpus, seen: Sequence[Seen]) -> Pixels:
    """Frames with an open mouth and shut eyes, as the text describes, and those whose masks choose most decidedly.

    Each: the truth and the bank above, the result and M_w below, white for 1.
    """
    shut = apart(best_of_each(corpus.groups, open_mouth_shut_eyes), OF_EACH_KIND)
    shown = [frame.group.target_rows for frame in shut]
    decided = [Scored(frame.group, frame.decision) for frame in seen if frame.group.target_rows not in shown]
    kinds = {"open mouth, shut eyes": shut, "the masks choose most decidedly": apart(decided, OF_EACH_KIND)}
    blocks = [
        captioned(_block(corpus, frame), f"{frame.group.video.speaker}: {kind}")
        for kind, frames in kinds.items()
        for frame in frames
    ]
    return stacked(blocks)


def _block(corpus: Corpus, frame: Scored) -> Pixels:
    batch, out = corpus.run(corpus.network, [frame.group])
    truth, result = to_pixels(batch.target)[0], to_pixels(out.output)[0]
    bank, masks = to_pixels(batch.bank[0]), to_greys(out.selection_masks[0, :, 0])
    above = [Cell(truth, "truth", TRUTH_COLOUR)]
    above += [Cell(picture, f"bank {i + 1}") for i, picture in enumerate(bank)]
    below = [Cell(result, "result", RESULT_COLOUR)]
    below += [Cell(mask, f"mask {i + 1}") for i, mask in enumerate(masks)]
    return draw_block([above, below], cell_size(Size(*truth.shape[:2]), CELL_PX))
