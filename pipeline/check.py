"""Checking a finished dataset: every byte against its checksum, and what the bytes say against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline.bank import choose_bank
from pipeline.errors import DatasetError
from pipeline.files import sha256_of
from pipeline.geometry import mouth_openness
from pipeline.manifest import read_manifest
from pipeline.shards import FRAME_SIZE, ShardReader, VideoEntry, dataset_digest, open_dataset
from pipeline.shards.reader import open_shard
from pipeline.shards.schema import ROWS
from pipeline.weights import k_codes, k_table


def check_dataset(root: Path, progress: bool = False) -> tuple[list[str], str]:
    """Verify a dataset.

    Args:
        root: the dataset's folder.
        progress: show a bar.

    Returns:
        One line per defect, each naming its file; and the digest of the dataset as it is on disk.

    Raises:
        DatasetError: there is no dataset to check.
    """
    dataset = open_dataset(root)
    shards: list[dict[str, Any]] = list(dataset.contents["shards"])
    defects: list[str] = []
    sums: dict[str, str] = {}
    kept: dict[str, tuple[str, int]] = {}  # video id -> shard, frames
    for shard in tqdm(shards, desc="checking", unit="shard", disable=not progress or len(shards) < 2):
        path = root / shard["path"]
        if not path.is_file():
            defects.append(f"{path}: missing; run the build again")
            continue
        sums[shard["path"]] = sha256_of(path)
        if sums[shard["path"]] != shard["sha256"]:
            defects.append(f"{path}: its SHA-256 is not that of dataset.json; delete it and run the build again")
        try:
            with ShardReader(path) as reader:
                defects += [f"{path}: {defect}" for defect in _shard_defects(reader, shard, dataset.config)]
                kept.update({entry.id: (shard["path"], entry.row_count) for entry in reader.entries})
        except DatasetError as error:
            defects.append(str(error))
        except (KeyError, ValueError, OSError, RuntimeError) as error:
            defects.append(f"{path}: damaged ({' '.join(str(error).split())}); delete it and run the build again")
    defects += _extra_files(root, shards)
    try:
        defects += _manifest_defects(root, kept)
    except DatasetError as error:
        defects.append(str(error))
    digest = dataset_digest(sums)
    if not defects and digest != dataset.digest:
        defects.append(f"{root / 'dataset.json'}: its digest is not that of the shards it lists; run the build again")
    return defects, digest


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


def _extra_files(root: Path, shards: list[dict[str, Any]]) -> Iterator[str]:
    listed = {shard["path"] for shard in shards}
    for path in sorted((root / "shards").rglob("*")):
        if path.is_file() and path.relative_to(root).as_posix() not in listed:
            yield f"{path}: dataset.json does not list it; delete it"


def _manifest_defects(root: Path, kept: Mapping[str, tuple[str, int]]) -> Iterator[str]:
    path = root / "manifest.csv"
    table = read_manifest(path)
    arrived = table[table["status"] == "ok"]
    said = {row.id: (row.shard, int(row.frames_kept)) for row in arrived.itertuples()}
    for name in sorted(said.keys() | kept.keys()):
        if said.get(name) != kept.get(name):
            yield f"{path}: {name}: says shard and frames {said.get(name)}, the shards say {kept.get(name)}"
    if table["id"].duplicated().any():
        yield f"{path}: ids must be unique"
