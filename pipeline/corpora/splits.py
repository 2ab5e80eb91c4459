"""Training and test: who goes where."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable

from pipeline.corpora.source import one_name

TEST_FRACTION = 0.25
# What folders of ready splits are called, and what is in them.
SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training", "trainset", "trainval", "pretrain"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "testset", "eval", "evaluation"), "test"),
}


def seeded_splits(names: Iterable[str], seed: int) -> dict[str, str]:
    """`train` or `test` for each name: a quarter, those of the smallest hash with the seed, test.

    Two or more names give at least one of each. Names that differ only in case, in Unicode's form or in space around
    them may well mean one person (or one file), and go together.
    """
    together: dict[str, list[str]] = {}
    for name in names:
        together.setdefault(one_name(name).casefold(), []).append(name)
    first = {key: min(alike) for key, alike in together.items()}
    order = sorted(together, key=lambda key: hashlib.sha256(os.fsencode(f"{seed}:{first[key]}")).digest())
    count = round(TEST_FRACTION * len(order))
    if len(order) > 1:
        count = min(max(count, 1), len(order) - 1)
    places = {key: "test" if place < count else "train" for place, key in enumerate(order)}
    return {name: places[key] for key, alike in together.items() for name in alike}


def splits_of_folders(names: Iterable[str]) -> dict[str, str]:
    """The splits that some folders beside each other are named as; `dev` is what trains where nothing else does.

    Where a word of every name is that of a split (`vox2_dev`, `vox2_test`), and not of the same one, that counts too.
    """
    names = list(names)
    words = {name: key for name in names if (key := one_name(name).casefold()) in SPLIT_FOLDERS}
    if not words:
        inside = {name: re.findall(r"[^\W\d_]+", one_name(name).casefold()) for name in names}
        words = {name: key for name, parts in inside.items() for key in parts if key in SPLIT_FOLDERS}
        if len(words) < len(names) or len({SPLIT_FOLDERS[key] for key in words.values()}) < 2:
            return {}
    splits = {name: SPLIT_FOLDERS[key] for name, key in words.items()}
    if "train" not in splits.values():
        splits.update({name: "train" for name, key in words.items() if key == "dev"})
    return splits
