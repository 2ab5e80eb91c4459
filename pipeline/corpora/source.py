"""What a corpus consists of: its clips, what of its folder was left aside, and the door that every list passes."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, overload

from pipeline.errors import InputError
from pipeline.rules import from_json
from pipeline.shards.dataset import split_warnings

SPLITS = ("train", "val", "test")
PICTURES_FPS = 25.0  # of a folder of pictures whose row does not say
NAMED_AT_MOST = 3  # examples in a message; dataset.json has them all

Box = tuple[float, float, float, float]
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Clip:
    """A part of a file, or a folder of pictures: what a row of a table may say beyond a path.

    Attributes:
        path: below the corpus root, POSIX; a video, or a folder whose pictures are the frames.
        start, end: seconds from the beginning of the file: frames at `start` and later, before `end`. None: all.
        box: (left, top, right, bottom) around the face to follow, in pixels of the picture as shown, or in shares of
            its width and height where all four are at most 1. None: the main face.
        fps: of a video, frames a second to keep, each the nearest in time; of pictures, the rate they were taken at.
    """

    path: str
    start: float | None = None
    end: float | None = None
    box: Box | None = None
    fps: float | None = None


@dataclass(frozen=True)
class Source:
    """One clip that a build reads.

    Attributes:
        id: unique; the file's path below the corpus root, POSIX, with its extension, and what a table says beyond it.
        speaker, split: who speaks; where to.
        clip: which part of which file; None: the whole file that `id` names.
        excluded: first and last frame number of the stretches that the user does not want.
    """

    id: str
    speaker: str
    split: str
    clip: Clip | None = None
    excluded: Ranges = ()

    @property
    def path(self) -> str:
        """The file (or folder of pictures) below the corpus root, POSIX."""
        return self.id if self.clip is None else self.clip.path

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; what says nothing is left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Source:
        """The inverse of `to_dict`, also after JSON made lists of tuples."""
        return from_json(Source, values)


@dataclass(frozen=True)
class Skipped:
    """A folder of which nothing is read."""

    folder: str  # below the corpus root, POSIX
    why: str  # a few words for the user, the remedy among them
    videos: int | None = None  # in it; None where it was not entered


@dataclass(frozen=True)
class Inventory(Sequence[Source]):
    """The clips of a corpus, whose sequence it is, and what of its folder is none.

    Attributes:
        sources: the clips.
        other_files: files that are no videos, by suffix (lower case; "(none)", "(hidden)").
        skipped: folders of which nothing is read.
        warnings: what looks wrong, a line each with the remedy.
        excluded: ids of clips that the user does not want, and which are none of `sources`.
    """

    sources: list[Source]
    other_files: dict[str, int] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    @overload
    def __getitem__(self, place: int) -> Source: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Source]: ...

    def __getitem__(self, place: int | slice) -> Source | Sequence[Source]:
        return self.sources[place]

    def __len__(self) -> int:
        return len(self.sources)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "sources": [source.to_dict() for source in self.sources]}

    @staticmethod
    def from_dict(values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Inventory:
        """The inverse of `to_dict`; also of the bare list that earlier versions wrote."""
        if not isinstance(values, Mapping):
            return Inventory([Source.from_dict(source) for source in values])
        return from_json(Inventory, values)

    def notes(self) -> dict[str, Any]:
        """What `dataset.json` says of the corpus beside the clips."""
        frames_of = [source.id for source in self.sources if source.excluded]
        left_aside = {
            "other_files": self.other_files,
            "skipped": [asdict(skipped) for skipped in self.skipped],
            "excluded": {"clips": self.excluded, "frames_of": frames_of},
        }
        return {"left_aside": left_aside, "warnings": self.warnings}


def left_aside_lines(left_aside: Mapping[str, Any]) -> list[str]:
    """What `Inventory.notes` says was left aside, a line for each reason."""
    lines = []
    counts = sorted(left_aside["other_files"].items(), key=lambda item: (-item[1], item[0]))
    if counts:
        total = sum(count for _, count in counts)
        what = "file that is no video" if total == 1 else "files that are no videos"
        lines.append(f"{total} {what} ({', '.join(f'{count} {suffix}' for suffix, count in counts)})")
    by_reason: dict[str, list[Mapping[str, Any]]] = {}
    for skipped in left_aside["skipped"]:
        by_reason.setdefault(skipped["why"], []).append(skipped)
    for why, folders in sorted(by_reason.items()):
        videos = sum(folder["videos"] or 0 for folder in folders)
        held = f"{_many(videos, 'video')} in " if videos else ""
        lines.append(f"{held}{_many(len(folders), 'folder')}, {why}: {named(folder['folder'] for folder in folders)}")
    excluded = left_aside["excluded"]
    for what, ids in (("", excluded["clips"]), ("frames of ", excluded["frames_of"])):
        if ids:
            lines.append(f"{what}{_many(len(ids), 'clip')} excluded: {named(ids)}")
    return lines


def as_inventory(sources: Sequence[Source]) -> Inventory:
    """The clips of a corpus, checked at the door and sorted by id.

    Raises:
        InputError: an id is there twice or leads out of the corpus, a name is missing, a split is none of `SPLITS`,
            or one person is in two splits.
    """
    inventory = sources if isinstance(sources, Inventory) else Inventory(list(sources))
    ids: set[str] = set()
    splits: dict[str, str] = {}
    speakers = {one_name(source.speaker) for source in inventory.sources}
    for source in inventory.sources:
        path = PurePosixPath(source.path)
        if not source.id or path.is_absolute() or ".." in path.parts:
            raise InputError(f"{source.id!r}: must be a path below the corpus root")
        if source.id in ids:
            raise InputError(f"{source.id}: is in the list of clips twice; an id must be unique")
        ids.add(source.id)
        if not source.speaker.strip():
            raise InputError(f"{source.id}: has no speaker; name one")
        if source.split not in SPLITS:
            raise InputError(f"{source.id}: its split must be one of {', '.join(SPLITS)}, got '{source.split}'")
        first = splits.setdefault(one_name(source.speaker), source.split)
        if first != source.split and len(speakers) > 1:
            raise InputError(
                f"{source.id}: speaker '{source.speaker}' is in {source.split} and in {first}; one person belongs in "
                "one split: mend the list, or give two people two names"
            )
    warnings = inventory.warnings
    if len(speakers) == 1 and len({source.split for source in inventory.sources}) > 1:
        only = f"'{inventory.sources[0].speaker}' is the only speaker, so that training and test show the same person"
        only += "; if there are several, say who is who (--speaker-pattern of BuildFolder, or a table)"
        warnings = [only, *(warning for warning in warnings if warning != only)]
    return replace(inventory, sources=sorted(inventory.sources, key=lambda source: source.id), warnings=warnings)


def warned_of_single_clips(inventory: Inventory) -> Inventory:
    """The inventory with a warning where a speaker has no other clip to take a bank from."""
    clips = Counter(source.speaker for source in inventory.sources)
    alone = sorted(speaker for speaker, count in clips.items() if count == 1)
    if not alone:
        return inventory
    have = (
        "speaker has a single clip, whose bank is" if len(alone) == 1 else "speakers have a single clip, whose bank is"
    )
    warning = f"{len(alone)} {have} then its own in spite of --bank-from other ({named(alone)})"
    return replace(inventory, warnings=[*inventory.warnings, warning])


def warned_of_splits(inventory: Inventory) -> Inventory:
    """The inventory with a warning of what its splits lack."""
    people: dict[str, set[str]] = {}
    for source in inventory.sources:
        people.setdefault(source.split, set()).add(one_name(source.speaker))
    lacking = split_warnings({split: len(names) for split, names in people.items()})
    return replace(inventory, warnings=[*inventory.warnings, *lacking])


def one_name(name: str) -> str:
    """A name as it is compared: in Unicode's composed form (NFC), without space around it."""
    return unicodedata.normalize("NFC", name).strip()


def named(names: Any, most: int = NAMED_AT_MOST) -> str:
    """Some names for a message, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
