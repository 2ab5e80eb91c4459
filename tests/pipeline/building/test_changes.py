"""A corpus that changes: what was mended, replaced, added or excluded is made, and just that."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

from pipeline import BuildFolder, content
from pipeline.building import plan
from pipeline.check import check_dataset
from pipeline.files import sha256_of

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12345\n"
Build = Callable[..., tuple[bool, str]]
Made = Callable[[], list[str]]
IDS = ["anna/1.mp4", "anna/2.mp4", "ben/1.mp4", "ben/2.mp4"]


@pytest.fixture(autouse=True)
def _large_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of several videos, as large corpora have them."""
    monkeypatch.setattr(plan, "MIN_CHUNKS", 1)


@pytest.fixture
def clips(sample_root: Path) -> list[Path]:
    """Six clips of three people."""
    return sorted((sample_root / "volunteers").rglob("*.mp4"))


@pytest.fixture
def root(clips: list[Path], tmp_path: Path) -> Path:
    """Two people, two clips each."""
    root = tmp_path / "corpus"
    for name, clip in zip(IDS, clips, strict=False):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, root / name)
    return root


def digest(out: Path) -> str:
    defects, found = check_dataset(out)
    assert defects == []
    return found


def contents(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "dataset.json").read_text()))


def manifest(out: Path) -> pandas.DataFrame:
    return pandas.read_csv(out / "manifest.csv", keep_default_na=False).set_index("id")


def fresh(build: Build, made: Made, root: Path, tmp_path: Path, **flags: Any) -> str:
    """The digest of a build from nothing of the corpus as it is."""
    assert build(BuildFolder, corpus_root=root, out=tmp_path / "fresh", **flags)[0]
    made()
    return digest(tmp_path / "fresh")


def test_a_pointer_that_was_pulled_is_made_and_just_that(
    build: Build, made: Made, root: Path, clips: list[Path], tmp_path: Path
) -> None:
    flags = {"corpus_root": root, "out": tmp_path / "out", "max_failures": 0.5}
    (root / "anna/1.mp4").write_bytes(POINTER)
    assert build(BuildFolder, **flags)[0]
    row = manifest(tmp_path / "out").loc["anna/1.mp4"]
    assert row["error"].startswith("unreadable: ")
    assert row["error"].endswith("it stands for a file of git-lfs: run git lfs pull")
    assert row["sha256"] == sha256_of(root / "anna/1.mp4")
    made()
    shutil.copy(clips[0], root / "anna/1.mp4")
    done, said = build(BuildFolder, **flags)
    assert done
    assert "1 of its sources changed since (anna/1.mp4); they are read again" in said
    assert made() == ["anna/1.mp4"]
    assert manifest(tmp_path / "out").loc["anna/1.mp4", "status"] == "ok"
    assert digest(tmp_path / "out") == fresh(build, made, root, tmp_path)


def test_a_build_that_failed_for_it_goes_on(
    build: Build, made: Made, root: Path, clips: list[Path], tmp_path: Path
) -> None:
    flags = {"corpus_root": root, "out": tmp_path / "out"}
    (root / "anna/1.mp4").write_bytes(POINTER)
    assert not build(BuildFolder, **flags)[0]
    shutil.copy(clips[0], root / "anna/1.mp4")
    made()
    assert build(BuildFolder, **flags)[0]
    assert made() == ["anna/1.mp4"]


@pytest.mark.parametrize("same_times", [False, True])
def test_a_source_that_was_replaced(
    same_times: bool, build: Build, made: Made, root: Path, clips: list[Path], tmp_path: Path
) -> None:
    """Also by a file of the same size and time of modification."""
    flags = {"corpus_root": root, "out": tmp_path / "out"}
    assert build(BuildFolder, **flags)[0]
    before, times = sha256_of(root / "ben/2.mp4"), (root / "ben/2.mp4").stat()
    replacement = bytearray(clips[4].read_bytes())
    if same_times:
        replacement = bytearray((root / "ben/2.mp4").read_bytes())
        place = replacement.rindex(b"Lavf")  # the name of the program that wrote it
        replacement[place : place + 4] = b"Lavg"
    (root / "ben/2.mp4").write_bytes(replacement)
    if same_times:
        os.utime(root / "ben/2.mp4", ns=(times.st_atime_ns, times.st_mtime_ns))
    made()
    assert build(BuildFolder, **flags)[0]
    assert made() == ["ben/2.mp4"]
    row = manifest(tmp_path / "out").loc["ben/2.mp4"]
    assert row["sha256"] == sha256_of(root / "ben/2.mp4") != before
    assert digest(tmp_path / "out") == fresh(build, made, root, tmp_path)


def test_a_new_time_alone_is_read_once_and_nothing_is_made(
    build: Build, made: Made, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {"corpus_root": root, "out": tmp_path / "out"}
    assert build(BuildFolder, **flags)[0]
    made()
    for name in IDS:
        (root / name).touch()
    read: list[Path] = []
    monkeypatch.setattr(content, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    done, said = build(BuildFolder, **flags)
    assert (done, "complete already, nothing to do" in said, made()) == (True, True, [])
    assert sorted(read) == [root / name for name in IDS]
    read.clear()
    assert build(BuildFolder, **flags)[0]
    assert read == []


def test_work_that_was_deleted_is_not_done_again(
    build: Build, made: Made, root: Path, clips: list[Path], tmp_path: Path
) -> None:
    flags = {"corpus_root": root, "out": tmp_path / "out"}
    assert build(BuildFolder, **flags)[0]
    before = digest(tmp_path / "out")
    shutil.rmtree(tmp_path / "out/work")
    made()
    done, said = build(BuildFolder, **flags)
    assert (done, "complete already" in said, made(), digest(tmp_path / "out")) == (True, True, [], before)
    shutil.rmtree(tmp_path / "out/work")
    shutil.copy(clips[5], root / "anna/2.mp4")
    assert build(BuildFolder, **flags)[0]
    assert made() == ["anna/2.mp4"]
    assert digest(tmp_path / "out") == fresh(build, made, root, tmp_path)


def test_what_has_come_and_gone_is_said_and_rescan_makes_just_the_new(
    build: Build, made: Made, root: Path, clips: list[Path], tmp_path: Path
) -> None:
    flags = {"corpus_root": root, "out": tmp_path / "out"}
    assert build(BuildFolder, **flags)[0]
    before = digest(tmp_path / "out")
    (root / "carl").mkdir()
    shutil.copy(clips[4], root / "carl/1.mp4")
    (root / "ben/1.mp4").unlink()
    made()
    done, said = build(BuildFolder, **flags)
    assert (done, made(), digest(tmp_path / "out")) == (True, [], before)
    assert "complete already, nothing to do" in said
    assert "1 clips have come to the corpus since (carl/1.mp4); --rescan takes them in" in said
    assert "1 clips are gone from the corpus since (ben/1.mp4)" in said
    done, said = build(BuildFolder, rescan=True, **flags)
    assert (done, made()) == (True, ["carl/1.mp4"])
    assert "since" not in said
    assert digest(tmp_path / "out") == fresh(build, made, root, tmp_path)
    assert not list((tmp_path / "out/work").rglob("*.earlier.json"))


def test_a_corpus_that_is_not_there(build: Build, root: Path, tmp_path: Path) -> None:
    flags = {"corpus_root": root, "out": tmp_path / "out"}
    assert build(BuildFolder, **flags)[0]
    root.rename(tmp_path / "elsewhere")
    done, said = build(BuildFolder, **flags)
    assert done
    assert "complete already" in said
    assert "is not there; whether the corpus has grown or changed was not looked at" in said


def test_excluding_makes_nothing_but_what_it_changes(build: Build, made: Made, root: Path, tmp_path: Path) -> None:
    flags = {"corpus_root": root, "out": tmp_path / "out"}
    assert build(BuildFolder, **flags)[0]
    split = manifest(tmp_path / "out")["split"]
    made()
    unwanted = tmp_path / "exclude.txt"
    unwanted.write_text("ben/1.mp4\nanna/2.mp4#frame=3-5\n")
    done, said = build(BuildFolder, exclude=unwanted, **flags)
    assert (done, made()) == (True, ["anna/2.mp4"])
    assert "left aside: 1 clip excluded: ben/1.mp4" in said
    assert "left aside: frames of 1 clip excluded: anna/2.mp4" in said
    rows = manifest(tmp_path / "out")
    assert sorted(rows.index) == ["anna/1.mp4", "anna/2.mp4", "ben/2.mp4"]
    assert (rows["split"] == split[rows.index]).all()  # nobody moves because somebody is gone
    assert rows.loc["anna/2.mp4", "dropped_excluded"] == 3
    assert contents(tmp_path / "out")["left_aside"]["excluded"] == {"clips": ["ben/1.mp4"], "frames_of": ["anna/2.mp4"]}
    assert digest(tmp_path / "out") == fresh(build, made, root, tmp_path, exclude=unwanted)
    assert build(BuildFolder, **flags)[0]
    assert made() == ["anna/2.mp4", "ben/1.mp4"]


def test_speakers_that_are_told_apart_otherwise_are_renamed_only(
    build: Build, made: Made, root: Path, tmp_path: Path
) -> None:
    flags = {"corpus_root": root, "out": tmp_path / "out"}
    assert build(BuildFolder, **flags)[0]
    made()
    assert build(BuildFolder, speaker_pattern=r"/(\d)", **flags)[0]
    assert made() == []
    assert manifest(tmp_path / "out")["speaker"].astype(str).to_dict() == {name: name[-5] for name in IDS}
    assert digest(tmp_path / "out") == fresh(build, made, root, tmp_path, speaker_pattern=r"/(\d)")


def test_nothing_damaged_is_taken_over(build: Build, made: Made, root: Path, tmp_path: Path) -> None:
    flags = {"corpus_root": root, "out": tmp_path / "out"}
    assert build(BuildFolder, **flags)[0]
    shard = tmp_path / "out" / manifest(tmp_path / "out").loc["ben/1.mp4", "shard"]
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    shard.write_bytes(damaged)
    made()
    assert build(BuildFolder, speaker_pattern=r"/(\d)", **flags)[0]
    assert made() == ["ben/1.mp4", "ben/2.mp4"]
    assert digest(tmp_path / "out") == fresh(build, made, root, tmp_path, speaker_pattern=r"/(\d)")


def test_where_banks_come_from_changes_no_shard(build: Build, made: Made, root: Path, tmp_path: Path) -> None:
    flags = {"corpus_root": root, "out": tmp_path / "out"}
    assert build(BuildFolder, **flags)[0]
    shards = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/shards").rglob("*.h5")}
    assert contents(tmp_path / "out")["bank_from"] == "own"
    made()
    done, said = build(BuildFolder, bank_from="other", **flags)
    assert done
    assert "single clip" not in said
    assert (made(), contents(tmp_path / "out")["bank_from"]) == ([], "other")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out/shards").rglob("*.h5")} == shards


def test_a_bank_that_cannot_come_from_another_clip_is_said(build: Build, root: Path, tmp_path: Path) -> None:
    (root / "anna/2.mp4").unlink()
    done, said = build(BuildFolder, corpus_root=root, out=tmp_path / "out", bank_from="other")
    assert done
    warning = "1 speaker has a single clip, whose bank is then its own in spite of --bank-from other (anna)"
    assert f"  warning: {warning}" in said
    assert contents(tmp_path / "out")["warnings"][1:] == [warning]


def test_one_file_of_two_people_is_a_warning(build: Build, root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "anna/1.mp4", root / "ben/again.mp4")
    done, said = build(BuildFolder, corpus_root=root, out=tmp_path / "out")
    assert done
    warning = "2 files of different speakers are the same (anna/1.mp4, ben/again.mp4), in test and in train: name them"
    assert f"  warning: {warning}" in said
    assert contents(tmp_path / "out")["same_content"][0].startswith(warning)
    twins = tmp_path / "twins.txt"
    twins.write_text("ben/again.mp4\n")
    done, said = build(BuildFolder, corpus_root=root, out=tmp_path / "out", exclude=str(twins))
    assert done
    assert "are the same" not in said


def test_what_is_left_aside_is_in_the_summary_and_the_dataset(build: Build, root: Path, tmp_path: Path) -> None:
    (root / ".cache").mkdir()
    for name in ("anna/1.wav", "anna/2.wav", "notes.txt", "._1.mp4"):
        (root / name).touch()
    done, said = build(BuildFolder, corpus_root=root, out=tmp_path / "out")
    assert done
    assert "left aside: 4 files that are no videos (2 .wav, 1 (hidden), 1 .txt)" in said
    assert "left aside: 1 folder, hidden: .cache" in said
    noted = contents(tmp_path / "out")["left_aside"]
    assert noted["other_files"] == {"(hidden)": 1, ".txt": 1, ".wav": 2}
    assert noted["skipped"] == [{"folder": ".cache", "why": "hidden", "videos": None}]
