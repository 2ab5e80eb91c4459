"""`dataset.json`, the table of contents of a finished dataset: reading, and the digest that proves its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError
from pipeline.layout import DATASET_FILE
from pipeline.shards.reader import proven_entries
from pipeline.shards.schema import FRAME_SIZE, FRAME_SIZES
from pipeline.shards.validate import read_contents, shard_below

BANKS_FROM = ("own", "other")  # where a target's bank comes from: its own video, or another one of its speaker


@dataclass(frozen=True)
class Video:
    """One video of a dataset and where its rows are."""

    id: str
    speaker: str
    split: str
    shard: Path
    first_row: int
    row_count: int
    fps: float
    bank: tuple[int, ...]  # rows of the shard's `frames`
    first_sample: int = 0  # of the shard's sound, if it has any
    sample_count: int = 0


@dataclass(frozen=True)
class Dataset:
    """A finished dataset; see `open_dataset`."""

    root: Path
    contents: Mapping[str, Any]  # dataset.json

    @property
    def digest(self) -> str:
        """The dataset's digest, the one that `python -m pipeline check` prints."""
        return str(self.contents["digest"])

    @property
    def corpus(self) -> str:
        """The kind of corpus: `timit`, `faceforensics`, `folder`, `table`."""
        return str(self.contents["corpus"])

    @property
    def bank_from(self) -> str:
        """Where a target's bank comes from, one of `BANKS_FROM` (`--bank-from` of the build).

        Raises:
            DatasetError: it is none of them.
        """
        # Datasets of earlier versions do not say: the paper's protocol for TCD-TIMIT then held for that corpus alone.
        chosen = str(self.contents.get("bank_from", "other" if self.corpus == "timit" else "own"))
        if chosen not in BANKS_FROM:
            path = self.root / DATASET_FILE
            raise DatasetError(f"{path}: bank_from must be one of {', '.join(BANKS_FROM)}, got '{chosen}'")
        return chosen

    @property
    def config(self) -> dict[str, Any]:
        """The settings that the dataset was built with."""
        return dict(self.contents["config"])

    @property
    def frame_size(self) -> int:
        """Side of the frames in pixels (`--frame-size` of the build).

        Raises:
            DatasetError: it is none that frames can have.
        """
        size = self.config.get("frame_size", FRAME_SIZE)
        if size not in FRAME_SIZES:
            raise DatasetError(f"{self.root / DATASET_FILE}: frame_size cannot be {size!r:.40}")
        return int(size)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that hold at least one video."""
        return tuple(sorted(self.contents["splits"]))

    @property
    def warnings(self) -> list[str]:
        """What its user should know before training on it: what its build said, and what its splits lack."""
        sizes, said = self.contents["splits"], self.contents.get("warnings")
        speakers = {name: sizes[name].get("speakers") if isinstance(sizes, Mapping) else None for name in sizes}
        return list(dict.fromkeys([*(map(str, said) if isinstance(said, list) else ()), *split_warnings(speakers)]))

    def shard_paths(self, split: str | None = None) -> list[Path]:
        """Where the shards of a split (or all) lie.

        Raises:
            DatasetError: a link leads elsewhere.
        """
        shards = [shard for shard in self.contents["shards"] if split in (None, shard["split"])]
        return [shard_below(self.root, shard["path"]) for shard in shards]

    def videos(self, split: str) -> list[Video]:
        """The videos of a split, sorted by speaker and id.

        Raises:
            DatasetError: no such split, or a shard is missing or damaged.
        """
        if split not in self.splits:
            raise DatasetError(f"{self.root}: there is no split '{split}'; the dataset has {', '.join(self.splits)}")
        paths = self.shard_paths(split)
        videos = [
            Video(
                *(e.id, e.speaker, split, path, e.first_row, e.row_count, e.fps, e.bank),
                first_sample=e.first_sample,
                sample_count=e.sample_count,
            )
            for path, entries in zip(paths, proven_entries(paths), strict=True)
            for e in entries
        ]
        return sorted(videos, key=lambda video: (video.speaker, video.id))


def split_warnings(speakers: Mapping[str, object]) -> list[str]:
    """What splits lack that training and measuring want.

    Args:
        speakers: how many each split has; None where that is not known.
    """
    found = []
    if not {"test", "val"} & set(speakers):
        found.append("there is no test split: nothing can be measured on people whom the network has not seen")
    if speakers.get("train") == 1:
        found.append("there is one speaker to train on: the network will know this face alone")
    return found


def open_dataset(root: str | Path) -> Dataset:
    """Open the dataset in a folder.

    Raises:
        DatasetError: there is none, or it is not what `dataset.json` must be (`pipeline.shards.validate`).
    """
    path = Path(root) / DATASET_FILE
    try:
        contents = read_contents(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            f"{path}: no finished dataset here; build one first, or finish the build that is there"
        ) from error
    return Dataset(Path(root), contents)


def dataset_digest(shard_sums: Mapping[str, str]) -> str:
    """The digest of a dataset: SHA-256 over its shards' paths and SHA-256 sums, in the order of the paths.

    Args:
        shard_sums: path below the dataset's root (POSIX) -> SHA-256 of the file, hexadecimal.
    """
    lines = "".join(f"{total}  {path}\n" for path, total in sorted(shard_sums.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def contents_digest(contents: Mapping[str, Any]) -> str:
    """SHA-256 of what `dataset.json` says, this digest itself left out."""
    said = {name: value for name, value in contents.items() if name != "contents_sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
