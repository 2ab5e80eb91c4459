"""All cases, in an order that a seed decides; kinds are those that `docs/reliability.md` counts."""

from __future__ import annotations

import random

from tests.hostile import arrays, corpora, folders, pictures, shards, tables, trouble, weights
from tests.hostile.case import Case
from tests.hostile.world import World


def all_cases(clean: World, seed: int) -> list[Case]:
    """Every case; what is drawn by chance is drawn by the seed."""
    dice = random.Random(seed)
    return [
        *shards.of_values(dice),
        *shards.of_bytes(dice),
        *tables.of_dataset(clean, dice),
        *tables.of_manifest(clean, dice),
        *tables.of_records(clean, dice),
        *tables.of_runs(clean, dice),
        *weights.of_content(clean, dice),
        *weights.of_bytes(dice),
        *arrays.of_landmarks(dice),
        *arrays.of_csv(dice),
        *arrays.of_tracks(dice),
        *pictures.of_pictures(dice),
        *folders.of_folders(dice),
        *corpora.of_corpora(dice),
        *trouble.of_signals(dice),
        *trouble.of_disks(dice),
        *trouble.of_memory(dice),
        *trouble.of_surroundings(dice),
        *trouble.of_two(dice),
    ]
