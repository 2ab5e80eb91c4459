"""Which test frames a figure shows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from model.config import Size
from model.data.sampler import Group
from model.drawing.corpora import Corpus
from model.drawing.faces import Values
from model.evaluation.metrics import hull_mask, mean_inside, region_mask
from model.evaluation.protocol import cut
from model.pixels import LEVELS_PER_UNIT
from pipeline.geometry import MOUTH, Points, mouth_openness
from pipeline.shards import ShardReader

BATCH_SIZE = 8


@dataclass(frozen=True)
class Scored:
    """A frame, and how much it is what a figure looks for.

    Attributes:
        group: the frame alone, and the bank that it is made from.
        score: the higher, the more.
    """

    group: Group
    score: float


@dataclass(frozen=True)
class Seen:
    """A frame as a network makes it.

    Attributes:
        group: the frame alone, and the bank that it was made from.
        mouth_l1: in the box about the mouth, 0-255.
        decision: see `mask_decision`.
    """

    group: Group
    mouth_l1: float
    decision: float


def spread_over_speakers(groups: Sequence[Group], count: int) -> list[Group]:
    """The first video of up to `count` speakers, spread over all."""
    first: dict[str, Group] = {}
    for group in groups:
        first.setdefault(group.video.speaker, group)
    found = list(first.values())
    count = min(count, len(found))
    return [found[(2 * place + 1) * len(found) // (2 * count)] for place in range(count)]


def spread_over_openness(group: Group, count: int) -> Group:
    """The group with some of its targets, from a closed to an open mouth, or all where it has fewer."""
    with ShardReader(group.video.shard) as shard:
        order = np.argsort(shard.mouth_openness(group.target_rows), kind="stable")
    places = np.rint(np.linspace(0, len(order) - 1, min(count, len(order)))).astype(int)
    return replace(group, target_rows=tuple(group.target_rows[place] for place in order[places]))


def best_of_each(groups: Sequence[Group], score: Callable[[Points], Values]) -> list[Scored]:
    """Of every video the frame whose landmarks score highest; `score` is given all target frames of a video."""
    found = []
    for group in groups:
        with ShardReader(group.video.shard) as shard:
            values = score(shard.landmarks(group.target_rows))
        best = int(np.argmax(values))
        found.append(Scored(replace(group, target_rows=(group.target_rows[best],)), float(values[best])))
    return found


def widest_mouths(groups: Sequence[Group]) -> list[Scored]:
    """Of every video the frame in which the mouth is open farthest."""
    return best_of_each(groups, lambda landmarks: mouth_openness(landmarks).astype(np.float64))


def apart(frames: Sequence[Scored], count: int) -> list[Scored]:
    """The `count` frames that score highest, of different speakers as long as there are others, then of other videos.

    Returns:
        Fewer where there are fewer; the highest first.
    """
    order = sorted(frames, key=lambda frame: -frame.score)  # stable: equal ones stay in order
    keys: tuple[Callable[[Scored], Hashable], ...] = (
        lambda frame: frame.group.video.speaker,
        lambda frame: frame.group.video.id,
        lambda frame: frame.group.target_rows,
    )
    chosen: list[Scored] = []
    for key in keys:
        for frame in order:
            if len(chosen) < count and key(frame) not in {key(other) for other in chosen}:
                chosen.append(frame)
    return sorted(chosen, key=lambda frame: -frame.score)


def look_at(corpus: Corpus, most: int, progress: bool = False) -> list[Seen]:
    """The corpus's first network at work on up to `most` test frames, spread evenly over all."""
    total = sum(len(group.target_rows) for group in corpus.groups)
    stride = -(-total // most)
    # The stride runs through all frames, so that short videos are not overrepresented.
    rows = [(group, row) for group in corpus.groups for row in group.target_rows][stride // 2 :: stride]
    thinned = [
        replace(group, target_rows=tuple(row for owner, row in rows if owner is group)) for group in corpus.groups
    ]
    seen = []
    parts = cut([group for group in thinned if group.target_rows], BATCH_SIZE)
    for group in tqdm(parts, f"{corpus.name}: choosing frames", unit=" batches", disable=not progress):
        batch, out = corpus.run(corpus.network, [group])
        size = Size(*batch.target.shape[-2:])
        errors = LEVELS_PER_UNIT * (out.output - batch.target).abs().mean(dim=1)
        mouth = mean_inside(errors, region_mask(batch.target_landmarks[:, MOUTH], size))
        decision = mask_decision(out.selection_masks, hull_mask(batch.target_landmarks, size).to(mouth.device))
        for row, l1, decided in zip(group.target_rows, mouth.tolist(), decision.tolist(), strict=True):
            seen.append(Seen(replace(group, target_rows=(row,)), l1, decided))
    return seen


def mask_decision(selection_masks: Tensor, inside: Tensor) -> Tensor:
    """How decidedly the masks choose different bank images in different places, in nats.

    The entropy of M_w's mean over the pixels less the mean of its entropy (the mutual information of place and bank
    image): 0 where every pixel mixes alike or all take one image, ln N where each image rules a share of its own.

    Args:
        selection_masks: M_w (B, N, 1, H, W).
        inside: (B, H, W) of 0 and 1, the pixels that count.

    Returns:
        (B,), 0 where no pixel counts.
    """
    weights = (inside / inside.flatten(1).sum(1).clamp(min=1)[:, None, None])[:, None]
    masks = selection_masks[:, :, 0]
    mean = (masks * weights).sum(dim=(2, 3))
    of_mean = -torch.xlogy(mean, mean).sum(1)
    of_pixels = -(torch.xlogy(masks, masks) * weights).sum(dim=(1, 2, 3))
    return of_mean - of_pixels
