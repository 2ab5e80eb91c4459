"""The door of a dataset: what `dataset.json` and a shard must be before anything of them is believed.

Every command comes through here, by `open_dataset` and `open_shard`. A shard that passes holds nothing but its own
bytes: no link, no other file's data, no more rows than the file has room for. What its rows say is held against
`schema.VALUES` when they are read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.errors import DatasetError
from pipeline.files import read_json
from pipeline.rules import (
    NAME,
    RELATIVE_PATH,
    SHA256,
    SPLIT,
    SPLIT_PATTERN,
    Rule,
    between,
    demand,
    demand_table,
    is_number,
    text,
)
from pipeline.shards.schema import (
    AUDIO,
    AUDIO_VIDEOS,
    DATASET_SCHEMA,
    FRAME_SIZES,
    IMAGES,
    MOST_LEVELS,
    ROWS,
    SHARD_SCHEMA,
    STORAGES,
    VALUES,
    VIDEOS,
    VideoEntry,
    row_shape,
)
from pipeline.shards.streams import FILTERS, chain_of

REMEDY = "get the dataset anew from where it comes, or delete the file and run the build again"
MOST_SETTINGS_DEPTH = 4
MOST_ATTRIBUTE_BYTES = 256
MOST_OBJECTS = 64  # in a group of a shard
MOST_CHUNK_ROWS = 1 << 16
MOST_BANK = 1000
SLACK_BYTES = 16 << 20  # of a shard, beside its rows

_COUNT = between(0, 2**53)
_SPLITS = Rule(
    lambda names: isinstance(names, (dict, list)) and len(names) < 1000 and all(map(SPLIT.holds, names)),
    "the names of splits",
)
CONTENTS: dict[str, Rule] = {
    "digest": SHA256,
    "corpus": text(r"[\w .+-]{1,100}", "a short name"),
    "config": Rule(lambda value: _is_settings(value, MOST_SETTINGS_DEPTH), "settings: names with plain values"),
    "splits": _SPLITS,
    "shards": Rule(lambda value: isinstance(value, list) and all(map(_is_mapping, value)), "a list of mappings"),
    "plan?": NAME,
    "config_digest?": NAME,
    "manifest_sha256?": SHA256,
    "contents_sha256?": SHA256,
    "packages?": Rule(lambda value: _is_settings(value, 1), "names with plain values"),
    "counts?": Rule(lambda value: _is_mapping(value), "a mapping"),
}
SHARD_PATH = text(rf"shards/{SPLIT_PATTERN}/[^/\0.][^/\0]{{0,250}}\.h5", "shards/<split>/<name>.h5")
LISTED: dict[str, Rule] = {
    "path": SHARD_PATH,
    "split": SPLIT,
    "sha256?": SHA256,
    "bytes?": _COUNT,
    "videos?": _COUNT,
    "frames?": _COUNT,
}


class Size(NamedTuple):
    """Of a shard that was found sound."""

    rows: int
    file_bytes: int


def read_contents(path: Path) -> dict[str, Any]:
    """`dataset.json`, checked.

    Raises:
        DatasetError: it is not readable, of another schema, or breaks a rule of `CONTENTS` or `LISTED`.
        FileNotFoundError: there is none.
    """
    contents = read_json(path)
    schema = contents.get("schema") if isinstance(contents, dict) else None
    if schema != DATASET_SCHEMA:
        raise DatasetError(
            f"{path}: dataset schema must be {DATASET_SCHEMA}, got {schema!r:.40}; build the dataset again"
        )
    demand_table(CONTENTS, contents, path, REMEDY)
    for number, shard in enumerate(contents["shards"]):
        demand_table(LISTED, shard, path, REMEDY, f"shards[{number}].")
    paths = [shard["path"] for shard in contents["shards"]]
    demand(Rule(lambda found: len(set(found)) == len(found), "listed once each"), paths, f"{path}: shards", REMEDY)
    return dict(contents)


def shard_below(root: Path, relative: str) -> Path:
    """The path of a shard that `dataset.json` names; no link leads out of the dataset's folder.

    Raises:
        DatasetError: the path leads elsewhere.
    """
    demand(SHARD_PATH, relative, f"{root}: a shard's path", REMEDY)
    path = root
    for part in Path(relative).parts:
        path /= part
        if path.is_symlink():
            raise DatasetError(
                f"{path}: must be no link; a dataset's files lie in its folder: link the whole folder, or copy it"
            )
    return path


def check_shard(file: h5py.File, path: Path) -> Size:
    """Hold an open shard's structure against the schema: links, shapes, types, storage, counts, bytes.

    Raises:
        DatasetError: the rule that is broken.
        OSError, RuntimeError, KeyError, TypeError, ValueError: HDF5 cannot make sense of it.
    """
    size = os.fstat(file.id.get_vfd_handle()).st_size
    _check_schema(file, path)
    for place, group in (("", file.id), ("videos/", h5py.h5g.open(file.id, b"videos"))):
        _check_links(group, place, path)
    rows = _rows_of(file, path)
    side = _frame_size_of(file, path)
    fixed_bytes = sum(_row_bytes(name, side) for name in ROWS if name not in IMAGES)
    sound = _check_audio(file, size, path)
    most_bytes = rows * sum(_row_bytes(name, side) for name in ROWS) * 2 + sound + SLACK_BYTES
    _expect(rows * fixed_bytes <= size, path, f"{rows} rows must have {rows * fixed_bytes} bytes or more, got {size}")
    _expect(size <= most_bytes, path, f"{rows} rows must have at most {most_bytes} bytes, got {size}")
    for name, (_, kind) in ROWS.items():
        shape = (rows, *row_shape(name, side))
        _check_rows(h5py.h5d.open(file.id, name.encode()), name, shape, np.dtype(kind), path)
    levels = h5py.h5d.open(file.id, b"k_levels")
    _check_storage(levels, "k_levels", path)
    fits = levels.dtype == np.float32 and len(levels.shape) == 1 and 1 <= levels.shape[0] <= MOST_LEVELS
    _expect(fits, path, f"k_levels must be 1 to {MOST_LEVELS} float32, got {levels.shape} {levels.dtype}")
    _check_videos(file, rows, size, path)
    return Size(rows, size)


def check_levels(levels: npt.NDArray[np.float32], path: Path) -> None:
    """K's levels lie in [0, 1]."""
    _expect(bool(((levels >= 0) & (levels <= 1)).all()), path, "k_levels must be in [0, 1]")


def check_codes(levels: int, path: Path, codes: npt.NDArray[np.uint8]) -> None:
    """K's codes are numbers of levels."""
    if levels < MOST_LEVELS and codes.size:
        _expect(int(codes.max()) < levels, path, f"k_codes must be below {levels}, the number of k_levels")


def check_values(name: str, path: Path, values: npt.NDArray[Any]) -> None:
    """Hold what was read of a column against `schema.VALUES`.

    Raises:
        DatasetError: a value is out of its range, or no number.
    """
    rule = VALUES.get(name)
    if rule is not None and values.size and not rule.holds(values):
        raise DatasetError(f"{path}: {name} must be {rule.words}; {REMEDY}")


def check_entries(entries: Sequence[VideoEntry], rows: int, samples: int, path: Path) -> None:
    """Hold the videos of a shard against its rows and its samples of sound.

    Raises:
        DatasetError: a name, count or row is out of its range, or ids repeat.
    """
    for entry in entries:
        here = f"{path}: video {entry.id!r:.60}"
        demand(RELATIVE_PATH, entry.id, f"{path}: the id of a video", REMEDY)
        demand(NAME, entry.speaker, f"{here}: speaker", REMEDY)
        first, last = entry.first_row, entry.first_row + entry.row_count
        _expect(is_number(entry.fps) and 0 <= entry.fps < 1e5, here, f"fps must be in [0, 100000), got {entry.fps:g}")
        _expect(0 <= first < last <= rows, here, f"its rows must lie within the shard's {rows}, got {first} to {last}")
        begin, end = entry.first_sample, entry.first_sample + entry.sample_count
        _expect(
            0 <= begin <= end <= samples, here, f"its sound must lie within {samples} samples, got {begin} to {end}"
        )
        inside = all(first <= row < last for row in entry.bank)
        _expect(inside, here, f"its bank must lie within its rows {first} to {last - 1}, got {entry.bank!r:.60}")
    ids = {entry.id for entry in entries}
    _expect(len(ids) == len(entries), path, "ids of videos must differ")


def _check_schema(file: h5py.File, path: Path) -> None:
    schema, storage = _attribute(file, b"schema"), _attribute(file, b"storage")
    if schema != SHARD_SCHEMA:
        raise DatasetError(f"{path}: shard schema must be {SHARD_SCHEMA}, got {schema:.40}; build the dataset again")
    _expect(storage in STORAGES, path, f"storage must be one of {', '.join(STORAGES)}, got {storage:.40}")


def _attribute(file: h5py.File, name: bytes) -> str:
    """An attribute of the file that is one short string; else words for the message."""
    if not h5py.h5a.exists(file.id, name):
        return "None"
    attribute = h5py.h5a.open(file.id, name)
    if attribute.shape != () or attribute.dtype.kind not in "OS" or attribute.get_storage_size() > MOST_ATTRIBUTE_BYTES:
        return "no text"
    value = file.attrs[name.decode()]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _check_links(group: h5py.h5g.GroupID, place: str, path: Path) -> None:
    """Only hard links: soft and external ones lead elsewhere."""
    count = group.get_num_objs()
    _expect(count <= MOST_OBJECTS, path, f"'{place}' must hold at most {MOST_OBJECTS} datasets, got {count}")
    for name in group:
        if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
            raise DatasetError(f"{path}: '{place}{name.decode(errors='replace')}' must be no link; {REMEDY}")


def _rows_of(file: h5py.File, path: Path) -> int:
    for name in ROWS:
        if name.encode() not in file.id:
            raise DatasetError(f"{path}: lacks {name}; {REMEDY}")
    shape = h5py.h5d.open(file.id, b"frames").shape
    return int(shape[0]) if shape else 0


def _frame_size_of(file: h5py.File, path: Path) -> int:
    shape = h5py.h5d.open(file.id, b"frames").shape
    side = shape[1] if len(shape) > 1 else 0
    words = f"frames must have sides of {FRAME_SIZES[0]} to {FRAME_SIZES[-1]} pixels, in steps of {FRAME_SIZES.step}"
    _expect(side in FRAME_SIZES, path, f"{words}, got shape {shape}")
    return int(side)


def _check_rows(
    dataset: h5py.h5d.DatasetID, name: str, shape: tuple[int, ...], kind: np.dtype[Any], path: Path
) -> None:
    """The rows of one column: whole ones, plain or in a stream that is known."""
    found = f"{dataset.shape} {dataset.dtype}"
    _expect(
        dataset.shape == shape and dataset.dtype == kind, path, f"{name} must be {kind} of shape {shape}, got {found}"
    )
    filters = _check_storage(dataset, name, path)
    layout = dataset.get_create_plist()
    if layout.get_layout() == h5py.h5d.CHUNKED:
        chunk = layout.get_chunk()
        most = 1 if filters else MOST_CHUNK_ROWS
        fits = chunk[1:] == shape[1:] and 1 <= chunk[0] <= most
        _expect(fits, path, f"{name} must be in chunks of whole rows, of one row where compressed, got {chunk}")
    known = filters in FILTERS and (not filters or name in IMAGES)
    _expect(known, path, f"{name} must be plain or compressed in a way that is known, got filters {filters}")


def _check_storage(dataset: h5py.h5d.DatasetID, name: str, path: Path) -> tuple[int, ...]:
    """That the data lie in this file, in a way that is known; returns the filters' numbers."""
    layout = dataset.get_create_plist()
    kind = layout.get_layout()
    inside = kind in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED, h5py.h5d.COMPACT) and not layout.get_external_count()
    _expect(inside, path, f"the data of {name} must lie in this very file")
    return chain_of(layout)


def _check_videos(file: h5py.File, rows: int, size: int, path: Path) -> None:
    """The shapes and types of the `videos/` group, and the length of its strings, which HDF5 would fetch unasked."""
    group = h5py.h5g.open(file.id, b"videos")
    counts = set()
    columns = {**VIDEOS, **(AUDIO_VIDEOS if AUDIO.encode() in file.id else {})}
    for name, rule in columns.items():
        dataset = h5py.h5d.open(group, name.encode())
        filters = _check_storage(dataset, f"videos/{name}", path)
        shape, dtype = dataset.shape, dataset.dtype
        _expect(not filters and len(shape) == rule.dimensions, path, f"videos/{name} must be {rule.words}, got {shape}")
        counts.add(shape[0])
        if rule.kind is None:
            _check_strings(dataset, f"videos/{name}", size, path)
        else:
            _expect(dtype == rule.kind, path, f"videos/{name} must be {rule.words}, got {dtype}")
        if rule.dimensions == 2:
            _expect(1 <= shape[1] <= MOST_BANK, path, f"videos/{name} must have 1 to {MOST_BANK} rows, got {shape[1]}")
    fits = len(counts) == 1 and 0 <= min(counts) <= max(rows, 1)
    _expect(fits, path, f"videos/ must hold at most {rows} videos in each column, got {sorted(counts)}")


def _check_audio(file: h5py.File, size: int, path: Path) -> int:
    """The bytes of the sound, if there is any: plain 16-bit samples that lie in the file."""
    if AUDIO.encode() not in file.id:
        return 0
    dataset = h5py.h5d.open(file.id, AUDIO.encode())
    filters, shape = _check_storage(dataset, AUDIO, path), dataset.shape
    contiguous = dataset.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
    fits = dataset.dtype == np.int16 and len(shape) == 1 and contiguous and not filters
    _expect(fits and 2 * shape[0] <= size, path, f"{AUDIO} must be plain int16 samples, got {shape} {dataset.dtype}")
    return int(2 * shape[0])


def _check_strings(dataset: h5py.h5d.DatasetID, name: str, size: int, path: Path) -> None:
    """Each string is a length (4 bytes), an address (8) and a number (4); contiguous, as the writer has them."""
    is_text = h5py.check_string_dtype(dataset.dtype)
    plain = dataset.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS and is_text is not None
    _expect(plain and is_text.length is None, path, f"{name} must be strings of any length")
    count, begin = dataset.shape[0], dataset.get_offset()
    if not count:
        return
    _expect(begin is not None and begin + 16 * count <= size, path, f"{name} must hold {count} strings")
    file = h5py.h5i.get_file_id(dataset)
    stored = os.pread(file.get_vfd_handle(), 16 * count, begin)
    longest = int(np.frombuffer(stored, "<u4")[::4].max())
    _expect(longest <= 4096, path, f"{name} must be strings of at most 4096 bytes, got {longest}")


def _row_bytes(name: str, frame_size: int) -> int:
    return int(np.prod(row_shape(name, frame_size), dtype=np.int64)) * np.dtype(ROWS[name][1]).itemsize


def _expect(holds: bool, place: Path | str, words: str) -> None:
    if not holds:
        raise DatasetError(f"{place}: {words}; {REMEDY}")


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict)


def _is_settings(value: object, depth: int) -> bool:
    """A mapping whose values are plain, or mappings again, not too deep."""
    if not isinstance(value, Mapping) or depth < 0 or len(value) > 1000:
        return False
    return all(
        _is_settings(each, depth - 1) if isinstance(each, Mapping) else _is_plain(each) for each in value.values()
    )


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= 1000 and all(map(_is_plain, value))
    return value is None or isinstance(value, bool) or is_number(value) or NAME.holds(value)
