"""TCD-TIMIT: its layout, also as bad unzipping leaves it, and the published split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.corpora import scan_timit
from pipeline.corpora.timit import timit_split
from pipeline.errors import InputError

TEST = (8, 9, 15, 18, 25, 28, 33, 34, 36, 41, 44, 45, 49, 54, 55, 56, 58)
Touch = Callable[..., Path]


def clips(*speakers: str) -> list[str]:
    groups = {name: "lipspeakers" if name.startswith("Lip") else "volunteers" for name in speakers}
    cameras = ("straightcam", "30degcam")
    return [f"{group}/{name}/Clips/{camera}/sa1.mp4" for name, group in groups.items() for camera in cameras]


def test_the_published_split_has_39_and_17_speakers() -> None:
    split = timit_split()
    published = [(number, where) for (group, number), (where, extra) in split.items() if not extra]
    assert sum(where == "train" for _, where in published) == 39
    assert sorted(number for number, where in published if where == "test") == list(TEST)
    assert {key for key, (_, extra) in split.items() if extra} == {
        ("volunteers", 27), ("volunteers", 35), ("volunteers", 53),
        ("lipspeakers", 1), ("lipspeakers", 2), ("lipspeakers", 3),
    }  # fmt: skip


def test_the_straight_camera_of_published_speakers_is_taken_and_the_rest_named(touch: Touch) -> None:
    found = scan_timit(touch(*clips("01M", "08F", "27M", "Lipspkr1"), "README.txt"))
    assert [(s.id, s.speaker, s.split) for s in found] == [
        ("volunteers/01M/Clips/straightcam/sa1.mp4", "01M", "train"),
        ("volunteers/08F/Clips/straightcam/sa1.mp4", "08F", "test"),
    ]
    assert found.other_files == {".txt": 1}
    left = {skipped.folder: (skipped.why, skipped.videos) for skipped in found.skipped}
    assert len(left) == 6
    assert left["volunteers/01M/Clips/30degcam"] == ("another camera, see --cameras", 1)
    assert left["volunteers/27M/Clips/straightcam"] == ("outside the published split, see --extra-speakers", 1)


def test_speakers_are_matched_on_digits(touch: Touch) -> None:
    (source,) = scan_timit(touch(*clips("30M")))
    assert (source.speaker, source.split) == ("30M", "train")


def test_options(touch: Touch) -> None:
    root = touch(*clips("01M", "35M", "Lipspkr2", "Lipspkr3"))
    both = scan_timit(root, ("straightcam", "30degcam"), "all")
    assert len(both) == 8
    assert {s.speaker: s.split for s in both} == {
        "01M": "train",
        "35M": "train",
        "Lipspkr2": "train",
        "Lipspkr3": "test",
    }
    with pytest.raises(InputError, match="--extra-speakers must be one of"):
        scan_timit(root, extra_speakers="some")


def test_bad_unzipping_is_read_all_the_same(touch: Touch) -> None:
    tidy = [f"volunteers/{name}/Clips/straightcam/sa1.mp4" for name in ("01M", "02M")]
    untidy = [
        "volunteers/08F/08F/Clips/straightcam/sa1.mp4",
        "volunteers/09F/straightcam/sa1.mp4",
        "volunteers/15F/Clips/Straightcam/sa1.MP4",
        "Volunteers/18m/clips/straightcam /sa1.mp4",
        "TCD-TIMIT/volunteers/25M/Clips/straightcam/sa1.mp4",
        "volunteers/volunteers/28M/Clips/straightcam/sa1.mp4",
    ]
    found = scan_timit(touch(*tidy, *untidy))
    assert {s.speaker: s.split for s in found} == {
        "01M": "train", "02M": "train", "08F": "test", "09F": "test", "15F": "test",
        "18m": "test", "25M": "test", "28M": "test",
    }  # fmt: skip
    assert found.skipped == []


def test_a_root_that_is_the_volunteers_folder_itself(touch: Touch) -> None:
    found = scan_timit(
        touch("01M/Clips/straightcam/sa1.mp4", "Lipspkr3/Clips/straightcam/sa1.mp4"), extra_speakers="all"
    )
    assert {s.speaker: s.split for s in found} == {"01M": "train", "Lipspkr3": "test"}


def test_a_folder_of_another_layout_is_named_and_a_copy_is_read_once(touch: Touch) -> None:
    root = touch(*clips("08F"), "volunteers/08F/08F/Clips/straightcam/sa1.mp4", "volunteers/09F/straigthcam/sa1.mp4")
    (root / "volunteers/09F/straigthcam/sa2.mp4").touch()
    found = scan_timit(root)
    assert len(found) == 1
    left = {(skipped.videos, skipped.folder, skipped.why.split(",")[0]) for skipped in found.skipped}
    assert left == {
        (1, "volunteers/08F/Clips/30degcam", "another camera"),
        (1, "volunteers/08F/Clips/straightcam", "a second copy of clips that are read"),
        (2, "volunteers/09F/straigthcam", "not laid out as volunteers/<id>/Clips/<camera>/*.mp4"),
    }


def test_two_folders_of_one_speaker_are_one_speaker(touch: Touch) -> None:
    found = scan_timit(touch("volunteers/30F/Clips/straightcam/sa1.mp4", "volunteers/30M/Clips/straightcam/sa2.mp4"))
    assert [s.speaker for s in found] == ["30F", "30F"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("volunteers/99X/Clips/straightcam/sa1.mp4", "'99X' is not a speaker"),
        ("volunteers/Anna/Clips/straightcam/sa1.mp4", "'Anna' is not a speaker"),
        ("volunteers/08F/09F/Clips/straightcam/sa1.mp4", "2 speakers in one path"),
    ],
)
def test_strangers_are_named(name: str, message: str, touch: Touch) -> None:
    with pytest.raises(InputError, match=message) as raised:
        scan_timit(touch(name))
    assert name in str(raised.value)


def test_nothing_of_the_layout(touch: Touch) -> None:
    with pytest.raises(InputError, match="no videos of the expected layout"):
        scan_timit(touch("x.mp4"))
