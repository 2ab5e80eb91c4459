"""One dataset of several: shards as they are, proved by their checksums, splits kept, nobody in two of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import log
from pipeline.building.finish import counts_of, splits_of
from pipeline.corpora.exclude import read_unwanted
from pipeline.corpora.source import named, one_name
from pipeline.errors import DatasetError, InputError
from pipeline.files import UNFINISHED, atomic_write, sha256_of, walk_own
from pipeline.layout import DATASET_FILE, MANIFEST_FILE, shard_name
from pipeline.manifest import read_manifest, read_rows, result_of_row, write_rows
from pipeline.result import VideoResult
from pipeline.settings import digest_of, flat_settings
from pipeline.shards import Dataset, Part, VideoEntry, dataset_digest, merge_shards, open_dataset
from pipeline.shards.dataset import contents_digest
from pipeline.shards.reader import proven_entries
from pipeline.shards.schema import DATASET_SCHEMA
from pipeline.shards.validate import shard_below

# Settings that say which frames are taken and how they are packed, not what a frame is: these may differ.
FREE = ("storage", "min_face_px", "max_padding", "min_seconds", "scenes", "after_damage")
MERGED = "merged"  # the corpus of a dataset that several were made to


@dataclass(frozen=True)
class Move:
    """A shard on its way: what it is here, and what of it is wanted there."""

    source: Path
    sha256: str
    listed: str  # its path below its own dataset
    split: str
    path: str  # below the new dataset
    wanted: tuple[VideoEntry, ...]
    whole: bool  # all of its videos are wanted


def merge_datasets(
    roots: Sequence[Path],
    out: Path,
    exclude: Path | None = None,
    copy: bool = False,
    bank_from: str | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Make one dataset of several; they stay as they are.

    A shard is linked, or copied where that cannot be; one of which not all is wanted is written anew, its frames as
    they are stored. `dataset.json` comes last: killed before, the same call goes on.

    Args:
        roots: their folders, two or more.
        out: folder for the new one, new or empty.
        exclude: file of ids to leave out of all but the first of them, one a line.
        copy: copy also what could be linked.
        bank_from: the new one's; needed where the others differ.
        progress: show a bar.

    Returns:
        What the new `dataset.json` says.

    Raises:
        InputError: ids collide, a person would be in two splits, settings differ, or `out` cannot be used.
        DatasetError: one of them is damaged.
    """
    if len(roots) < 2:
        raise InputError(f"{roots[0]}: a merge takes two datasets or more")
    datasets = [_open(root) for root in roots]
    _demand_alike(datasets)
    bank_from = bank_from or _same_bank(datasets)
    tables = [_rows(dataset) for dataset in datasets]
    unwanted = _unwanted(exclude, tables[1:])
    wanted = [tables[0], *([row for row in table if row["id"] not in unwanted] for table in tables[1:])]
    _demand_unique(roots, wanted)
    moves = [_moves(dataset, unwanted if number else set()) for number, dataset in enumerate(datasets)]
    _demand_one_split_each(roots, moves)
    every = [move for ours in moves for move in ours]
    _demand_room(roots, out, every)
    with log.progress(every, "merging", unit="shards", disable=not progress) as bar:
        shards = [_move(move, out, copy) for move in bar]
    places = [{move.listed: move.path for move in ours} for ours in moves]
    rows = [
        {**row, "shard": there[row["shard"]] if row["status"] == "ok" else ""}
        for there, table in zip(places, wanted, strict=True)
        for row in table
    ]
    write_rows(out / MANIFEST_FILE, rows)
    contents = _contents(datasets, bank_from, shards, [_result(out / MANIFEST_FILE, row) for row in rows])
    contents["manifest_sha256"] = sha256_of(out / MANIFEST_FILE)
    contents["contents_sha256"] = contents_digest(contents)
    with atomic_write(out / DATASET_FILE) as temporary:
        temporary.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
    return contents


def _open(root: Path) -> Dataset:
    dataset = open_dataset(root)
    if dataset.contents.get("contents_sha256") != contents_digest(dataset.contents):
        raise DatasetError(f"{root / DATASET_FILE}: is not what the build wrote; run python -m pipeline check {root}")
    return dataset


def _demand_alike(datasets: Sequence[Dataset]) -> None:
    first = flat_settings(datasets[0].config)
    for other in datasets[1:]:
        theirs = flat_settings(other.config)
        names = sorted(n for n in first.keys() | theirs.keys() if n not in FREE and first.get(n) != theirs.get(n))
        if names:
            words = ", ".join(f"{name} ({first.get(name)} there, {theirs.get(name)} here)" for name in names)
            raise InputError(f"{other.root}: differs from {datasets[0].root} in {words}; build it with the same")


def _same_bank(datasets: Sequence[Dataset]) -> str:
    for other in datasets[1:]:
        if other.bank_from != datasets[0].bank_from:
            raise InputError(
                f"{other.root}: bank_from is {other.bank_from}, that of {datasets[0].root} {datasets[0].bank_from}; "
                "say which with --bank-from"
            )
    return datasets[0].bank_from


def _rows(dataset: Dataset) -> list[dict[str, str]]:
    path = dataset.root / MANIFEST_FILE
    read_manifest(path)  # whether it is one
    if sha256_of(path) != dataset.contents.get("manifest_sha256"):
        raise DatasetError(f"{path}: is not what the build wrote; run python -m pipeline check {dataset.root}")
    return list(read_rows(path))


def _unwanted(file: Path | None, tables: Sequence[Sequence[Mapping[str, str]]]) -> set[str]:
    if file is None:
        return set()
    lines, _ = read_unwanted(file)
    known = {row["id"] for table in tables for row in table}
    for name, frames in lines.items():
        if frames is not None:
            raise InputError(f"{file}: names frames of {name!r}; a merge leaves out whole videos")
        if name not in known:
            raise InputError(f"{file}: {name!r} is an id of none of the datasets behind the first; see manifest.csv")
    return set(lines)


def _demand_unique(roots: Sequence[Path], tables: Sequence[Sequence[Mapping[str, str]]]) -> None:
    owners: dict[str, Path] = {}
    for root, table in zip(roots, tables, strict=True):
        twice = [row["id"] for row in table if row["id"] in owners]
        if twice:
            raise InputError(
                f"{root}: {len(twice)} of its ids are in {owners[twice[0]]} as well ({named(twice)}); leave them out "
                "with --exclude FILE"
            )
        owners.update(dict.fromkeys((row["id"] for row in table), root))


def _demand_one_split_each(roots: Sequence[Path], moves: Sequence[Sequence[Move]]) -> None:
    """A person is a speaker's name, as a build compares it, and who is in a source is the same person as well."""
    first: dict[str, tuple[Path, str]] = {}
    for root, ours in zip(roots, moves, strict=True):
        across: dict[str, str] = {}
        for move in ours:
            for entry in move.wanted:
                marks = [f"speaker {one_name(entry.speaker).casefold()}"]
                marks += [f"source {entry.source_sha256}"] if entry.source_sha256.strip("0") else []
                for mark in marks:
                    owner, split = first.setdefault(mark, (root, move.split))
                    if split != move.split:
                        across.setdefault(entry.speaker, f"{entry.speaker}: {split} of {owner}, {move.split} here")
        if across:
            raise InputError(
                f"{root}: {len(across)} speakers would be in two splits ({named(across.values())}); leave their videos "
                "out with --exclude FILE, or build it with the same split"
            )


def _moves(dataset: Dataset, unwanted: set[str]) -> list[Move]:
    shards = dataset.contents["shards"]
    paths = [shard_below(dataset.root, shard["path"]) for shard in shards]
    moves = []
    for shard, path, entries in zip(shards, paths, proven_entries(paths), strict=True):
        if "sha256" not in shard:
            raise DatasetError(f"{path}: {DATASET_FILE} must give its SHA-256; build the dataset again")
        wanted = tuple(entry for entry in entries if entry.id not in unwanted)
        if wanted:
            name = digest_of([shard["sha256"], [entry.id for entry in wanted]])
            # As a build would call it; the number says nothing here.
            there = shard_name(shard["split"], f"{shard['split']}-0000-{name}")
            whole = len(wanted) == len(entries)
            moves.append(Move(path, shard["sha256"], shard["path"], shard["split"], there, wanted, whole))
    return moves


def _demand_room(roots: Sequence[Path], out: Path, moves: Sequence[Move]) -> None:
    there = out.resolve()
    for root in roots:
        if there == root.resolve() or root.resolve() in there.parents or there in root.resolve().parents:
            raise InputError(f"{out}: must lie apart from {root}; name another --out")
    ours = {out / move.path for move in moves} | {out / MANIFEST_FILE}
    for path in walk_own(out):
        if UNFINISHED.fullmatch(path.name) and not path.is_symlink():
            path.unlink(missing_ok=True)
        elif path not in ours:
            raise InputError(f"{out}: must be a new or empty folder, got {path.name} in it; name another --out")


def _move(move: Move, out: Path, copy: bool) -> dict[str, Any]:
    """Bring a shard to the new dataset; returns its row of `dataset.json`.

    Raises:
        DatasetError: its bytes are not those that its dataset lists.
    """
    path = out / move.path
    if not move.whole:
        if sha256_of(move.source) != move.sha256:
            raise _changed(move.source)
        if not path.is_file():
            merge_shards(path, [Part(move.source, entry.id, entry.speaker) for entry in move.wanted])
    elif not path.is_file() or sha256_of(path) != move.sha256:
        with atomic_write(path) as temporary:
            if not copy:
                with suppress(OSError):  # another disk, or one that knows no links
                    os.link(move.source, temporary)
            if not temporary.is_file():
                shutil.copyfile(move.source, temporary)
            if sha256_of(temporary) != move.sha256:
                raise _changed(move.source)
    return {
        "path": move.path,
        "split": move.split,
        "sha256": move.sha256 if move.whole else sha256_of(path),
        "bytes": path.stat().st_size,
        "videos": len(move.wanted),
        "frames": sum(entry.row_count for entry in move.wanted),
    }


def _changed(path: Path) -> DatasetError:
    return DatasetError(
        f"{path}: its SHA-256 is not that of {DATASET_FILE}; run python -m pipeline check on its dataset"
    )


def _result(path: Path, row: Mapping[str, str]) -> VideoResult:
    try:
        return result_of_row(row)
    except (KeyError, ValueError, TypeError) as error:
        raise DatasetError(f"{path}: row {row.get('id')!r} is no row of a manifest ({error})") from error


def _contents(
    datasets: Sequence[Dataset], bank_from: str, shards: Sequence[Mapping[str, Any]], results: Sequence[VideoResult]
) -> dict[str, Any]:
    packages: dict[str, dict[str, None]] = {}
    for dataset in datasets:
        for name, version in dataset.contents.get("packages", {}).items():
            packages.setdefault(name, {})[str(version)] = None
    corpora, origins = ({dataset.contents.get(name) for dataset in datasets} for name in ("corpus", "origin"))
    return {
        "schema": DATASET_SCHEMA,
        "corpus": corpora.pop() if len(corpora) == 1 else MERGED,
        "plan": digest_of([dataset.digest for dataset in datasets]),
        "digest": dataset_digest({shard["path"]: shard["sha256"] for shard in shards}),
        "config": datasets[0].config,
        "config_digest": digest_of(datasets[0].config),
        "packages": {name: " or ".join(versions) for name, versions in packages.items()},
        "splits": splits_of(results),
        "counts": counts_of(results),
        "bank_from": bank_from,
        **({"origin": origins.pop()} if len(origins) == 1 and None not in origins else {}),
        "merged": [
            {name: dataset.contents.get(name) for name in ("digest", "corpus", "config", "packages", "counts")}
            for dataset in datasets
        ],
        "shards": list(shards),
    }
