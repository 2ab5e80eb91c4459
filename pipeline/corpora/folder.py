"""Any folder of videos: one subfolder is one speaker, unless the user says how else to tell speakers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from pipeline.content import PICTURE_SUFFIXES
from pipeline.corpora.leaks import leak_warnings
from pipeline.corpora.source import Inventory, Source, as_inventory, named, one_name
from pipeline.corpora.splits import seeded_splits, splits_of_folders
from pipeline.corpora.tree import bare_stem, video_tree
from pipeline.errors import InputError

Parts = tuple[str, ...]
Speakers = dict[str, str]  # id -> who speaks


class _Folders:
    """The folders that some videos lie in."""

    def __init__(self, videos: Iterable[PurePosixPath]) -> None:
        self.inside: dict[Parts, set[str]] = {}  # folder -> folders in it
        self.with_files: set[Parts] = set()
        for folder in {path.parts[:-1] for path in videos}:
            self.with_files.add(folder)
            for depth, name in enumerate(folder):
                self.inside.setdefault(folder[:depth], set()).add(name)

    def branches(self, folder: Parts) -> list[str]:
        """The folders in one that holds several and no video itself."""
        inside = self.inside.get(folder, set())
        return sorted(inside) if len(inside) > 1 and folder not in self.with_files else []

    def deepest_alone(self, folder: Parts) -> Parts:
        """Down to where there is a video, or more than one folder."""
        while folder not in self.with_files and len(inside := self.inside[folder]) == 1:
            folder = (*folder, *inside)
        return folder


def scan_folder(root: Path, seed: int = 0, speaker_pattern: str = "", split: str = "seeded") -> Inventory:
    """Any folder of videos: one subfolder is one speaker, files at the top are one speaker each.

    Args:
        seed: of the split, three to one, by speaker where there are several, else by video.
        speaker_pattern: a regular expression that is searched in each id (the path below `root`); what its first
            group matches, or all of it where it has none, is the speaker.
        split: `seeded`, or `folders` where the folders at the top are called train, val, test or the like.

    Raises:
        InputError: no such folder, no video, an id that the pattern is not found in, or folders that seem to hold
            several speakers each.
    """
    if split not in ("seeded", "folders"):
        raise InputError(f"--split must be one of seeded, folders, got '{split}'")
    tree = video_tree(root)
    if not tree.videos:
        there = ", ".join(f"{count} {suffix}" for suffix, count in tree.other_files.items()) or "no files at all"
        frames = PICTURE_SUFFIXES.intersection(tree.other_files)
        remedy = "list folders whose pictures are frames in a table (BuildTable)" if frames else "check --corpus-root"
        raise InputError(f"{root}: no videos of the expected layout: it holds {there}; {remedy}")
    folders = _Folders(tree.videos)
    warnings: list[str] = []
    if split == "folders":
        sources = _in_split_folders(root, tree.videos, folders, speaker_pattern)
    elif speaker_pattern:
        sources = _seeded(_by_pattern(root, tree.videos, speaker_pattern), seed)
    else:
        warnings = _look_at_layout(root, folders)
        sources = _seeded({path.as_posix(): _speaker(path, 0) for path in tree.videos}, seed)
    return as_inventory(Inventory(sources, tree.other_files, tree.skipped, warnings + leak_warnings(sources)))


def _speaker(path: PurePosixPath, depth: int) -> str:
    """The folder at that depth, or the file itself where it lies no deeper."""
    return one_name(path.parts[depth] if len(path.parts) > depth + 1 else bare_stem(path.name))


def _by_pattern(root: Path, videos: Sequence[PurePosixPath], pattern: str) -> Speakers:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(f"--speaker-pattern '{pattern}': is no regular expression ({error})") from error
    speakers, others = {}, []
    for path in videos:
        match = expression.search(one_name(path.as_posix()))
        speaker = one_name(match[min(1, expression.groups)] or "") if match else ""
        speakers[path.as_posix()] = speaker
        if not speaker:
            others.append(path.as_posix())
    if others:
        raise InputError(
            f"{root}: --speaker-pattern '{pattern}' finds no speaker in {len(others)} of {len(videos)} videos "
            f"({named(others)}); widen it, or move them out of the corpus"
        )
    return speakers


def _look_at_layout(root: Path, folders: _Folders) -> list[str]:
    """What is odd about taking the folders at the top for the speakers.

    Raises:
        InputError: they are splits, or a folder around the speakers.
    """
    tops = sorted(folders.inside.get((), ()))
    warnings = _refuse_splits(root, folders, tops)
    if len(tops) == 1 and () not in folders.with_files:
        _refuse_wrapper(root, folders)
    return warnings + _deeper_warnings(folders, tops)


def _refuse_splits(root: Path, folders: _Folders, tops: Sequence[str]) -> list[str]:
    """Folders of ready splits are no speakers; but Dev is a name of people, too."""
    splits = splits_of_folders(tops)
    if not splits:
        return []
    if len(splits) < len(tops) and {one_name(name).casefold() for name in splits} == {"dev"}:
        return [f"'{named(splits)}' is taken for a speaker; if it is a split, move the other folders out of the corpus"]
    if len(splits) == len(tops):
        inside = folders.deepest_alone((tops[0],))
        remedy = f"add --split folders to read them as splits, or build one with --corpus-root {root.joinpath(*inside)}"
    else:
        remedy = "rename what is a speaker, and move the rest out of the corpus"
    raise InputError(f"{root}: folders at the top are named as splits are, not speakers ({named(splits)}); {remedy}")


def _refuse_wrapper(root: Path, folders: _Folders) -> None:
    """One folder with several inside may be a speaker with sessions, or a folder around all speakers."""
    around = folders.deepest_alone(())
    inside = folders.branches(around)
    if not inside:
        return
    here = root.joinpath(*around)
    if len(splits_of_folders(inside)) == len(inside):
        remedy = f"read them as splits with --corpus-root {here} --split folders"
    else:
        remedy = (
            f"if these are the speakers, give --corpus-root {here}; if all show one speaker, "
            f"--speaker-pattern '^{re.escape(around[0])}'"
        )
    raise InputError(
        f"{root}: all videos lie in {len(inside)} folders in {'/'.join(around)} ({named(inside)}); {remedy}"
    )


def _deeper_warnings(folders: _Folders, tops: Sequence[str]) -> list[str]:
    """What lies below the folders at the top, where it may be the speakers: several each, of names of their own."""
    if len(tops) < 2 or any((name,) in folders.with_files for name in tops):
        return []
    inside = [folders.inside[(name,)] for name in tops]
    everything = sorted(set().union(*inside))
    if len(everything) < 2 * len(tops) or len(everything) < sum(map(len, inside)):
        return []
    return [
        f"the {len(tops)} folders at the top are taken for the speakers ({named(tops)}); if the {len(everything)} "
        f"folders inside are ({named(everything)}), add --speaker-pattern '^[^/]+/([^/]+)/'"
    ]


def _in_split_folders(root: Path, videos: Sequence[PurePosixPath], folders: _Folders, pattern: str) -> list[Source]:
    """The splits that the folders at the top name, and the speakers below them."""
    splits = splits_of_folders(folders.inside.get((), ()))
    stray = [path.as_posix() for path in videos if len(path.parts) == 1 or path.parts[0] not in splits]
    if stray:
        raise InputError(
            f"{root}: --split folders wants all videos in folders called train, val or test, got {named(stray)}; "
            "move them, or drop the flag"
        )
    if pattern:
        speakers = _by_pattern(root, videos, pattern)
    else:
        depth = _depth_of_speakers(folders)
        speakers = {path.as_posix(): _speaker(path, depth) for path in videos}
    return [Source(name, speaker, splits[PurePosixPath(name).parts[0]]) for name, speaker in speakers.items()]


def _depth_of_speakers(folders: _Folders) -> int:
    """How deep the speakers lie: below folders that are alone, of one name in all splits (`dev/mp4`, `test/mp4`)."""
    at: list[Parts] = [(name,) for name in folders.inside[()]]
    while not any(folder in folders.with_files for folder in at):
        names = set().union(*(folders.inside[folder] for folder in at))
        if len(names) > 1 or (len(at) == 1 and not folders.branches((*at[0], *names))):
            break
        at = [(*folder, *names) for folder in at]
    return len(at[0])


def _seeded(speakers: Speakers, seed: int) -> list[Source]:
    """The split by speaker where there are several, else by video."""
    names = sorted(set(speakers.values()))
    if len(names) > 1:
        by_speaker = seeded_splits(names, seed)
        return [Source(name, speaker, by_speaker[speaker]) for name, speaker in speakers.items()]
    together: dict[PurePosixPath, list[str]] = {}  # one clip in two formats is one clip
    for name in speakers:
        path = PurePosixPath(name)
        together.setdefault(path.with_name(bare_stem(path.name)), []).append(name)
    by_video = seeded_splits([min(alike) for alike in together.values()], seed)
    return [Source(name, names[0], by_video[min(alike)]) for alike in together.values() for name in alike]
