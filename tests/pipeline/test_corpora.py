"""The corpora's layouts, the published split, the seeded ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import corpora
from pipeline.corpora.timit import timit_split
from pipeline.errors import InputError

TEST = (8, 9, 15, 18, 25, 28, 33, 34, 36, 41, 44, 45, 49, 54, 55, 56, 58)


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def timit(root: Path, *speakers: str) -> Path:
    for speaker in speakers:
        group = "lipspeakers" if speaker.startswith("Lip") else "volunteers"
        touch(root, f"{group}/{speaker}/Clips/straightcam/sa1.mp4", f"{group}/{speaker}/Clips/30degcam/sa1.mp4")
    return root


def test_the_published_split_has_39_and_17_speakers() -> None:
    split = timit_split()
    published = [(number, where) for (group, number), (where, extra) in split.items() if not extra]
    assert sum(where == "train" for _, where in published) == 39
    assert sorted(number for number, where in published if where == "test") == list(TEST)
    assert {key for key, (_, extra) in split.items() if extra} == {
        ("volunteers", 27), ("volunteers", 35), ("volunteers", 53),
        ("lipspeakers", 1), ("lipspeakers", 2), ("lipspeakers", 3),
    }  # fmt: skip


def test_timit_takes_the_straight_camera_of_published_speakers(tmp_path: Path) -> None:
    sources = corpora.scan_timit(timit(tmp_path, "01M", "08F", "27M", "Lipspkr1"))
    assert [(s.id, s.speaker, s.split) for s in sources] == [
        ("volunteers/01M/Clips/straightcam/sa1.mp4", "01M", "train"),
        ("volunteers/08F/Clips/straightcam/sa1.mp4", "08F", "test"),
    ]


def test_timit_matches_speakers_on_digits(tmp_path: Path) -> None:
    (source,) = corpora.scan_timit(timit(tmp_path, "30M"))
    assert (source.speaker, source.split) == ("30M", "train")


def test_timit_options(tmp_path: Path) -> None:
    root = timit(tmp_path, "01M", "35M", "Lipspkr2", "Lipspkr3")
    both = corpora.scan_timit(root, ("straightcam", "30degcam"), "all")
    assert len(both) == 8
    assert {s.speaker: s.split for s in both} == {
        "01M": "train",
        "35M": "train",
        "Lipspkr2": "train",
        "Lipspkr3": "test",
    }
    with pytest.raises(InputError, match="--extra-speakers must be one of"):
        corpora.scan_timit(root, extra_speakers="some")


def test_timit_with_a_stranger(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'99X' is not a speaker"):
        corpora.scan_timit(timit(tmp_path, "99X"))


def test_faceforensics_version_1(tmp_path: Path) -> None:
    names = [f"{split}/original/{split}{n}.avi" for split in ("train", "val", "test") for n in range(4)]
    root = touch(tmp_path, *names, "train/altered/train0.avi", "train/mask/train0.avi")
    sources = corpora.scan_faceforensics(root)
    assert sorted(s.id for s in sources) == sorted(names)
    assert sum(s.split == "test" for s in sources) == 3
    assert sources[0].speaker == Path(sources[0].id).stem
    by_folder = corpora.scan_faceforensics(root, split="folders")
    assert all(s.split == s.id.split("/")[0] for s in by_folder)


def test_faceforensics_plus_plus(tmp_path: Path) -> None:
    names = [f"original_sequences/youtube/{c}/videos/{n:03}.mp4" for c in ("c23", "c40") for n in range(8)]
    root = touch(tmp_path, *names, "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4")
    assert {s.id.split("/")[2] for s in corpora.scan_faceforensics(root)} == {"c23"}
    assert len(corpora.scan_faceforensics(root, compression="c40")) == 8
    with pytest.raises(InputError, match="no videos of the expected layout"):
        corpora.scan_faceforensics(root, compression="raw")
    with pytest.raises(InputError, match="--split folders needs FaceForensics v1"):
        corpora.scan_faceforensics(root, split="folders")


def test_folders_are_speakers_and_top_files_one_each(tmp_path: Path) -> None:
    root = touch(
        tmp_path, "anna/1.mp4", "anna/deep/2.MOV", "bo b/é.avi", "c.webm", "notes.txt", ".hidden.mp4", ".x/3.mp4"
    )
    assert {s.id: s.speaker for s in corpora.scan_folder(root)} == {
        "anna/1.mp4": "anna", "anna/deep/2.MOV": "anna", "bo b/é.avi": "bo b", "c.webm": "c",
    }  # fmt: skip


def test_folder_splits_by_speaker_or_by_video(tmp_path: Path) -> None:
    several = touch(tmp_path / "several", *(f"s{n}/{k}.mp4" for n in range(8) for k in range(3)))
    splits = {}
    for source in corpora.scan_folder(several):
        assert splits.setdefault(source.speaker, source.split) == source.split
    assert sorted(splits.values()) == ["test"] * 2 + ["train"] * 6
    one = touch(tmp_path / "one", *(f"s/{k}.mp4" for k in range(8)))
    assert sorted(s.split for s in corpora.scan_folder(one)) == ["test"] * 2 + ["train"] * 6


def test_seeded_split_is_stable_and_seeded() -> None:
    names = [f"{n:03}" for n in range(1000)]
    split = corpora.seeded_splits(names, 0)
    assert sum(where == "test" for where in split.values()) == 250
    assert split == corpora.seeded_splits(names[::-1], 0)
    assert split != corpora.seeded_splits(names, 1)
    assert set(corpora.seeded_splits(["a", "b"], 5).values()) == {"train", "test"}
    assert corpora.seeded_splits(["a"], 5) == {"a": "train"}


def test_links_that_loop_are_entered_once(tmp_path: Path) -> None:
    root = touch(tmp_path, "anna/1.mp4")
    (root / "anna/again").symlink_to(root)
    assert [s.id for s in corpora.scan_folder(root)] == ["anna/1.mp4"]


def test_missing_or_empty_roots(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        corpora.scan_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no videos of the expected layout"):
        corpora.scan_timit(touch(tmp_path, "x.mp4"))
