"""The corpora as they lie on disk: which files are videos, who speaks in each, and which split each belongs to."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

from pipeline.errors import InputError

MANIFESTS = resources.files("manifests")
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".dv", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"}
    | {".ogv", ".ts", ".vob", ".webm", ".wmv"}
)
TEST_FRACTION = 0.25
FF_FOLDERS = ("train", "val", "test")  # of version 1
FF_COMPRESSIONS = ("raw", "c23", "c40")


@dataclass(frozen=True)
class Source:
    """One source video."""

    id: str  # path below the corpus root, POSIX, with its extension
    speaker: str
    split: str


def scan_timit(root: Path, cameras: Sequence[str] = ("straightcam",), extra_speakers: str = "none") -> list[Source]:
    """TCD-TIMIT: `volunteers/<id>/Clips/<camera>/*` and `lipspeakers/Lipspkr<n>/Clips/<camera>/*`.

    The split is the speaker-independent one of Harte and Gillen 2015, Table V (`manifests/tcdtimit_split.csv`);
    speakers are matched on their digits, since a folder may read 30M for 30F.

    Args:
        cameras: the camera folders to take; the other is `30degcam`.
        extra_speakers: `none` or `all` of the six outside the published split (27M, 35M, 53M and the lipspeakers).

    Raises:
        InputError: no such folder, an unknown option or speaker, or no video.
    """
    if extra_speakers not in ("none", "all"):
        raise InputError(f"--extra-speakers must be one of none, all, got '{extra_speakers}'")
    table = _timit_split()
    sources = []
    for path in _videos_below(root):
        parts = path.parts
        if len(parts) != 5 or parts[0] not in ("volunteers", "lipspeakers") or parts[3] not in cameras:
            continue
        group, speaker = parts[0], parts[1]
        digits = re.search(r"\d+", speaker)
        if digits is None or (group, int(digits[0])) not in table:
            raise InputError(
                f"{root / path}: '{speaker}' is not a speaker of TCD-TIMIT; move the folder out of {group}/"
            )
        split, extra = table[group, int(digits[0])]
        if not extra or extra_speakers == "all":
            sources.append(Source(path.as_posix(), speaker, split))
    return _found(sources, root, f"volunteers/<id>/Clips/{'|'.join(cameras)}/*.mp4")


def scan_faceforensics(root: Path, seed: int = 0, compression: str = "best", split: str = "seeded") -> list[Source]:
    """FaceForensics v1 (`{train,val,test}/original/*.avi`) or FF++ (`original_sequences/youtube/<c>/videos/*.mp4`).

    Args:
        seed: of the 75/25 split by hash of the video's id, the paper's proportion (its seed is unpublished).
        compression: of FF++: raw, c23, c40, or `best`, the first of them that is there.
        split: `seeded`, or `folders` for the split that v1's folders give.

    Raises:
        InputError: no such folder, an unknown option, or no video.
    """
    if compression not in (*FF_COMPRESSIONS, "best"):
        raise InputError(f"--compression must be one of best, {', '.join(FF_COMPRESSIONS)}, got '{compression}'")
    if split not in ("seeded", "folders"):
        raise InputError(f"--split must be one of seeded, folders, got '{split}'")
    names = list(_videos_below(root))
    version1 = [p for p in names if len(p.parts) == 3 and p.parts[0] in FF_FOLDERS and p.parts[1] == "original"]
    if version1:
        ids = [path.as_posix() for path in version1]
        splits = (
            seeded_splits(ids, seed) if split == "seeded" else {path.as_posix(): path.parts[0] for path in version1}
        )
    elif split == "folders":
        raise InputError(
            f"{root}: --split folders needs FaceForensics v1's folders train/, val/ and test/; drop the flag"
        )
    else:
        youtube = [p for p in names if p.parts[:2] == ("original_sequences", "youtube") and p.parts[3:4] == ("videos",)]
        here = [c for c in FF_COMPRESSIONS if any(p.parts[2] == c for p in youtube)]
        chosen = here[0] if compression == "best" and here else compression
        ids = [path.as_posix() for path in youtube if path.parts[2] == chosen]
        splits = seeded_splits(ids, seed)
    sources = [Source(name, PurePosixPath(name).stem, splits[name]) for name in ids]
    return _found(sources, root, "train/original/*.avi (v1) or original_sequences/youtube/c23/videos/*.mp4 (FF++)")


def scan_folder(root: Path, seed: int = 0) -> list[Source]:
    """Any folder of videos: one subfolder is one speaker, files at the top are one speaker each.

    The split is seeded, three to one, by speaker where there are several, else by video.

    Raises:
        InputError: no such folder, or no video.
    """
    paths = list(_videos_below(root))
    speakers = {path.as_posix(): path.parts[0] if len(path.parts) > 1 else path.stem for path in paths}
    names = sorted(set(speakers.values()))
    if len(names) > 1:
        by_speaker = seeded_splits(names, seed)
        splits = {name: by_speaker[speaker] for name, speaker in speakers.items()}
    else:
        splits = seeded_splits(list(speakers), seed)
    sources = [Source(name, speaker, splits[name]) for name, speaker in speakers.items()]
    return _found(sources, root, f"files ending in {', '.join(sorted(VIDEO_SUFFIXES))}")


def seeded_splits(names: Sequence[str], seed: int) -> dict[str, str]:
    """`train` or `test` for each name: a quarter, those of the smallest hash with the seed, test.

    Two or more names give at least one of each.
    """
    order = sorted(names, key=lambda name: hashlib.sha256(os.fsencode(f"{seed}:{name}")).digest())
    count = round(TEST_FRACTION * len(order))
    if len(order) > 1:
        count = min(max(count, 1), len(order) - 1)
    return {name: "test" if place < count else "train" for place, name in enumerate(order)}


def _timit_split() -> dict[tuple[str, int], tuple[str, bool]]:
    """(group, number) -> (split, whether outside the published split)."""
    rows = csv.DictReader((MANIFESTS / "tcdtimit_split.csv").read_text(encoding="utf-8").splitlines())
    return {(row["group"], int(row["number"])): (row["split"], row["published"] == "no") for row in rows}


def _videos_below(root: Path) -> Iterator[PurePosixPath]:
    """Video files below `root`, sorted, hidden ones left out, links followed but no folder entered twice."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; name the corpus with --corpus-root")
    entered: set[tuple[int, int]] = set()
    found = []
    for folder, subfolders, files in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in entered:
            subfolders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        below = PurePosixPath(Path(folder).relative_to(root).as_posix())
        found += [below / name for name in files if not name.startswith(".") and _is_video(name)]
    return iter(sorted(found))


def _is_video(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES


def _found(sources: list[Source], root: Path, layout: str) -> list[Source]:
    if not sources:
        raise InputError(f"{root}: no videos of the expected layout ({layout}); check --corpus-root")
    return sorted(sources, key=lambda source: source.id)
