"""FaceForensics, version 1 and FF++."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pipeline.corpora.source import Inventory, Source, as_inventory, one_name
from pipeline.corpora.splits import seeded_splits
from pipeline.corpora.tree import video_tree
from pipeline.errors import InputError

FOLDERS = ("train", "val", "test")  # of version 1
COMPRESSIONS = ("raw", "c23", "c40")  # of FF++
LAYOUT = "train/original/*.avi (v1) or original_sequences/youtube/c23/videos/*.mp4 (FF++)"


def scan_faceforensics(root: Path, seed: int = 0, compression: str = "best", split: str = "seeded") -> Inventory:
    """FaceForensics v1 (`{train,val,test}/original/*.avi`) or FF++ (`original_sequences/youtube/<c>/videos/*.mp4`).

    Args:
        seed: of the 75/25 split by hash of the video's id, the paper's proportion (its seed is unpublished).
        compression: of FF++: raw, c23, c40, or `best`, the first of them that is there.
        split: `seeded`, or `folders` for the split that v1's folders give.

    Raises:
        InputError: no such folder, an unknown option, no video, or one video twice.
    """
    if compression not in (*COMPRESSIONS, "best"):
        raise InputError(f"--compression must be one of best, {', '.join(COMPRESSIONS)}, got '{compression}'")
    if split not in ("seeded", "folders"):
        raise InputError(f"--split must be one of seeded, folders, got '{split}'")
    tree = video_tree(root)
    version1 = {path.as_posix(): where for path in tree.videos if (where := _folder_of_version1(path))}
    if version1:
        splits = seeded_splits(version1, seed) if split == "seeded" else version1
    elif split == "folders":
        raise InputError(
            f"{root}: --split folders needs FaceForensics v1's folders train/, val/ and test/; drop the flag"
        )
    else:
        youtube = {path.as_posix(): c for path in tree.videos if (c := _compression(path))}
        here = [c for c in COMPRESSIONS if c in youtube.values()]
        chosen = here[0] if compression == "best" and here else compression
        splits = seeded_splits([name for name, c in youtube.items() if c == chosen], seed)
    if not splits:
        raise InputError(f"{root}: no videos of the expected layout ({LAYOUT}); check --corpus-root")
    sources = [Source(name, one_name(PurePosixPath(name).stem), where) for name, where in splits.items()]
    skipped = tree.without(splits, "no originals, or of another compression (--compression)")
    return as_inventory(Inventory(sources, tree.other_files, skipped))


def _folder_of_version1(path: PurePosixPath) -> str:
    """The folder of version 1 that an original lies in; empty where it is none."""
    folders = [one_name(name).casefold() for name in path.parts[:-1]]
    return folders[-2] if len(folders) > 1 and folders[-1] == "original" and folders[-2] in FOLDERS else ""


def _compression(path: PurePosixPath) -> str:
    """The compression of one of FF++'s originals; empty where it is none."""
    folders = [one_name(name).casefold() for name in path.parts[:-1]]
    original = folders[-4:-2] == ["original_sequences", "youtube"] and folders[-1] == "videos"
    return folders[-2] if original else ""
