"""Signs that one person may have come to be in two splits, under several names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from pipeline.corpora.source import Source, named, one_name
from pipeline.corpora.tree import bare_stem

FOLDER_INSIDE = "^[^/]+/([^/]+)/"
# What of a file's name may say who it is: its first part, all but a number or a capital letter at the end, its last
# part, and the last number of a name of numbers (`01-01-06-01-02-01-12`).
FIRST_PART = r"([^/_. -]+)[^/]*$"
BEGINNINGS = (FIRST_PART, r"([^/]*?)[\W_]*\d+\.[^/]*$", r"([^/]*[a-z0-9])[A-Z]\.[^/]*$")
ENDS = (r"[_. -]([^\W\d_]+)\.[^/.]*$", r"(?:^|/)(?:\d+[_. -]){2,}(\d+)\.[^/.]*$")
# Folders so called sort videos by something else than people.
FILING = re.compile(
    r"(session|sess|day|date|week|take|batch|scene|set|disc|disk|cam|camera|view|angle|front|left|right|up|down|top|"
    r"happy|happiness|sad|sadness|angry|anger|neutral|calm|fear|fearful|disgust|disgusted|contempt|surprise|surprised|"
    r"speech|song|singing|speaking|video|videos|clip|clips|recording|recordings|real|fake|indoor|outdoor)[\W_]*\d*"
)


def leak_warnings(sources: Sequence[Source]) -> list[str]:
    """What seems to be one person in several splits, a line each with the remedy."""
    found = [_alike_files(sources), _alike_folders(sources) or _alike_inside(sources) or _filed(sources)]
    return [warning for warning in found if warning]


def _alike_files(sources: Sequence[Source]) -> str:
    """Files that are a speaker each and have a part of their names in common: `1001_DFA_ANG_XX`, `1001_IEO_HAP_LO`."""
    alone = [s for s in sources if one_name(bare_stem(PurePosixPath(s.id).name)) == s.speaker]
    found: dict[str, dict[str, list[Source]]] = {}
    for pattern in BEGINNINGS + ENDS:
        groups: dict[str, list[Source]] = {}
        for source in alone:
            match = re.search(pattern, one_name(source.id))
            groups.setdefault((match[1] if match else "") or source.speaker, []).append(source)
        # A part that all have in common says nothing, nor does an end that one group has.
        enough = len(groups) > 1 if pattern in BEGINNINGS else sum(len(group) > 1 for group in groups.values()) > 1
        if enough and any(map(_is_across, groups.values())) and groups not in found.values():
            found[pattern] = groups
    if not found:
        return ""
    count, examples = _across(next(iter(found.values())))
    patterns = [f"--speaker-pattern '{pattern}'" for pattern in found]
    if len(found) > 1:
        patterns = [f"for {named(groups)} {text}" for text, groups in zip(patterns, found.values(), strict=True)]
    how = "begin" if set(found) & set(BEGINNINGS) else "end"
    return (
        f"{count} files that {how} alike are in different splits ({examples}): if that names a person, one is "
        f"in both; add {', or '.join(patterns)}"
    )


def _is_across(group: Sequence[Source]) -> bool:
    return len({source.split for source in group}) > 1


def _across(groups: Mapping[str, Sequence[Source]]) -> tuple[int, str]:
    """How many clips are in groups that are in several splits, and examples of the largest of those."""
    across = [group for group in groups.values() if _is_across(group)]
    return sum(map(len, across)), named([source.id for source in max(across, key=len)])


def _alike_folders(sources: Sequence[Source]) -> str:
    """Folders of one name below different speakers: `Speech/Actor_01` and `Song/Actor_01`."""
    below: dict[str, dict[str, Source]] = {}
    speakers = {source.speaker for source in sources}
    for source in sources:
        parts = PurePosixPath(source.id).parts
        if len(parts) > 2 and one_name(parts[0]) == source.speaker:
            below.setdefault(one_name(parts[1]), {})[source.speaker] = source
    shared = {name: having for name, having in below.items() if _is_across(list(having.values()))}
    # What most speakers have is a way of filing (`video`, `session1`), no name of a person: unless that makes more.
    people = {name for name in shared if FILING.fullmatch(name.casefold()) is None}
    many = len(people) > len(speakers)
    across = {
        name: having for name, having in shared.items() if len(having) < len(speakers) / 2 or (many and name in people)
    }
    if not across:
        return ""
    having = next(iter(across.values()))
    examples = named(["/".join(PurePosixPath(source.id).parts[:2]) for source in having.values()])
    return (
        f"{len(across)} folders of one name lie below speakers of different splits ({examples}): if they show one "
        f"person, that person is in both; add --speaker-pattern '{FOLDER_INSIDE}'"
    )


def _alike_inside(sources: Sequence[Source]) -> str:
    """More beginnings of files' names in common than folders: `happy/1001_DFA`, `sad/1001_IEO`."""
    groups: dict[str, list[Source]] = {}
    for source in sources:
        path = PurePosixPath(source.id)
        stem = bare_stem(path.name)
        first, *more = re.split(r"[_. -]", one_name(stem))
        if len(path.parts) > 1 and one_name(path.parts[0]) == source.speaker and (more or first.isalpha()):
            groups.setdefault(first, []).append(source)
    shared = {name: group for name, group in groups.items() if _is_across(group)}
    if len(shared) <= len({source.speaker for source in sources}):
        return ""
    count, examples = _across(shared)
    return (
        f"{count} files that begin alike lie below speakers of different splits ({examples}): if that names a person, "
        f"one is in both; add --speaker-pattern '{FIRST_PART}'"
    )


def _filed(sources: Sequence[Source]) -> str:
    """Speakers that are called `session1`, `happy` or `front`."""
    speakers = sorted({source.speaker for source in sources if "/" in source.id})
    if len(speakers) < 2 or not all(FILING.fullmatch(name.casefold()) for name in speakers):
        return ""
    deeper = all(len(PurePosixPath(source.id).parts) > 2 for source in sources)
    return (
        f"the folders at the top are taken for the speakers, but are named as if they were none ({named(speakers)}): "
        f"if one person is in several, add --speaker-pattern '{FOLDER_INSIDE if deeper else FIRST_PART}'"
    )
