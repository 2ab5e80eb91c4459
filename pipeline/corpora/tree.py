"""The files below a corpus's folder: which are videos, and what else is there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.corpora.source import Skipped
from pipeline.errors import InputError

# What the containers that the decoder reads are called (`decode.CONTAINERS`), those for sound and pictures left out.
VIDEO_SUFFIXES = frozenset(
    {".264", ".265", ".3g2", ".3gp", ".asf", ".avc", ".avi", ".dif", ".divx", ".dv", ".dvr-ms", ".evo", ".f4v", ".flv"}
    | {".gif", ".h264", ".h265", ".h26l", ".hevc", ".ismv", ".ivf", ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v"}
    | {".mj2", ".mk3d", ".mkv", ".mod", ".mov", ".mp2v", ".mp4", ".mp4v", ".mpe", ".mpeg", ".mpg", ".mpv", ".mqv"}
    | {".mts", ".mxf", ".nut", ".ogm", ".ogv", ".ogx", ".psp", ".qt", ".rm", ".rmvb", ".swf", ".tod", ".tp", ".trp"}
    | {".ts", ".vob", ".vro", ".webm", ".wm", ".wmv", ".wtv", ".xvid", ".y4m"}
)
# Folders that operating systems and archivers leave, whose files only look like videos.
SYSTEM_FOLDERS = frozenset(
    {"__macosx", "@eadir", "lost+found", "$recycle.bin", "system volume information", "#recycle", "#snapshot"}
)


@dataclass(frozen=True)
class Tree:
    """What lies below a folder: paths below it, POSIX, sorted."""

    videos: list[PurePosixPath]
    other_files: dict[str, int]  # files that are no videos, by suffix
    skipped: list[Skipped]  # folders that were not entered

    def without(self, taken: Iterable[str], why: str) -> list[Skipped]:
        """The folders of which no video was taken, beside those that were not entered."""
        taken_from = {PurePosixPath(name).parent for name in taken}
        left = Counter(path.parent for path in self.videos if path.parent not in taken_from)
        return self.skipped + [Skipped(folder.as_posix(), why, count) for folder, count in sorted(left.items())]


def video_tree(root: Path) -> Tree:
    """Look through a corpus's folder: links are followed, no folder is entered twice, hidden ones are not at all.

    Raises:
        InputError: no such folder, or one below it cannot be read.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; name the corpus with --corpus-root")
    entered: dict[tuple[int, int], str] = {}
    videos: list[PurePosixPath] = []
    others: Counter[str] = Counter()
    skipped: list[Skipped] = []
    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=_unreadable):
        below = PurePosixPath(Path(folder).relative_to(root).as_posix())
        status = Path(folder).stat()
        twin = entered.setdefault((status.st_dev, status.st_ino), below.as_posix())
        if twin != below.as_posix():
            skipped.append(Skipped(below.as_posix(), f"a link to a folder that is read already ({twin})"))
            subfolders.clear()
            continue
        for name in subfolders:
            if why := _not_entered(name):
                skipped.append(Skipped((below / name).as_posix(), why))
        subfolders[:] = sorted(name for name in subfolders if not _not_entered(name))
        for name in files:
            if is_video(name):
                videos.append(below / name)
            else:
                others[_kind(name)] += 1
    return Tree(sorted(videos), dict(sorted(others.items())), skipped)


def is_video(name: str) -> bool:
    """Whether a file's name says that it is a video."""
    return not name.startswith(".") and suffix_of(name) in VIDEO_SUFFIXES


def suffix_of(name: str) -> str:
    """The suffix in lower case; a space after it, which some copying leaves, does not count."""
    return PurePosixPath(name.strip()).suffix.lower()


def bare_stem(name: str) -> str:
    """A file's name without its suffix, or several of them: `anna` of `anna.mov.mp4`."""
    stem = name.strip()
    while suffix_of(stem) in VIDEO_SUFFIXES and not stem.startswith("."):
        stem = stem[: -len(suffix_of(stem))]
    return stem or name


def _kind(name: str) -> str:
    return "(hidden)" if name.startswith(".") else suffix_of(name) or "(none)"


def _not_entered(folder: str) -> str:
    """Why a folder's files are not looked at; empty where they are."""
    if folder.startswith("."):
        return "hidden"
    return "made by an operating system or an archiver" if folder.casefold() in SYSTEM_FOLDERS else ""


def _unreadable(error: OSError) -> None:
    raise InputError(
        f"{error.filename}: the folder cannot be read ({error.strerror}), and whoever is in it would be missing; "
        "give access to it, or move it out of the corpus"
    ) from error
