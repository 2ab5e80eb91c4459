"""Training and test: who goes where, and signs that one person may have come to be in both."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from pipeline.corpora.source import Source, named, one_name
from pipeline.corpora.tree import bare_stem

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
    """The splits that some folders beside each other are named as; `dev` is what trains where nothing else does."""
    splits = {name: SPLIT_FOLDERS[key] for name in names if (key := one_name(name).casefold()) in SPLIT_FOLDERS}
    if "train" not in splits.values():
        splits.update({name: "train" for name in splits if one_name(name).casefold() == "dev"})
    return splits


def leak_warnings(sources: Sequence[Source]) -> list[str]:
    """Signs that somebody is in two splits under several names, a line each with the remedy."""
    found = [_alike_files(sources), _alike_folders(sources)]
    return [warning for warning in found if warning]


def _alike_files(sources: Sequence[Source]) -> str:
    """Files that are a speaker each and begin alike: `1001_DFA_ANG_XX.mp4`, `1001_IEO_HAP_LO.mp4`."""
    alone = {s.id: s for s in sources if one_name(bare_stem(PurePosixPath(s.id).name)) == s.speaker}
    beginnings: list[tuple[str, Callable[[str], str]]] = [
        (r"([^/_. -]+)[^/]*$", lambda stem: re.split(r"[_. -]", stem)[0]),
        (r"([^/]*?)[\W_]*\d+\.[^/]*$", lambda stem: re.sub(r"[\W_]*\d+$", "", stem)),
    ]
    for pattern, beginning in beginnings:
        groups: dict[str, list[Source]] = {}
        for source in alone.values():
            if start := beginning(source.speaker):
                groups.setdefault(start, []).append(source)
        across = [group for group in groups.values() if len({source.split for source in group}) > 1]
        if across and len(groups) > 1:  # a beginning that all have in common says nothing
            count = sum(len(group) for group in across)
            examples = named([source.id for source in max(across, key=len)])
            return (
                f"{count} files that begin alike are in different splits ({examples}): if that names a person, one is "
                f"in both; add --speaker-pattern '{pattern}'"
            )
    return ""


def _alike_folders(sources: Sequence[Source]) -> str:
    """Folders of one name below different speakers: `Speech/Actor_01` and `Song/Actor_01`."""
    below: dict[str, dict[str, Source]] = {}
    speakers = {source.speaker for source in sources}
    for source in sources:
        parts = PurePosixPath(source.id).parts
        if len(parts) > 2 and one_name(parts[0]) == source.speaker:
            below.setdefault(one_name(parts[1]), {})[source.speaker] = source
    across = {
        name: having
        for name, having in below.items()
        # What most speakers have is a way of filing (`video`, `session1`), no name of a person.
        if 1 < len(having) < len(speakers) / 2 and len({source.split for source in having.values()}) > 1
    }
    if not across:
        return ""
    having = next(iter(across.values()))
    examples = named(["/".join(PurePosixPath(source.id).parts[:2]) for source in having.values()])
    return (
        f"{len(across)} folders of one name lie below speakers of different splits ({examples}): if they show one "
        "person, that person is in both; add --speaker-pattern '^[^/]+/([^/]+)/'"
    )
