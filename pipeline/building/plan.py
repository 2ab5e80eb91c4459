"""The plan of a build: the frozen list of videos, cut into chunks, each of which becomes one shard."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, TypeVar

from pipeline import files
from pipeline.corpora import Inventory, Source, as_inventory
from pipeline.errors import BuildError, FlnetError, InputError
from pipeline.files import atomic_write, read_json
from pipeline.layout import shard_name
from pipeline.settings import Settings, digest_of

T = TypeVar("T")

MAX_CHUNK = 64
MIN_CHUNKS = 8  # a small corpus is cut finer, so that every worker has something to do


@dataclass(frozen=True)
class Chunk:
    """Videos of one split, prepared by one task and kept in one shard."""

    name: str  # differs whenever the videos or the settings differ
    split: str
    videos: tuple[Source, ...]

    @property
    def shard(self) -> str:
        """The shard's path below the dataset."""
        return shard_name(self.split, self.name)


@dataclass(frozen=True)
class Plan:
    """Everything that a build's result depends on, beside the pixels."""

    corpus: str  # timit, faceforensics, folder or table
    settings: Settings
    chunks: tuple[Chunk, ...]

    @property
    def digest(self) -> str:
        """Twelve digits that name the build."""
        return digest_of([self.corpus, [chunk.name for chunk in self.chunks]])

    @cached_property
    def by_name(self) -> dict[str, Chunk]:
        """The chunks by their names."""
        return {chunk.name: chunk for chunk in self.chunks}

    @property
    def videos(self) -> list[Source]:
        """All videos, sorted by id."""
        return sorted((video for chunk in self.chunks for video in chunk.videos), key=lambda video: video.id)


def make_plan(corpus: str, sources: Sequence[Source], settings: Settings) -> Plan:
    """Cut a corpus into chunks: of one split, whole speakers together where they fit, at most `MAX_CHUNK` videos.

    The borders depend on the list and the settings only.
    """
    limit = min(MAX_CHUNK, max(1, -(-len(sources) // MIN_CHUNKS)))
    chunks = []
    for split in sorted({source.split for source in sources}):
        ours = sorted((s for s in sources if s.split == split), key=lambda s: (s.speaker, s.id))
        for number, videos in enumerate(_pack(ours, limit)):
            digest = digest_of([settings.digest, [_identity(video) for video in videos]])
            chunks.append(Chunk(f"{split}-{number:04d}-{digest}", split, tuple(videos)))
    return Plan(corpus, settings, tuple(chunks))


def _identity(video: Source) -> list[Any]:
    """What a shard's name depends on; a clip's id says all about the clip."""
    return [video.id, video.speaker, video.split, *([video.excluded] if video.excluded else [])]


def _pack(sources: Sequence[Source], limit: int) -> list[list[Source]]:
    """Speakers of more than `limit` videos are cut into equal parts; smaller ones are packed together in order."""
    packs: list[list[Source]] = []
    open_pack = False
    for _, group in groupby(sources, key=lambda source: source.speaker):
        videos = list(group)
        if len(videos) > limit:
            count = -(-len(videos) // limit)
            borders = [round(part * len(videos) / count) for part in range(count + 1)]
            packs += [videos[a:b] for a, b in pairwise(borders)]
            open_pack = False
        elif open_pack and len(packs[-1]) + len(videos) <= limit:
            packs[-1] += videos
        else:
            packs.append(videos)
            open_pack = True
    return packs


def save_inventory(path: Path, inventory: Inventory, first_wins: bool = True) -> None:
    """Freeze an inventory. Of hosts that do so at the same time, the first decides for all.

    Raises:
        InputError: it is longer than what is read back.
    """
    _save(path, json.dumps(inventory.to_dict(), indent=0), len(inventory), first_wins)


def load_inventory(path: Path) -> Inventory:
    """A frozen inventory.

    Raises:
        BuildError: the file is damaged.
    """
    return _load(path, lambda values: as_inventory(Inventory.from_dict(values)))


def save_plan(path: Path, plan: Plan) -> None:
    """Write a plan for the tasks of a build, on whichever host, to read.

    Raises:
        InputError: it is longer than what is read back.
    """
    chunks = [{"name": c.name, "split": c.split, "videos": [v.to_dict() for v in c.videos]} for c in plan.chunks]
    values = {"corpus": plan.corpus, "settings": plan.settings.to_dict(), "chunks": chunks}
    _save(path, json.dumps(values), len(plan.videos))


def _save(path: Path, text: str, videos: int, first_wins: bool = False) -> None:
    if len(text) > files.MOST_JSON_BYTES:  # ASCII
        raise InputError(
            f"{path}: {videos} videos are too many for one dataset, whose list may have {files.MOST_JSON_BYTES} bytes "
            f"and would have {len(text)}; build several, and join them by flnet merge"
        )
    with atomic_write(path, first_wins) as temporary:
        temporary.write_text(text, encoding="utf-8")


def load_plan(path: Path) -> Plan:
    """The inverse of `save_plan`.

    Raises:
        BuildError: the file is missing or damaged, or holds another plan than its name says.
    """
    plan = _load(path, _plan)
    if plan.digest != path.stem or plan != make_plan(plan.corpus, plan.videos, plan.settings):
        raise BuildError(f"{path}: is not the plan of its name; delete it and build again, finished work is kept")
    return plan


def _plan(values: Mapping[str, Any]) -> Plan:
    chunks = tuple(
        Chunk(chunk["name"], chunk["split"], tuple(Source.from_dict(video) for video in chunk["videos"]))
        for chunk in values["chunks"]
    )
    return Plan(values["corpus"], Settings.from_dict(values["settings"]), chunks)


def _load(path: Path, read: Callable[[Any], T]) -> T:
    try:
        return read(read_json(path))
    except (OSError, FlnetError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BuildError(
            f"{path}: cannot be read ({error}); delete it and build again, finished work is kept"
        ) from error
