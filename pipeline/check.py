"""Checking a finished dataset: every byte against its checksum, and what the bytes say against each other."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline import log
from pipeline.child_process import Answer, CrashError, in_children, watchdog
from pipeline.cli import printable
from pipeline.errors import BuildError, DatasetError, InputError, UnreadableError
from pipeline.files import UNFINISHED, has_no_link, is_own_file, regular_size, sha256_of, walk_own
from pipeline.geometry import mouth_openness
from pipeline.layout import DATASET_FILE, MANIFEST_FILE, SHARDS, removed_file
from pipeline.manifest import MOST_BYTES, read_manifest
from pipeline.preparing.bank import choose_bank
from pipeline.preparing.k_map import k_codes, k_table, pixel_side
from pipeline.preparing.sound import sound_length
from pipeline.settings import Settings, recorded_settings
from pipeline.shards import Dataset, ShardReader, VideoEntry, dataset_digest, open_dataset
from pipeline.shards.dataset import contents_digest
from pipeline.shards.reader import PATIENCE_CPU_SECONDS
from pipeline.shards.schema import SHARD_NAME
from pipeline.shards.validate import shard_below

# What a build writes below shards/: a finished shard, or one that a killed build left unfinished.
_OURS = re.compile(f"{SHARD_NAME.pattern}|{UNFINISHED.pattern}")
ROW_CPU_SECONDS = 0.1  # many times what checking a row takes
_AGAIN = "run the build again"


class Defect(NamedTuple):
    """Something wrong with a dataset."""

    file: Path
    text: str  # one line
    broken: bool = False  # no longer what a build wrote: taken away by `repair`, so that the next build makes it again

    def __str__(self) -> str:
        return printable(f"{self.file}: {self.text}")


@dataclass(frozen=True)
class Sample:
    """A part of a dataset's shards, the same ones whenever the dataset is the same: so many, or that share of them."""

    count: int = 0
    percent: float = 0.0

    @staticmethod
    def of(text: str) -> Sample:
        """What `--sample` says: `20` or `5%`.

        Raises:
            InputError: it is neither, or nothing.
        """
        number = text.removesuffix("%")
        try:
            sample = Sample(percent=float(number)) if text.endswith("%") else Sample(count=int(number))
        except ValueError:
            sample = Sample()
        if not (sample.count > 0 or 0 < sample.percent <= 100):
            raise InputError(f"--sample must be a number of shards, or a percentage such as 5%, got '{text}'")
        return sample

    def choose(self, dataset: Dataset) -> set[str]:
        """The paths of the shards, at least one: those of the smallest hashes with the dataset's digest."""
        paths = [shard["path"] for shard in dataset.contents["shards"]]
        count = self.count or max(1, round(self.percent / 100 * len(paths)))
        return set(sorted(paths, key=lambda path: hashlib.sha256(f"{dataset.digest}:{path}".encode()).digest())[:count])


def check_dataset(
    root: Path, progress: bool = False, jobs: int = 1, sample: Sample | None = None
) -> tuple[list[Defect], str]:
    """Verify a dataset.

    Args:
        root: the dataset's folder.
        progress: show a bar, and how large the sample is.
        jobs: processes that read shards side by side; what is found, and in which order, does not depend on it.
        sample: which shards to read; of the others only presence and length are looked at. None: all.

    Returns:
        The defects, and the digest of the dataset as it is on disk; "" where not every shard was read.

    Raises:
        DatasetError: there is no dataset to check.
        BuildError, OSError, MemoryError: the machine cannot read what is sound.
    """
    try:
        dataset = open_dataset(root)
    except UnreadableError as error:
        return [Defect(root / DATASET_FILE, _words(error, root / DATASET_FILE), broken=True)], ""
    table = root / DATASET_FILE
    if dataset.contents.get("contents_sha256") != contents_digest(dataset.contents):
        return [Defect(table, f"is not what the build wrote; {_AGAIN}", broken=True)], ""
    settings = recorded_settings(
        dataset.config, table, ("frame_size", "bank_size", "after_damage", "k_gamma", "k_floor")
    )
    if "merged" in dataset.contents:  # of datasets some of which may have kept what follows damage
        settings = replace(settings, after_damage="keep")
    shards: list[dict[str, Any]] = list(dataset.contents["shards"])
    chosen = {shard["path"] for shard in shards} if sample is None else sample.choose(dataset)
    if len(chosen) < len(shards) and progress:
        log.note(printable(f"{root}: a sample: {len(chosen)} of {len(shards)} shards are read"))
    defects: list[Defect] = []
    sums: dict[str, str] = {}
    kept: dict[str, tuple[str, int]] = {}  # video id -> shard, frames
    work = [(root, shard, settings, shard["path"] in chosen) for shard in shards]
    with in_children(_look_at, work, max(1, min(jobs, len(shards)))) as answers:
        bar = log.progress(
            answers, "checking", total=len(shards), unit="shards", disable=not progress or len(shards) < 2
        )
        for shard, answer in zip(shards, bar, strict=True):
            looked = _outcome(answer)
            defects += [Defect(root / shard["path"], text, broken) for text, broken in looked.defects]
            if looked.sha256:
                sums[shard["path"]] = looked.sha256
            kept.update({name: (shard["path"], frames) for name, frames in looked.frames.items()})
    defects += _extra_files(root, shards)
    defects += _manifest_defects(root, dataset, kept)
    if len(chosen) < len(shards):
        return defects, ""
    digest = dataset_digest(sums)
    if not defects and digest != dataset.digest:
        defects.append(Defect(table, f"its digest is not that of the shards it lists; {_AGAIN}", broken=True))
    return defects, digest


def repair(root: Path, defects: Sequence[Defect]) -> dict[Path, Path]:
    """Move what is broken to `work/removed/`, so that the next build makes just that again.

    `dataset.json` goes too: until the build has run, there is no finished dataset. Only files go whose content is no
    longer what a build wrote, of names that a build makes, in the dataset's own folders: nothing behind a link.

    Returns:
        Where each file that was moved is now.
    """
    broken = [defect.file for defect in defects if defect.broken]
    moved = {}
    for path in dict.fromkeys([*broken, *([root / DATASET_FILE] if broken else [])]):
        place = removed_file(root, path)
        if _is_ours(root, path) and is_own_file(root, path) and has_no_link(root, place.parent):
            place.parent.mkdir(parents=True, exist_ok=True)
            moved[path] = path.replace(_free(place))
    return moved


def _free(place: Path) -> Path:
    """A name that nothing has yet."""
    more = (place.with_name(f"{place.name}.{number}") for number in itertools.count(1))
    return next(name for name in itertools.chain([place], more) if not os.path.lexists(name))


class _Looked(NamedTuple):
    """What became of looking at a shard."""

    defects: list[tuple[str, bool]]  # text, whether it is broken
    sha256: str = ""  # where the file was read
    frames: Mapping[str, int] = {}  # of each video, where the shard can be believed


def _outcome(answer: Answer[_Looked]) -> _Looked:
    try:
        return answer.result()
    except CrashError as error:
        return _Looked([(f"it crashes what reads it ({error}); get the dataset anew from where it comes", False)])


def _look_at(root: Path, listed: Mapping[str, Any], settings: Settings, read: bool) -> _Looked:
    """Verify one shard, in a child process: HDF5 may fall over what is in it.

    Args:
        read: what is in it; False looks at presence and length alone.
    """
    path = root / listed["path"]
    try:
        size = regular_size(shard_below(root, listed["path"]), kind=DatasetError)
    except FileNotFoundError:
        return _Looked([(f"missing; {_AGAIN}", False)])
    except DatasetError as error:
        return _Looked([(_words(error, path), False)])
    if size != listed.get("bytes", size):  # it may be a terabyte of nothing
        return _Looked([(f"has {size} bytes, {DATASET_FILE} says {listed['bytes']}; {_AGAIN}", True)])
    if not read:
        return _Looked([])
    sha256 = sha256_of(path)
    if sha256 != listed.get("sha256"):
        return _Looked([(f"its SHA-256 is not that of {DATASET_FILE}; delete it and {_AGAIN}", True)], sha256)
    try:
        defects, frames = _content(path, listed, settings)
    except UnreadableError as error:
        raise BuildError(
            f"{path}: its SHA-256 is right, yet it cannot be read ({_words(error, path)}); is memory short, or a "
            "library missing? nothing was removed"
        ) from error
    except DatasetError as error:
        return _Looked([(_words(error, path), False)], sha256)
    return _Looked([(text, False) for text in defects], sha256, frames)


def _content(path: Path, listed: Mapping[str, Any], settings: Settings) -> tuple[list[str], dict[str, int]]:
    """What the rows of a shard say against each other, and the frames of each video."""
    with ShardReader(path) as reader:
        with watchdog(PATIENCE_CPU_SECONDS, busy=True):
            rows = len(reader)
        with watchdog(PATIENCE_CPU_SECONDS + ROW_CPU_SECONDS * rows, busy=True):
            defects = list(_shard_defects(reader, listed, settings))
            return defects, {entry.id: entry.row_count for entry in reader.entries}


def _words(error: Exception, path: Path) -> str:
    return " ".join(str(error).removeprefix(f"{path}: ").split())


def _shard_defects(reader: ShardReader, listed: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    rows, entries = len(reader), reader.entries
    said = (listed.get("frames"), listed.get("videos"))
    if (rows, len(entries)) != said:
        yield f"has {rows} frames of {len(entries)} videos, dataset.json says {said[0]} of {said[1]}"
    if reader.frame_size != settings.frame_size:
        yield f"its frames are of {reader.frame_size} pixels, those of dataset.json of {settings.frame_size}"
        return
    levels = k_table(settings.k_gamma, settings.k_floor, pixel_side(settings.frame_size)).levels
    if not np.array_equal(reader.k_levels, levels):
        yield "k_levels are not those of the settings in dataset.json"
    first = 0
    for entry in entries:
        if entry.first_row != first or first + entry.row_count > rows:
            yield f"{entry.id}: its rows must begin at {first} and lie within {rows}, got {entry.first_row}"
            return
        first += entry.row_count
        yield from _video_defects(reader, entry, settings)
    if first != rows:
        yield f"{rows - first} rows belong to no video"


def _video_defects(reader: ShardReader, entry: VideoEntry, settings: Settings) -> Iterator[str]:
    rows = slice(entry.first_row, entry.first_row + entry.row_count)
    landmarks, openness = reader.landmarks(rows), reader.mouth_openness(rows)
    if not np.allclose(openness, mouth_openness(landmarks), atol=1e-3):
        yield f"{entry.id}: mouth_openness is not that of the landmarks"
    yield from _bank_defects(entry, openness, settings)
    if len(np.unique(reader.crop_transform(rows)[:, [0, 1], [0, 1]])) != 1:
        yield f"{entry.id}: the crop's scale must be the same in all frames"
    if (np.diff(reader.frame_index(rows)) <= 0).any():
        yield f"{entry.id}: frame_index must rise"
    seconds = reader.pts_seconds(rows)
    lasting = sound_length(seconds, entry.fps)
    if entry.sample_count not in (0, lasting):
        yield f"{entry.id}: its sound must have 0 samples or {lasting}, as its frames last, got {entry.sample_count}"
    size = settings.frame_size
    for row, points in enumerate(landmarks, entry.first_row):
        expected = k_codes(points, size, settings.k_gamma, settings.k_floor, pixel_side(size))
        if not np.array_equal(reader.k_codes([row])[0], expected):
            yield f"{entry.id}: K of row {row} is not that of its landmarks"
            return
        reader.frames([row])  # decompresses: damage shows


def _bank_defects(entry: VideoEntry, openness: npt.NDArray[np.float32], settings: Settings) -> Iterator[str]:
    """The bank is the one that openness chooses; of a build that kept damaged frames, which are no choice, in order."""
    bank = entry.first_row + choose_bank(openness, settings.bank_size)
    if settings.after_damage == "drop":
        if entry.bank != tuple(bank):
            yield f"{entry.id}: bank must be {bank.tolist()}, got {list(entry.bank)}"
        return
    rising = np.diff(openness[[row - entry.first_row for row in entry.bank]]) >= 0
    if len(set(entry.bank)) != settings.bank_size or not rising.all():
        yield f"{entry.id}: bank must be {settings.bank_size} rows of rising mouth openness, got {list(entry.bank)}"


def _extra_files(root: Path, shards: Sequence[Mapping[str, Any]]) -> Iterator[Defect]:
    listed = {shard["path"] for shard in shards}
    for path in walk_own(root / SHARDS):
        if path.is_symlink():
            yield Defect(path, "must be no link; a dataset's files lie in its own folder")
        elif path.relative_to(root).as_posix() not in listed:
            broken = _is_ours(root, path)
            what = "delete it" if broken else "no build made it: move it elsewhere"
            yield Defect(path, f"{DATASET_FILE} does not list it; {what}", broken)


def _is_ours(root: Path, path: Path) -> bool:
    """Whether a file has a name that a build gives, where it gives it."""
    parts = path.relative_to(root).parts
    if len(parts) == 1:
        return parts[0] in (DATASET_FILE, MANIFEST_FILE)
    return len(parts) == 3 and parts[0] == SHARDS and _OURS.fullmatch(parts[2]) is not None


def _manifest_defects(root: Path, dataset: Dataset, kept: Mapping[str, tuple[str, int]]) -> Iterator[Defect]:
    path = root / MANIFEST_FILE
    try:
        regular_size(path, MOST_BYTES, DatasetError, follow=False)
        if sha256_of(path) != dataset.contents.get("manifest_sha256"):
            yield Defect(path, f"is not what the build wrote; delete it and {_AGAIN}", broken=True)
            return
        table = read_manifest(path)
    except FileNotFoundError:
        yield Defect(path, f"the manifest is missing; {_AGAIN}")
        return
    except DatasetError as error:
        yield Defect(path, _words(error, path))
        return
    shards = {shard for shard, _ in kept.values()}
    arrived = table[(table["status"] == "ok") & table["shard"].isin(shards)]  # of what could be read
    said = {row.id: (row.shard, row.frames_kept) for row in arrived.itertuples()}
    for name in sorted(said.keys() | kept.keys()):
        if said.get(name) != kept.get(name):
            yield Defect(path, f"{name}: says shard and frames {said.get(name)}, the shards say {kept.get(name)}")
    if table["id"].duplicated().any():
        yield Defect(path, "ids must be unique")
