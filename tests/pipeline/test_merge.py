"""Merging and comparing: what is whole stays byte for byte, `check` passes, and what must not be is refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.__main__ import main
from pipeline.check import check_dataset
from pipeline.diff import compare
from pipeline.files import sha256_of
from pipeline.manifest import read_rows, write_rows
from pipeline.shards import ShardReader, Video, open_dataset
from pipeline.shards.dataset import contents_digest

PartOf = Callable[..., Path]


def ids(dataset: Path, *speakers: str) -> list[str]:
    return [row["id"] for row in read_rows(dataset / "manifest.csv") if row["speaker"] in speakers]


@pytest.fixture
def halves(drawn: Path, tmp_path: Path, part_of: PartOf) -> tuple[Path, Path]:
    """One speaker of the training and the one of the test split; another one of the training split, in one shard."""
    first = part_of(drawn, tmp_path / "first", ids(drawn, "01M", "08F"))
    return first, part_of(drawn, tmp_path / "second", ids(drawn, "02M"), join=True)


def videos(dataset: Path) -> dict[str, Video]:
    opened = open_dataset(dataset)
    return {video.id: video for split in opened.splits for video in opened.videos(split)}


def content(video: Video) -> tuple[np.ndarray, ...]:
    rows = range(video.first_row, video.first_row + video.row_count)
    with ShardReader(video.shard) as reader:
        return reader.frames(rows), reader.landmarks(rows), reader.k_codes(rows), np.array(video.bank) - video.first_row


def one_line(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    capsys.readouterr()
    assert main([*map(str, arguments)]) == 1
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("copy", [False, True], ids=["linked", "copied"])
def test_a_merged_dataset_passes_the_check_and_holds_the_same(
    copy: bool, drawn: Path, halves: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["merge", *map(str, halves), "--out", str(out), *(["--copy"] if copy else [])]) == 0
    defects, digest = check_dataset(out)
    assert defects == []
    assert capsys.readouterr().out.splitlines()[-1] == digest
    merged, whole = videos(out), videos(drawn)
    assert merged.keys() == whole.keys()
    for name, video in merged.items():
        assert (video.split, video.speaker) == (whole[name].split, whole[name].speaker)
        assert all(map(np.array_equal, content(video), content(whole[name])))
    links = [path.stat().st_nlink for path in (out / "shards").rglob("*.h5")]
    assert links == [1 if copy else 2] * 5
    contents = json.loads((out / "dataset.json").read_text())
    assert contents["counts"] == json.loads((drawn / "dataset.json").read_text())["counts"]
    assert [each["digest"] for each in contents["merged"]] == [open_dataset(half).digest for half in halves]
    assert "holds" not in one_line(capsys, "merge", *halves, "--out", out)


def test_killed_before_the_end_it_goes_on(halves: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        assert main(["merge", *map(str, halves), "--out", str(tmp_path / name)]) == 0
    (tmp_path / "killed/dataset.json").unlink()
    gone, cut, *_ = sorted((tmp_path / "killed").rglob("*.h5"))
    gone.unlink()
    cut.unlink()
    cut.write_bytes(b"half")
    assert main(["merge", *map(str, halves), "--out", str(tmp_path / "killed")]) == 0
    for path in (tmp_path / "whole").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "killed" / path.relative_to(tmp_path / "whole")).read_bytes()


def test_ids_of_both_are_refused_or_left_out_of_the_second(
    drawn: Path, halves: tuple[Path, Path], tmp_path: Path, part_of: PartOf, capsys: pytest.CaptureFixture[str]
) -> None:
    both = part_of(drawn, tmp_path / "both", [*ids(drawn, "02M"), ids(drawn, "01M")[0]], join=True)
    line = one_line(capsys, "merge", halves[0], both, "--out", tmp_path / "out")
    assert f"1 of its ids are in {halves[0]} as well ({ids(drawn, '01M')[0]}); leave them out with --exclude" in line
    unwanted = tmp_path / "unwanted.txt"
    unwanted.write_text(f"{ids(drawn, '01M')[0]}\n")
    arguments = ["merge", *map(str, (halves[0], both)), "--out", str(tmp_path / "out"), "--exclude", str(unwanted)]
    assert main(arguments) == 0
    assert check_dataset(tmp_path / "out")[0] == []
    merged, whole = videos(tmp_path / "out"), videos(drawn)
    assert merged.keys() == whole.keys()
    assert all(map(np.array_equal, content(merged[name]), content(whole[name])) for name in whole)
    for text, words in (("nobody.mp4\n", "is an id of none"), (f"{ids(drawn, '02M')[0]}#frame=1-2\n", "whole videos")):
        unwanted.write_text(text)
        line = one_line(capsys, "merge", halves[0], both, "--out", tmp_path / "no", "--exclude", unwanted)
        assert str(unwanted) in line
        assert words in line


def moved(dataset: Path, split: str, speaker: str | None = None) -> Path:
    """The dataset with all its videos in another split, and renamed."""
    contents = json.loads((dataset / "dataset.json").read_text())
    rows = list(read_rows(dataset / "manifest.csv"))
    for shard in contents["shards"]:
        path, there = dataset / shard["path"], f"shards/{split}/{Path(shard['path']).name}"
        (dataset / there).parent.mkdir(parents=True, exist_ok=True)
        path.rename(dataset / there)
        rows = [row | {"shard": there, "split": split} if row["shard"] == shard["path"] else row for row in rows]
        if speaker is not None:
            with h5py.File(dataset / there, "r+") as file:
                file["videos/speaker"][:] = speaker
        shard.update(path=there, split=split, sha256=sha256_of(dataset / there))
    write_rows(dataset / "manifest.csv", rows)
    contents.update(splits=[split], manifest_sha256=sha256_of(dataset / "manifest.csv"))
    contents["contents_sha256"] = contents_digest(contents)
    (dataset / "dataset.json").write_text(json.dumps(contents))
    return dataset


@pytest.mark.parametrize("speaker", [None, "somebody else"], ids=["by name", "by the source that shows them"])
def test_a_person_in_two_splits_is_refused_by_name(
    speaker: str | None, drawn: Path, tmp_path: Path, part_of: PartOf, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = ids(drawn, "01M")
    train = part_of(drawn, tmp_path / "train", [first])
    test = moved(part_of(drawn, tmp_path / "test", [second]), "test", speaker)
    if speaker is not None:
        for path in (*train.rglob("*.h5"), *test.rglob("*.h5")):
            with h5py.File(path, "r+") as file:
                file["videos/source_sha256"][:] = "ab" * 32
    line = one_line(capsys, "merge", train, test, "--out", tmp_path / "out")
    name = speaker or "01M"
    assert f"1 speakers would be in two splits ({name}: train of {train}, test here)" in line
    assert "--exclude" in line
    assert not (tmp_path / "out").exists()


def test_settings_of_the_crop_must_be_equal_and_are_named(
    drawn: Path, tmp_path: Path, part_of: PartOf, capsys: pytest.CaptureFixture[str]
) -> None:
    config = open_dataset(drawn).config
    first = part_of(drawn, tmp_path / "first", ids(drawn, "01M"))
    other = config | {"centre": "eyes", "storage": "zstd", "track": config["track"] | {"detect_every": 99}}
    eyes = part_of(drawn, tmp_path / "eyes", ids(drawn, "02M"), config=other)
    line = one_line(capsys, "merge", first, eyes, "--out", tmp_path / "out")
    assert "centre (nose there, eyes here), track.detect_every" in line
    assert "storage" not in line
    own = part_of(drawn, tmp_path / "own", ids(drawn, "02M"), bank_from="own")
    assert "say which with --bank-from" in one_line(capsys, "merge", first, own, "--out", tmp_path / "out")
    assert main(["merge", str(first), str(own), "--out", str(tmp_path / "out"), "--bank-from", "own"]) == 0
    assert open_dataset(tmp_path / "out").bank_from == "own"


def test_bytes_are_proved_and_folders_kept_apart(
    halves: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = halves
    assert "must lie apart" in one_line(capsys, "merge", first, second, "--out", first / "out")
    assert "two datasets or more" in one_line(capsys, "merge", first, "--out", tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").touch()
    assert "got letter.txt" in one_line(capsys, "merge", first, second, "--out", tmp_path / "full")
    (shard,) = second.rglob("*.h5")
    whole = bytearray(shard.read_bytes())
    whole[len(whole) // 2] ^= 1
    shard.write_bytes(whole)
    assert f"{shard}: its SHA-256 is not that" in one_line(capsys, "merge", first, second, "--out", tmp_path / "out")
    assert not (tmp_path / "out/dataset.json").exists()


def test_no_difference(drawn: Path, tmp_path: Path, part_of: PartOf, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(drawn, tmp_path / "copy")
    assert main(["diff", str(drawn), str(tmp_path / "copy")]) == 0
    assert capsys.readouterr().out == f"digest {open_dataset(drawn).digest} of both\n"
    joined = part_of(drawn, tmp_path / "joined", videos(drawn), join=True, packages={"numpy": "0.1"})
    found = compare(drawn, joined)
    assert found.digest[0] != found.digest[1]  # other shards
    assert (found.added, found.removed, found.changed, found.settings) == ([], [], {}, {})  # of the same videos
    assert found.packages["numpy"][1] == "0.1"


def test_every_difference_is_named(
    drawn: Path, tmp_path: Path, part_of: PartOf, capsys: pytest.CaptureFixture[str]
) -> None:
    config = open_dataset(drawn).config
    before = part_of(drawn, tmp_path / "before", ids(drawn, "01M", "02M"))
    after = part_of(drawn, tmp_path / "after", ids(drawn, "02M", "08F"), config=config | {"centre": "eyes"})
    name, other = ids(drawn, "02M")
    rows = list(read_rows(after / "manifest.csv"))
    for row in rows:
        if row["id"] == name:
            row["dropped_no_face"] = "3"
        if row["id"] == other:
            with h5py.File(after / row["shard"], "r+") as file:
                file["landmarks"][2, 30] += 0.5
    write_rows(after / "manifest.csv", rows)
    contents = json.loads((after / "dataset.json").read_text())
    contents["counts"]["frames_dropped"]["no_face"] = 3
    for shard in contents["shards"]:
        shard["sha256"] = sha256_of(after / shard["path"])
    (after / "dataset.json").write_text(json.dumps(contents))
    assert main(["diff", str(before), str(after), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["differ"] is True
    assert found["settings"] == {"centre": ["nose", "eyes"]}
    assert (found["removed"], found["added"]) == (sorted(ids(drawn, "01M")), sorted(ids(drawn, "08F")))
    assert found["changed"] == {name: ["dropped_no_face: 0 -> 3"], other: ["landmarks by 0.5 at most"]}
    assert found["counts"]["frames_dropped.no_face"] == [0, 3]
    assert main(["diff", str(before), str(after)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "setting centre: nose -> eyes" in lines
    assert f"~ {other}: landmarks by 0.5 at most" in lines
    assert f"+ {ids(drawn, '08F')[0]}" in lines
