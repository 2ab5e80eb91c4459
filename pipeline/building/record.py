"""The record of a finished chunk: its shard, and what became of each video; a file of `work/chunks/`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.building.plan import Chunk
from pipeline.errors import BuildError
from pipeline.files import atomic_write
from pipeline.layout import chunk_file
from pipeline.result import VideoResult


@dataclass(frozen=True)
class ChunkResult:
    """A finished chunk: its shard, if any video arrived, and what became of each video."""

    name: str
    split: str
    shard: str | None  # path below the dataset
    sha256: str
    bytes: int
    results: list[VideoResult] = field(default_factory=list)
    settings: str = ""  # their digest

    @property
    def is_transient(self) -> bool:
        """Whether another try may well give more."""
        return any(result.is_transient for result in self.results)


def chunk_done(out: Path, chunk: Chunk) -> bool:
    """Whether a chunk is recorded as finished and its shard is there in full length."""
    try:
        done = load_chunk(chunk_file(out, chunk.name))
    except (FileNotFoundError, BuildError):  # a damaged record is written anew
        return False
    if done.shard is None:
        return True
    shard = out / done.shard
    return shard.is_file() and shard.stat().st_size == done.bytes


def save_chunk(path: Path, done: ChunkResult) -> None:
    """Record a finished chunk."""
    values = {**vars(done), "results": [vars(result) for result in done.results]}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values), encoding="utf-8")


def load_chunk(path: Path) -> ChunkResult:
    """The inverse of `save_chunk`.

    Raises:
        BuildError: the file is damaged.
        FileNotFoundError: the chunk is not finished.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return ChunkResult(**{**values, "results": [VideoResult(**result) for result in values["results"]]})
    except (ValueError, TypeError, KeyError) as error:
        raise BuildError(f"{path}: cannot be read ({error}); delete it and build again") from error


def load_chunks(paths: Iterable[Path]) -> list[ChunkResult]:
    """The records that are there and sound."""
    found = []
    for path in paths:
        try:
            found.append(load_chunk(path))
        except (FileNotFoundError, BuildError):
            continue
    return found
