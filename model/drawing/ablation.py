"""Figure 4: the networks of the ablation beside the truth, with the mouth enlarged in a red square."""

from __future__ import annotations

from collections.abc import Mapping

from model.config import ModelConfig, Size
from model.drawing.choice import apart, widest_mouths
from model.drawing.corpora import Corpus
from model.drawing.panel import CELL_PX, Cell, captioned, draw_block, with_close_up
from model.pictures import Pixels, cell_size, to_pixels
from model.trained import Trained

TRUTH, FULL = "GT", "A+W"
ALIASES = {"5B": FULL}
"""The full network is both the last of the banks and the last of the streams, and stands twice, as in the paper."""
COLUMNS = (TRUTH, "1B", "3B", "5B", "A", "W", FULL)
EXAMPLES = 4


def label(config: ModelConfig) -> str:
    """What the paper calls such a network: 1B, 3B (images in the bank), A, W (one stream), or A+W, the full one."""
    if config.streams == "both":
        name = FULL if config.bank_size == 5 else f"{config.bank_size}B"
    else:
        stream = {"warp": "W", "appearance": "A"}[config.streams]
        name = stream if config.bank_size == 5 else f"{stream} {config.bank_size}B"
    return name if config.guide == "none" else f"{name} guided"  # not the published network


def columns_of(networks: Mapping[str, Trained]) -> dict[str, Trained]:
    """Networks by the titles of their columns in the paper's order; a second one of a kind by the name of its run."""
    found: dict[str, Trained] = {}
    for name, network in networks.items():
        title = label(network.flnet.config)
        found[title if title not in found else name] = network
    for alias, title in ALIASES.items():
        if title in found:
            found[alias] = found[title]
    first = [title for title in COLUMNS if title in found]
    return {title: found[title] for title in (*first, *(title for title in found if title not in first))}


def missing_columns(networks: Mapping[str, Trained]) -> list[str]:
    """The paper's columns for which there is no network."""
    return [title for title in COLUMNS if title != TRUTH and title not in columns_of(networks)]


def ablation_block(corpus: Corpus) -> Pixels:
    """A row an example, the frame of a video in which the mouth is open farthest: the truth and every network."""
    groups = [frame.group for frame in apart(widest_mouths(corpus.groups), EXAMPLES)]
    columns = {title: corpus.run(network, groups) for title, network in columns_of(corpus.networks).items()}
    # The truth at the size of the largest network.
    largest = max((batch for batch, _ in columns.values()), key=lambda batch: batch.target.shape[-1])
    cell = cell_size(Size(*largest.target.shape[-2:]), CELL_PX)
    pictures = {TRUTH: (largest.target, largest.target_landmarks)}
    pictures |= {title: (out.output, batch.target_landmarks) for title, (batch, out) in columns.items()}
    drawn = {
        title: [
            with_close_up(picture, points, cell)
            for picture, points in zip(to_pixels(images), landmarks.cpu().numpy(), strict=True)
        ]
        for title, (images, landmarks) in pictures.items()
    }
    rows = [
        [Cell(drawn[title][row], title if row == 0 else "") for title in drawn]  # titles above the first row alone
        for row in range(len(groups))
    ]
    return captioned(draw_block(rows, cell), f"Speakers {', '.join(group.video.speaker for group in groups)}")
