"""Any folder of videos: who the speakers are, and that nobody comes to be in two splits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.corpora import Inventory, scan_folder, seeded_splits
from pipeline.errors import InputError

Touch = Callable[..., Path]
VOX = ("id00012/21U/00001.mp4", "id00012/21U/00002.mp4", "id00015/0fi/00001.mp4")


def speakers(found: Inventory) -> dict[str, str]:
    return {source.id: source.speaker for source in found}


def splits(found: Inventory) -> dict[str, set[str]]:
    by_speaker: dict[str, set[str]] = {}
    for source in found:
        by_speaker.setdefault(source.speaker, set()).add(source.split)
    return by_speaker


def nobody_in_two(found: Inventory) -> bool:
    return all(len(where) == 1 for where in splits(found).values())


def test_folders_are_speakers_and_top_files_one_each(touch: Touch) -> None:
    root = touch("anna/1.mp4", "anna/deep/2.MOV", "bo b/é.avi", "c.webm", "notes.txt", ".hidden.mp4", ".x/3.mp4")
    assert speakers(scan_folder(root)) == {
        "anna/1.mp4": "anna", "anna/deep/2.MOV": "anna", "bo b/é.avi": "bo b", "c.webm": "c",
    }  # fmt: skip


def test_splits_by_speaker_or_by_video(touch: Touch) -> None:
    several = scan_folder(touch(*(f"s{n}/{k}.mp4" for n in range(8) for k in range(3))))
    assert nobody_in_two(several)
    assert sorted(where for (where,) in splits(several).values()) == ["test"] * 2 + ["train"] * 6
    assert several.warnings == []


def test_one_speaker_is_split_by_video_and_that_is_said(touch: Touch) -> None:
    one = scan_folder(touch(*(f"s/{k}.mp4" for k in range(8)), "s/3.avi"))
    assert sorted(s.split for s in one if s.id.endswith("mp4")) == ["test"] * 2 + ["train"] * 6
    of = {s.id: s.split for s in one}
    assert of["s/3.avi"] == of["s/3.mp4"]
    (warning,) = one.warnings
    assert warning.startswith("'s' is the only speaker, so that training and test show the same person; if there are")


def test_seeded_split_is_stable_and_seeded() -> None:
    names = [f"{n:03}" for n in range(1000)]
    split = seeded_splits(names, 0)
    assert sum(where == "test" for where in split.values()) == 250
    assert split == seeded_splits(names[::-1], 0)
    assert split != seeded_splits(names, 1)
    assert set(seeded_splits(["a", "b"], 5).values()) == {"train", "test"}
    assert seeded_splits(["a"], 5) == {"a": "train"}


@pytest.mark.parametrize("seed", range(6))
def test_names_in_two_forms_are_one_person(seed: int, touch: Touch) -> None:
    composed, decomposed = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))
    found = scan_folder(touch(f"{composed}/v.mp4", f"{decomposed}/v2.mp4", "other/v.mp4", "third/v.mp4"), seed)
    assert sorted(speakers(found).values()) == sorted([composed, composed, "other", "third"])
    assert nobody_in_two(found)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("twins", [("Anna", "anna"), ("ben", "ben "), ("c.mp4", "c.mov.mp4"), ("d.mp4", "D.avi")])
def test_names_that_may_mean_one_person_are_in_one_split(twins: tuple[str, str], seed: int, touch: Touch) -> None:
    paths = [name if "." in name else f"{name}/1.mp4" for name in twins]
    found = scan_folder(touch(*paths, "x/1.mp4", "y/1.mp4", "z/1.mp4"), seed)
    assert len({source.split for source in found if source.id in paths}) == 1


# Folders around the speakers


def test_voxceleb_at_its_root_is_no_speaker_called_dev(touch: Touch) -> None:
    root = touch(*(f"dev/mp4/{name}" for name in VOX))
    with pytest.raises(InputError, match=r"named as splits are, not speakers \(dev\)") as raised:
        scan_folder(root)
    assert f"--split folders to read them as splits, or build one with --corpus-root {root}/dev/mp4" in str(
        raised.value
    )
    found = scan_folder(root / "dev/mp4")
    assert nobody_in_two(found)
    assert set(splits(found)) == {"id00012", "id00015"}


def test_split_folders_are_read_as_such_when_told(touch: Touch) -> None:
    names = [f"dev/mp4/{name}" for name in VOX] + ["test/mp4/id00017/x/1.mp4", "test/mp4/id00018/y/1.mp4"]
    found = scan_folder(touch(*names), split="folders")
    assert splits(found) == {"id00012": {"train"}, "id00015": {"train"}, "id00017": {"test"}, "id00018": {"test"}}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train/anna/1.mp4", "Test/ben/1.mp4", "val/carl/1.mp4"], {"anna": "train", "ben": "test", "carl": "val"}),
        (["train/a_1.mp4", "dev/b_1.mp4", "test/c_1.mp4"], {"a_1": "train", "b_1": "val", "c_1": "test"}),
        (["train/cropped/a.mp4", "val/cropped/b.mp4"], {"a": "train", "b": "val"}),
        (["vox2_dev/mp4/i1/1.mp4", "vox2_test/mp4/i2/1.mp4"], {"i1": "train", "i2": "test"}),
        (["Train set 1/anna/1.mp4", "Test-Set/ben/1.mp4"], {"anna": "train", "ben": "test"}),
        (["pretrain/i1/1.mp4", "trainval/i2/1.mp4", "test/i3/1.mp4"], {"i1": "train", "i2": "train", "i3": "test"}),
    ],
)
def test_split_folders_of_many_kinds(names: list[str], expected: dict[str, str], touch: Touch) -> None:
    root = touch(*names)
    with pytest.raises(InputError, match="named as splits are"):
        scan_folder(root)
    assert {source.speaker: source.split for source in scan_folder(root, split="folders")} == expected


def test_split_folders_that_share_a_person_are_refused(touch: Touch) -> None:
    root = touch("train/anna/1.mp4", "train/ben/1.mp4", "test/anna/2.mp4")
    with pytest.raises(InputError, match="'anna' is in train and in test; one person belongs in one split"):
        scan_folder(root, split="folders")


def test_folders_that_are_no_splits_are_named(touch: Touch) -> None:
    root = touch("anna/1.mp4", "train/ben/1.mp4")
    with pytest.raises(InputError, match=r"\(train\); rename what is a speaker"):
        scan_folder(root)
    with pytest.raises(InputError, match=r"called train, val or test, got anna/1\.mp4"):
        scan_folder(root, split="folders")
    with pytest.raises(InputError, match="--split must be one of"):
        scan_folder(root, split="random")


def test_dev_may_be_somebody(touch: Touch) -> None:
    found = scan_folder(touch("anna/1.mp4", "dev/1.mp4"))
    assert set(splits(found)) == {"anna", "dev"}
    assert found.warnings[0].startswith("'dev' is taken for a speaker")


@pytest.mark.parametrize("around", ["lrs3", "data/clips/all"])
def test_a_folder_around_the_speakers_is_named_with_the_remedy(around: str, touch: Touch) -> None:
    root = touch(f"{around}/anna/1.mp4", f"{around}/ben/1.mp4", "readme.txt")
    with pytest.raises(InputError, match=r"all videos lie in 2 folders in .* \(anna, ben\)") as raised:
        scan_folder(root)
    assert f"--corpus-root {root}/{around};" in str(raised.value)
    pattern = str(raised.value).rpartition("--speaker-pattern '")[2].rstrip("'")
    assert set(splits(scan_folder(root, speaker_pattern=pattern))) == {around.split("/")[0]}


def test_a_folder_around_splits(touch: Touch) -> None:
    root = touch("lrs3/trainval/a/1.mp4", "lrs3/test/b/1.mp4")
    with pytest.raises(InputError, match=r"--corpus-root \S+/lrs3 --split folders"):
        scan_folder(root)


def test_speakers_deeper_down_are_a_warning_where_both_are_possible(touch: Touch) -> None:
    found = scan_folder(touch(*(f"part{n}/person{n}{k}/1.mp4" for n in range(2) for k in range(3))))
    assert set(splits(found)) == {"part0", "part1"}
    (warning,) = found.warnings
    assert "if the 6 folders inside are (person00, person01, person02 and 3 more)" in warning
    pattern = warning.rpartition("--speaker-pattern '")[2].rstrip("'")
    deeper = scan_folder(touch(), speaker_pattern=pattern)
    assert set(splits(deeper)) == {f"person{n}{k}" for n in range(2) for k in range(3)}
    assert deeper.warnings == []


def test_a_way_of_filing_is_no_speaker(touch: Touch) -> None:
    mead = [f"M0{n}/video/{view}/happy/level_1/001.mp4" for n in range(4) for view in ("front", "left_30")]
    assert scan_folder(touch(*mead)).warnings == []


def test_one_persons_folder_below_two_is_a_warning(touch: Touch) -> None:
    names = [f"{kind}_Actor_{n:02}/Actor_{n:02}/1.mp4" for kind in ("Song", "Speech") for n in range(1, 9)]
    found = scan_folder(touch(*names))
    (warning,) = found.warnings
    assert "folders of one name lie below speakers of different splits" in warning
    pattern = warning.rpartition("--speaker-pattern '")[2].rstrip("'")
    again = scan_folder(touch(), speaker_pattern=pattern)
    assert nobody_in_two(again)
    assert set(splits(again)) == {f"Actor_{n:02}" for n in range(1, 9)}


@pytest.mark.parametrize(
    "names",
    [
        [f"Video_{kind}/Actor_{n:02}/1.mp4" for kind in ("Song", "Speech") for n in range(1, 9)],
        [f"cam{n}/{who}/1.mp4" for n in (1, 2) for who in ("anna", "ben", "carl", "dora")],
        [f"{how}/{n}_{text}.mp4" for how in ("x", "y", "z") for n in range(1001, 1009) for text in ("DFA", "IEO")],
        [f"session{n}/{who}.mp4" for n in range(5) for who in ("anna", "ben", "carl", "dora")],
        [f"session{n}/{who}/1.mp4" for n in range(5) for who in ("anna", "ben", "carl", "dora")],
        [f"{how}/{who}_{n}.mp4" for how in ("happy", "sad", "calm") for n in (1, 2) for who in ("anna", "ben")],
    ],
)
def test_folders_that_are_no_people_are_a_warning_whose_remedy_works(names: list[str], touch: Touch) -> None:
    (warning,) = scan_folder(touch(*names)).warnings
    pattern = warning.rpartition("--speaker-pattern '")[2].rstrip("'")
    mended = scan_folder(touch(), speaker_pattern=pattern)
    assert 2 <= len(splits(mended)) <= 8
    assert nobody_in_two(mended)
    assert mended.warnings == []


@pytest.mark.parametrize(
    "names",
    [
        [f"{who}/sa{n}.mp4" for who in ("01M", "02F", "03F") for n in range(9)],
        [f"s{who}/{text}.mpg" for who in range(3) for text in ("bbaf2n", "lwiz3s", "pwij4p", "srbi5a")],
        [f"Actor_{who:02}/01-0{n}-03-01-01-01-{who:02}.mp4" for who in range(1, 9) for n in (1, 2)],
        [f"{who}/clip_{n}.mp4" for who in ("anna", "ben", "carl") for n in range(9)],
        [f"{who}/session{n}/1.mp4" for who in ("anna", "ben") for n in range(5)],
    ],
)
def test_what_all_people_said_is_no_person(names: list[str], touch: Touch) -> None:
    assert scan_folder(touch(*names)).warnings == []


# Flat names

CREMA = [
    f"{actor}_{text}_{feeling}_XX.flv"
    for actor in range(1001, 1009)
    for text, feeling in (("DFA", "ANG"), ("IEO", "HAP"))
]


@pytest.mark.parametrize(
    ("names", "people"),
    [
        (CREMA, {str(actor) for actor in range(1001, 1009)}),
        (
            [f"{who}-{n}.mp4" for who in ("anna", "ben", "carl", "dora") for n in range(2)],
            {"anna", "ben", "carl", "dora"},
        ),
        (
            [f"{who}{n}.mp4" for who in ("anna", "ben", "carl", "dora") for n in range(3)],
            {"anna", "ben", "carl", "dora"},
        ),
        (
            [f"{who}{take}.mp4" for who in ("anna", "ben", "carl", "dora") for take in "ABC"],
            {"anna", "ben", "carl", "dora"},
        ),
        (
            [f"take_{n:02}_{who}.mp4" for who in ("anna", "ben", "carl", "dora") for n in range(3)],
            {"anna", "ben", "carl", "dora"},
        ),
        (
            [f"01-01-0{n}-02-01-{who:02}.mp4" for who in range(1, 9) for n in range(1, 4)],
            {f"{who:02}" for who in range(1, 9)},
        ),
    ],
)
def test_files_that_begin_alike_are_a_warning_whose_remedy_works(
    names: list[str], people: set[str], touch: Touch
) -> None:
    found = scan_folder(touch(*names))
    (warning,) = found.warnings
    assert re.search("files that (begin|end) alike are in different splits", warning)
    pattern = warning.rpartition("--speaker-pattern '")[2].rstrip("'")
    mended = scan_folder(touch(), speaker_pattern=pattern)
    assert set(splits(mended)) == people
    assert nobody_in_two(mended)
    assert mended.warnings == []


@pytest.mark.parametrize("names", [[f"{n:03}.mp4" for n in range(12)], [f"clip_{n:03}.mp4" for n in range(12)]])
def test_numbered_files_are_no_warning(names: list[str], touch: Touch) -> None:
    assert scan_folder(touch(*names)).warnings == []


def test_speaker_patterns(touch: Touch) -> None:
    root = touch("a/1001_x.mp4", "b/1001_y.mp4", "b/1002_x.mp4")
    assert set(splits(scan_folder(root, speaker_pattern=r"(\d+)_"))) == {"1001", "1002"}
    assert set(splits(scan_folder(root, speaker_pattern=r"\d+(?=_)"))) == {"1001", "1002"}
    with pytest.raises(InputError, match=r"finds no speaker in 1 of 3 videos \(b/1002_x\.mp4\)"):
        scan_folder(root, speaker_pattern="1001")
    with pytest.raises(InputError, match="is no regular expression"):
        scan_folder(root, speaker_pattern="(")
    with pytest.raises(InputError, match="finds no speaker in 3 of 3"):
        scan_folder(root, speaker_pattern="(x*)1")


def test_missing_or_empty_roots(tmp_path: Path, touch: Touch) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        scan_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no videos of the expected layout: it holds 1 \.jpg, 2 \.txt;"):
        scan_folder(touch("x.txt", "a/y.txt", "z.jpg"))
    with pytest.raises(InputError, match="whose pictures are frames in a table"):
        scan_folder(touch())
