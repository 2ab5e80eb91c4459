"""FaceForensics, version 1 and FF++."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.corpora import scan_faceforensics
from pipeline.errors import InputError

Touch = Callable[..., Path]


def test_version_1(touch: Touch) -> None:
    names = [f"{split}/original/{split}{n}.avi" for split in ("train", "val", "test") for n in range(4)]
    root = touch(*names, "train/altered/train0.avi", "train/mask/train0.avi")
    sources = scan_faceforensics(root)
    assert sorted(s.id for s in sources) == sorted(names)
    assert sum(s.split == "test" for s in sources) == 3
    assert sources[0].speaker == Path(sources[0].id).stem
    assert {skipped.folder: skipped.videos for skipped in sources.skipped} == {"train/altered": 1, "train/mask": 1}
    by_folder = scan_faceforensics(root, split="folders")
    assert all(s.split == s.id.split("/")[0] for s in by_folder)


def test_plus_plus(touch: Touch) -> None:
    names = [f"original_sequences/youtube/{c}/videos/{n:03}.mp4" for c in ("c23", "c40") for n in range(8)]
    root = touch(*names, "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4")
    assert {s.id.split("/")[2] for s in scan_faceforensics(root)} == {"c23"}
    assert len(scan_faceforensics(root, compression="c40")) == 8
    with pytest.raises(InputError, match="no videos of the expected layout"):
        scan_faceforensics(root, compression="raw")
    with pytest.raises(InputError, match="--split folders needs FaceForensics v1"):
        scan_faceforensics(root, split="folders")


def test_a_folder_around_it_and_another_case(touch: Touch) -> None:
    names = [f"FF/Original_Sequences/YouTube/c23/Videos/{n:03}.mp4" for n in range(4)]
    assert [s.id for s in scan_faceforensics(touch(*names))] == names


def test_one_video_in_two_splits_is_refused(touch: Touch) -> None:
    root = touch(*(f"{split}/original/{n}.avi" for split in ("train", "test") for n in ("same", f"of_{split}")))
    with pytest.raises(InputError, match="'same' is in train and in test"):
        scan_faceforensics(root, split="folders")
