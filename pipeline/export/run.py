"""Exporting a dataset: what is to be written, whatever of it is not there yet, and the sums that prove it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import joblib

from pipeline import log
from pipeline.errors import DatasetError, InputError
from pipeline.export import clips, parquet, tars
from pipeline.export.card import card
from pipeline.export.plan import Piece
from pipeline.export.settings import ORIGINS, ExportSettings
from pipeline.files import UNFINISHED, atomic_write, regular_size, sha256_of, walk_own
from pipeline.layout import MANIFEST_FILE
from pipeline.manifest import read_manifest
from pipeline.shards import Dataset, Video, open_dataset

SCHEMA = "flnet-export/1"
CONTENTS_FILE, SUMS_FILE, CARD_FILE = "export.json", "SHA256SUMS", "README.md"
NOTICES = ("LICENSE*", "LICENCE*", "NOTICE*", "TERMS*")  # of the dataset's own folder, copied


class Format(NamedTuple):
    """A format's ways."""

    packages: Sequence[str]  # that it needs
    plan: Callable[[Sequence[Video], ExportSettings], list[Piece]]  # of one split
    write: Callable[[Path, Piece, Mapping[str, str], ExportSettings], None]


FORMATS = {
    name: Format(module.PACKAGES, module.plan, module.write)
    for name, module in (("webdataset", tars), ("clips", clips), ("huggingface", parquet))
}


def export_dataset(
    root: Path, to: Path, settings: ExportSettings, workers: int = 1, progress: bool = False
) -> dict[str, Any]:
    """Write a dataset in another format, or what is missing of it: the same bytes, however often it is interrupted.

    Args:
        root: the dataset's folder.
        to: folder for the export: new, empty, or of the same export.
        workers: processes.
        progress: show a bar.

    Returns:
        What `export.json` says.

    Raises:
        InputError: a package is missing, or `to` cannot be used.
        DatasetError: the dataset is damaged.
        BuildError: a video cannot be encoded.
    """
    chosen = FORMATS[settings.format]
    _demand_packages(settings.format, chosen.packages)
    dataset = open_dataset(root)
    videos = {split: dataset.videos(split) for split in dataset.splits}
    sources = _sources(dataset, [video for ours in videos.values() for video in ours])
    pieces = {split: chosen.plan(ours, settings) for split, ours in videos.items()}
    contents = _contents(dataset, settings, videos, pieces)
    _begin(root, to, contents)
    missing = [piece for ours in pieces.values() for piece in ours if not (to / piece.path).is_file()]
    calls = (joblib.delayed(chosen.write)(to, piece, sources, settings) for piece in missing)
    done = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")(calls)
    with log.progress(done, "exporting", unit="files", total=len(missing), disable=not progress or not missing) as bar:
        for _ in bar:
            pass
    _finish(root, to, settings, contents)
    return contents


def origin_of(root: Path) -> str:
    """Where a dataset's pictures come from, one of `ORIGINS`, as far as it says."""
    said = open_dataset(root).contents.get("origin")
    return said if said in ORIGINS else "unknown"


def _demand_packages(name: str, packages: Sequence[str]) -> None:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise InputError(f"--format {name} needs {' and '.join(missing)}: pip install {' '.join(missing)}")


def _sources(dataset: Dataset, videos: Sequence[Video]) -> dict[str, str]:
    """SHA-256 of each video's source, by the manifest."""
    table = read_manifest(dataset.root / MANIFEST_FILE)
    sums = dict(zip(table["id"], table["sha256"], strict=True))
    strangers = [video.id for video in videos if video.id not in sums]
    if strangers:
        raise DatasetError(f"{dataset.root / MANIFEST_FILE}: lacks {strangers[0]!r}; run the build again")
    return {video.id: sums[video.id] for video in videos}


def _contents(
    dataset: Dataset,
    settings: ExportSettings,
    videos: Mapping[str, Sequence[Video]],
    pieces: Mapping[str, Sequence[Piece]],
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "dataset": dataset.digest,
        "corpus": dataset.corpus,
        "config": dataset.config,
        "frame_size": dataset.frame_size,
        "export": vars(settings),
        "splits": {
            split: {
                "speakers": len({video.speaker for video in ours}),
                "videos": len(ours),
                "frames": sum(video.row_count for video in ours),
                "files": [piece.path for piece in pieces[split]],
            }
            for split, ours in videos.items()
        },
    }


def _begin(root: Path, to: Path, contents: Mapping[str, Any]) -> None:
    """Say in `to` what is being written there; what killed exports left goes.

    Raises:
        InputError: something else is there.
    """
    if to.resolve() == root.resolve() or root.resolve() in to.resolve().parents:
        raise InputError(f"{to}: must lie outside the dataset; name another folder with --to")
    text = json.dumps(contents, indent=1) + "\n"
    path = to / CONTENTS_FILE
    if path.exists():
        regular_size(path)
        if path.read_text(encoding="utf-8") != text:
            raise InputError(f"{path}: is of another dataset or other settings; name another folder with --to")
    elif to.exists() and (not to.is_dir() or any(not UNFINISHED.fullmatch(each.name) for each in to.iterdir())):
        raise InputError(f"{to}: must be a new or empty folder, or an export to go on with; name another with --to")
    else:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    for left in walk_own(to):
        if UNFINISHED.fullmatch(left.name) and not left.is_symlink():
            left.unlink(missing_ok=True)


def _finish(root: Path, to: Path, settings: ExportSettings, contents: Mapping[str, Any]) -> None:
    """Terms, manifest and card; last of all the sums, by which an export is known to be complete."""
    notices = sorted(path.name for pattern in NOTICES for path in root.glob(pattern) if path.is_file())
    for name in (MANIFEST_FILE, *notices):
        with atomic_write(to / name) as temporary:
            shutil.copyfile(root / name, temporary)
    with atomic_write(to / CARD_FILE) as temporary:
        temporary.write_text(card(settings, contents, notices), encoding="utf-8")
    if not (to / SUMS_FILE).is_file():
        sums = "".join(f"{sha256_of(path)}  {path.relative_to(to).as_posix()}\n" for path in _files(to))
        with atomic_write(to / SUMS_FILE) as temporary:
            temporary.write_text(sums, encoding="utf-8")


def _files(to: Path) -> Iterator[Path]:
    return (path for path in walk_own(to) if path.name != SUMS_FILE)
