"""Checking a finished dataset: every byte against its checksum, and what the bytes say against each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from pipeline.cli import printable
from pipeline.errors import DatasetError
from pipeline.files import sha256_of
from pipeline.geometry import mouth_openness
from pipeline.manifest import MANIFEST_FILE, read_manifest
from pipeline.preparing.bank import choose_bank
from pipeline.preparing.k_map import k_codes, k_table
from pipeline.shards import FRAME_SIZE, Dataset, ShardReader, VideoEntry, dataset_digest, open_dataset
from pipeline.shards.dataset import DATASET_FILE, contents_digest
from pipeline.shards.reader import open_shard
from pipeline.shards.schema import ROWS

_SHARD_PATH = re.compile(r"shards/[^/]+/[^/]+\.h5")  # nothing that dataset.json says leads out of its folder


class Defect(NamedTuple):
    """Something wrong with a dataset."""

    file: Path  # what is broken, or should not be there: without it, the next build makes what is missing
    text: str  # one line

    def __str__(self) -> str:
        return printable(f"{self.file}: {self.text}")


def check_dataset(root: Path, progress: bool = False) -> tuple[list[Defect], str]:
    """Verify a dataset.

    Args:
        root: the dataset's folder.
        progress: show a bar.

    Returns:
        The defects, and the digest of the dataset as it is on disk.

    Raises:
        DatasetError: there is no dataset to check.
    """
    dataset = open_dataset(root)
    table = root / DATASET_FILE
    if dataset.contents.get("contents_sha256") != contents_digest(dataset.contents):
        return [Defect(table, "is not what the build wrote; run the build again")], ""
    shards: list[dict[str, Any]] = list(dataset.contents["shards"])
    if not all(_SHARD_PATH.fullmatch(shard["path"]) for shard in shards):
        return [Defect(table, "names shards outside shards/; run the build again")], ""
    defects: list[Defect] = []
    sums: dict[str, str] = {}
    kept: dict[str, tuple[str, int]] = {}  # video id -> shard, frames
    for shard in tqdm(shards, desc="checking", unit="shard", disable=not progress or len(shards) < 2):
        path = root / shard["path"]
        if not path.is_file():
            defects.append(Defect(path, "missing; run the build again"))
            continue
        sums[shard["path"]] = sha256_of(path)
        if sums[shard["path"]] != shard["sha256"]:
            defects.append(Defect(path, "its SHA-256 is not that of dataset.json; delete it and run the build again"))
        try:
            with ShardReader(path) as reader:
                defects += [Defect(path, text) for text in _shard_defects(reader, shard, dataset.config)]
                kept.update({entry.id: (shard["path"], entry.row_count) for entry in reader.entries})
        except (DatasetError, KeyError, ValueError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).removeprefix(f"{path}: ").split())
            defects.append(Defect(path, f"damaged ({reason}); delete it and run the build again"))
    defects += _extra_files(root, shards)
    defects += _manifest_defects(root, dataset, kept)
    digest = dataset_digest(sums)
    if not defects and digest != dataset.digest:
        defects.append(Defect(table, "its digest is not that of the shards it lists; run the build again"))
    return defects, digest


def repair(root: Path, defects: Sequence[Defect]) -> list[Path]:
    """Remove what is broken, so that the next build makes just that again; returns what was removed.

    `dataset.json` goes too: until the build has run, there is no finished dataset.
    """
    removed = []
    for path in dict.fromkeys([root / DATASET_FILE, *(defect.file for defect in defects)]):
        if path.is_file() or path.is_symlink():
            path.unlink()
            removed.append(path)
    return removed


def _shard_defects(reader: ShardReader, listed: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    rows = len(reader)
    with open_shard(reader.path) as file:
        for name, (shape, dtype) in ROWS.items():
            if name not in file or file[name].shape != (rows, *shape) or file[name].dtype != dtype:
                yield f"{name} must be {dtype.__name__} of shape {(rows, *shape)}"
                return
    entries = reader.entries
    if rows != listed["frames"] or len(entries) != listed["videos"]:
        yield (
            f"has {rows} frames of {len(entries)} videos, dataset.json says {listed['frames']} of {listed['videos']}"
        )
    levels = k_table(config["k_gamma"], config["k_floor"]).levels
    if not np.array_equal(reader.k_levels, levels):
        yield "k_levels are not those of the settings in dataset.json"
    first = 0
    for entry in entries:
        if entry.first_row != first or first + entry.row_count > rows:
            yield f"{entry.id}: its rows must begin at {first} and lie within {rows}, got {entry.first_row}"
            return
        first += entry.row_count
        yield from _video_defects(reader, entry, config)
    if first != rows:
        yield f"{rows - first} rows belong to no video"


def _video_defects(reader: ShardReader, entry: VideoEntry, config: Mapping[str, Any]) -> Iterator[str]:
    rows = slice(entry.first_row, entry.first_row + entry.row_count)
    landmarks, openness = reader.landmarks(rows), reader.mouth_openness(rows)
    if not np.isfinite(landmarks).all():
        yield f"{entry.id}: landmarks must be finite"
        return
    if not np.allclose(openness, mouth_openness(landmarks), atol=1e-3):
        yield f"{entry.id}: mouth_openness is not that of the landmarks"
    bank = entry.first_row + choose_bank(openness, config["bank_size"])
    if entry.bank != tuple(bank):
        yield f"{entry.id}: bank must be {bank.tolist()}, got {list(entry.bank)}"
    if len(np.unique(reader.crop_transform(rows)[:, [0, 1], [0, 1]])) != 1:
        yield f"{entry.id}: the crop's scale must be the same in all frames"
    if (np.diff(reader.frame_index(rows)) <= 0).any():
        yield f"{entry.id}: frame_index must rise"
    for row, points in enumerate(landmarks, entry.first_row):
        expected = k_codes(points, FRAME_SIZE, config["k_gamma"], config["k_floor"])
        if not np.array_equal(reader.k_codes([row])[0], expected):
            yield f"{entry.id}: K of row {row} is not that of its landmarks"
            return
        reader.frames([row])  # decompresses: damage shows


def _extra_files(root: Path, shards: Sequence[Mapping[str, Any]]) -> Iterator[Defect]:
    listed = {shard["path"] for shard in shards}
    for path in sorted((root / "shards").rglob("*")):
        if not path.is_dir() and path.relative_to(root).as_posix() not in listed:
            yield Defect(path, "dataset.json does not list it; delete it")


def _manifest_defects(root: Path, dataset: Dataset, kept: Mapping[str, tuple[str, int]]) -> Iterator[Defect]:
    path = root / MANIFEST_FILE
    if path.is_file() and sha256_of(path) != dataset.contents["manifest_sha256"]:
        yield Defect(path, "is not what the build wrote; delete it and run the build again")
        return
    try:
        table = read_manifest(path)
    except DatasetError as error:
        yield Defect(path, str(error).removeprefix(f"{path}: "))
        return
    arrived = table[table["status"] == "ok"]
    said = {row.id: (row.shard, int(row.frames_kept)) for row in arrived.itertuples()}
    for name in sorted(said.keys() | kept.keys()):
        if said.get(name) != kept.get(name):
            yield Defect(path, f"{name}: says shard and frames {said.get(name)}, the shards say {kept.get(name)}")
    if table["id"].duplicated().any():
        yield Defect(path, "ids must be unique")
