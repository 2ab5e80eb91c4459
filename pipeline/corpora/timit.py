"""TCD-TIMIT, and its published split."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path, PurePosixPath

from pipeline.corpora.source import Inventory, Skipped, Source, as_inventory, one_name
from pipeline.corpora.tree import video_tree
from pipeline.errors import InputError

MANIFESTS = resources.files("manifests")
GROUPS = ("volunteers", "lipspeakers")
CAMERAS = ("straightcam", "30degcam")
LAYOUT = "volunteers/<id>/Clips/<camera>/*.mp4"
_VOLUNTEER, _LIPSPEAKER = re.compile(r"(\d{1,2})\s*[MF]", re.IGNORECASE), re.compile(r"lipspkr\s*(\d)", re.IGNORECASE)


def scan_timit(root: Path, cameras: Sequence[str] = ("straightcam",), extra_speakers: str = "none") -> Inventory:
    """TCD-TIMIT: `volunteers/<id>/Clips/<camera>/*` and `lipspeakers/Lipspkr<n>/Clips/<camera>/*`.

    The split is the speaker-independent one of Harte and Gillen 2015, Table V (`manifests/tcdtimit_split.csv`);
    speakers are matched on their digits, since a folder may read 30M for 30F. Folders that unzipping has doubled or
    left out (`08F/08F/Clips`, `09F/straightcam`), and names of another case, are read all the same.

    Args:
        cameras: the camera folders to take; the other is `30degcam`.
        extra_speakers: `none` or `all` of the six outside the published split (27M, 35M, 53M and the lipspeakers).

    Raises:
        InputError: no such folder, an unknown option or speaker, or no video.
    """
    if extra_speakers not in ("none", "all"):
        raise InputError(f"--extra-speakers must be one of none, all, got '{extra_speakers}'")
    wanted = [camera.strip().casefold() for camera in cameras]
    tree, table = video_tree(root), timit_split()
    sources: dict[tuple[str, int, str, str], Source] = {}
    names: dict[tuple[str, int], str] = {}  # one name for a speaker, even of two folders
    skipped: dict[str, list[PurePosixPath]] = {}
    for path in tree.videos:
        camera = one_name(path.parent.name).casefold()
        # Whose clip this is: its folders say, doubled or left out by unzipping as they may be.
        whose = _speaker(root, path) if camera in wanted else None
        if whose is None:
            other = camera in CAMERAS and camera not in wanted
            why = "another camera, see --cameras" if other else f"not laid out as {LAYOUT}"
            skipped.setdefault(why, []).append(path)
            continue
        group, folder, number = whose
        if (group, number) not in table:
            raise InputError(
                f"{root / path}: '{folder}' is not a speaker of TCD-TIMIT; move the folder out of {group}/"
            )
        # A clip that is not taken is noted with the reason.
        split, extra = table[group, number]
        clip = (group, number, camera, path.name.casefold())
        if extra and extra_speakers == "none":
            skipped.setdefault("outside the published split, see --extra-speakers", []).append(path)
        elif clip in sources:
            skipped.setdefault("a second copy of clips that are read", []).append(path)
        else:
            speaker = names.setdefault((group, number), one_name(folder))
            sources[clip] = Source(path.as_posix(), speaker, split)
    if not sources:
        layout = f"volunteers/<id>/Clips/{'|'.join(cameras)}/*.mp4"
        raise InputError(f"{root}: no videos of the expected layout ({layout}); check --corpus-root")
    return as_inventory(Inventory(list(sources.values()), tree.other_files, tree.skipped + _folders(skipped)))


def timit_split() -> dict[tuple[str, int], tuple[str, bool]]:
    """(group, number) -> (split, whether outside the published split)."""
    return {(row["group"], int(row["number"])): (row["split"], row["published"] == "no") for row in _rows()}


def published_volunteers(split: str) -> tuple[str, ...]:
    """The ids of one part of the published split, in its order."""
    rows = (row for row in _rows() if row["group"] == "volunteers" and row["published"] == "yes")
    return tuple(row["speaker"] for row in rows if row["split"] == split)


@lru_cache(maxsize=1)
def _rows() -> tuple[dict[str, str], ...]:
    text = (MANIFESTS / "tcdtimit_split.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _speaker(root: Path, path: PurePosixPath) -> tuple[str, str, int] | None:
    """The group, folder and number of the speaker in a path that ends in a camera's folder and a file, if any.

    Raises:
        InputError: a group's folder holds something else than speakers, or there are two in the path.
    """
    folders = [one_name(name) for name in path.parts[:-2]]
    places = [place for place, name in enumerate(folders) if name.casefold() in GROUPS]
    group = folders[places[-1]].casefold() if places else None
    inside = folders[places[-1] + 1 :] if places else folders
    found: dict[tuple[str, int], str] = {}
    for name in inside:
        volunteer, lipspeaker = _VOLUNTEER.fullmatch(name), _LIPSPEAKER.fullmatch(name)
        if match := volunteer or lipspeaker:
            found.setdefault((group or GROUPS[volunteer is None], int(match[1])), name)
    if not found and group and inside and (digits := re.search(r"\d+", inside[0])):
        found[group, int(digits[0])] = inside[0]
    if not found and not (group and inside):
        return None
    if len(found) != 1:
        what = f"{len(found)} speakers in one path are not one" if found else f"'{inside[0]}' is not a speaker"
        raise InputError(f"{root / path}: {what} of TCD-TIMIT ({LAYOUT}); move the folder out of the corpus")
    (number_in, folder), *_ = found.items()
    return number_in[0], folder, number_in[1]


def _folders(skipped: dict[str, list[PurePosixPath]]) -> list[Skipped]:
    """Videos that are not taken, by folder."""
    return [
        Skipped(folder.as_posix(), why, count)
        for why, paths in skipped.items()
        for folder, count in sorted(Counter(path.parent for path in paths).items())
    ]
