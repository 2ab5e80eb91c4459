"""Every path of a dataset's folder, spelt once.

```
out/dataset.json, manifest.csv
out/shards/<split>/<chunk>.h5
out/report/index.html            of many videos, beside it the figures of some each: videos-0001.js, ...
out/work/lock                    held while a build is at work
out/work/inventory-<digest>.json the corpus as it was listed first
out/work/plans/<digest>.json     a plan; beside it, <digest>.earlier.json
out/work/chunks/<chunk>.json     the record of a finished chunk
out/work/earlier/<chunk>.json    of a chunk that is made again, mostly from its earlier shard
out/work/videos/<settings>/      a prepared video, until its chunk is finished
out/work/tracks/<settings>/      the landmarks of a video, for builds with other crops
out/work/removed/                what `check --repair` took away
```
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

DATASET_FILE = "dataset.json"
MANIFEST_FILE = "manifest.csv"
SHARDS, WORK, REPORT = "shards", "work", "report"
OWN_FOLDERS = (SHARDS, WORK, REPORT)
_DIGEST = re.compile("[0-9a-f]{12}")
_PART = re.compile(r"videos-\d{4,}\.js")
_CHUNK = re.compile(r".+-\d{4,}-[0-9a-f]{12}")


def shard_name(split: str, chunk: str) -> str:
    """A shard's path below the dataset, with `/`."""
    return f"{SHARDS}/{split}/{chunk}.h5"


def report_page(out: Path) -> Path:
    """The page that `python -m pipeline report` writes."""
    return out / REPORT / "index.html"


def report_part(out: Path, number: int) -> Path:
    """What a page of many videos fetches of some of them when it shows one."""
    return out / REPORT / f"videos-{number:04d}.js"


def report_parts(out: Path) -> list[Path]:
    """All files that are called so."""
    return sorted(path for path in (out / REPORT).glob("videos-*.js") if _PART.fullmatch(path.name))


def lock_file(out: Path) -> Path:
    """What a build holds while it is at work."""
    return out / WORK / "lock"


def inventory_file(out: Path, digest: str) -> Path:
    """The corpus as it was listed first; the digest is that of the task and its options."""
    return out / WORK / f"inventory-{digest}.json"


def inventory_files(out: Path) -> list[Path]:
    """All lists of corpora, the newest last."""
    return _by_age((out / WORK).glob("inventory-*.json"))


def plan_file(out: Path, digest: str) -> Path:
    """A plan, by its digest."""
    return out / WORK / "plans" / f"{digest}.json"


def plan_files(out: Path) -> list[Path]:
    """All plans, the newest last."""
    return _by_age(path for path in (out / WORK / "plans").glob("*.json") if _DIGEST.fullmatch(path.stem))


def _by_age(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (path.lstat().st_mtime_ns, path.name))


def earlier_index(out: Path, plan: str) -> Path:
    """Which records of earlier builds a plan's chunks are in; the plan's digest."""
    return out / WORK / "plans" / f"{plan}.earlier.json"


def chunk_file(out: Path, chunk: str) -> Path:
    """The record of a finished chunk, by its name."""
    return out / WORK / "chunks" / f"{chunk}.json"


def chunk_files(out: Path) -> list[Path]:
    """All records of finished chunks."""
    return _records(out / WORK / "chunks")


def earlier_file(out: Path, chunk: str) -> Path:
    """The record of a chunk that is made again."""
    return out / WORK / "earlier" / f"{chunk}.json"


def earlier_files(out: Path) -> list[Path]:
    """All records of chunks that are made again."""
    return _records(out / WORK / "earlier")


def _records(folder: Path) -> list[Path]:
    """Files that are named as chunks are: a user may have put others there."""
    return sorted(path for path in folder.glob("*.json") if _CHUNK.fullmatch(path.stem))


def removed_file(out: Path, path: Path) -> Path:
    """Where a file of the dataset is moved to."""
    return out / WORK / "removed" / path.relative_to(out)


def video_files(work: Path, settings: str, video: str) -> tuple[Path, Path]:
    """The shard of one video and its result, below a folder for work; digests of the settings and the video."""
    folder = work / "videos" / settings
    return folder / f"{video}.h5", folder / f"{video}.json"


def track_file(work: Path, settings: str, video: str) -> Path:
    """The landmarks of one video; digests of the tracker's settings and the video's id."""
    return work / "tracks" / settings / f"{video}.npz"
