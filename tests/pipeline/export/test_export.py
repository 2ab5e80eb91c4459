"""Exports: each read back by its own library, of the same bytes however they came about, and refused in one line."""

from __future__ import annotations

import gc
import importlib.util
import io
import json
import subprocess
import tarfile
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pipeline.__main__ import main
from pipeline.export import FORMATS, ExportSettings, export_dataset, run
from pipeline.export.plan import clip_name, plain_name
from pipeline.shards import ShardReader, Video, open_dataset

EXPORT = "wants the libraries: pip install --constraint constraints.txt '.[export]' datasets"
Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def libraries() -> None:
    for package in ("webdataset", "pyarrow", "datasets"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(EXPORT)


def export(dataset: Path, to: Path, *flags: str) -> dict[str, Any]:
    """By the command; returns what `export.json` says."""
    assert main(["export", str(dataset), "--to", str(to), *flags]) == 0
    return dict(json.loads((to / "export.json").read_text()))


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def film(path: Path) -> list[Pixels]:
    """As trainers read it: (H, W, 3) uint8 RGB a frame."""
    capture = cv2.VideoCapture(str(path))
    shown = []
    while (read := capture.read())[0]:
        shown.append(read[1][..., ::-1])
    return shown


def rows_of(dataset: Path, split: str, name: str) -> tuple[Video, ShardReader, range]:
    (video,) = (video for video in open_dataset(dataset).videos(split) if video.id == name)
    return video, ShardReader(video.shard), range(video.first_row, video.first_row + video.row_count)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the library leaves its files to the collector
@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("window", [0, 4, 1])
def test_webdataset_by_its_own_library(window: int, drawn: Path, tmp_path: Path) -> None:
    import webdataset

    said = export(drawn, tmp_path / "to", "--format", "webdataset", "--window", str(window), "--frames-per-file", "20")
    seen: dict[str, set[int]] = {}
    for split, size in said["splits"].items():
        tars = [str(tmp_path / "to" / path) for path in size["files"]]
        assert len(tars) == -(-size["frames"] // 30)  # two videos of fifteen frames reach twenty
        for sample in webdataset.WebDataset(tars, shardshuffle=False).decode("rgb8"):
            about = sample["json"]
            video, reader, rows = rows_of(drawn, split, about["id"])
            ours = rows[about["first"] : about["first"] + about["frames"]]
            suffix = "png" if window == 1 else f"{len(ours) - 1:06d}.png"
            assert np.array_equal(sample[suffix], reader.frames(ours)[-1])
            assert sum(name.endswith("png") for name in sample) == len(ours)
            for name in ("landmarks", "mouth_openness", "frame_index", "pts_seconds", "crop_transform"):
                assert np.array_equal(sample["npz"][name], getattr(reader, name)(ours))
            assert [ours[place] for place in about["bank"]] == [row for row in video.bank if row in ours]
            assert (about["speaker"], about["split"], about["origin"]) == (video.speaker, split, "unknown")
            assert sample["__key__"].startswith(clip_name(video))
            with wave.open(io.BytesIO(sample["wav"])) as sound:
                assert sound.getnframes() == round(16_000 * len(ours) / video.fps)
                first = round(16_000 * float(np.subtract(*reader.pts_seconds([ours[0], rows[0]]))))
                assert sound.readframes(800) == reader.audio(video.first_sample + first, 800).tobytes()
            seen.setdefault(about["id"], set()).update(ours)
    gc.collect()
    assert {name: len(numbers) for name, numbers in seen.items()} == {
        video.id: video.row_count for split in ("train", "test") for video in open_dataset(drawn).videos(split)
    }


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("pictures", ["png", "jpeg"])
def test_parquet_by_datasets(pictures: str, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    said = export(drawn, tmp_path / "to", "--format", "huggingface", "--pictures", pictures)
    loaded = datasets.load_dataset(str(tmp_path / "to"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(loaded[split]) for split in loaded} == {s: size["frames"] for s, size in said["splits"].items()}
    assert isinstance(loaded["train"].features["image"], datasets.Image)
    assert loaded["train"].features["landmarks"].length == 68
    table = loaded["test"].with_format("numpy")
    banks: dict[str, dict[int, int]] = {}
    for number in range(len(table)):
        row = table[number]
        video, reader, rows = rows_of(drawn, "test", row["video"])
        place = rows[list(reader.frame_index(rows)).index(row["frame_index"])]
        off = np.abs(row["image"].astype(int) - reader.frames([place])[0])
        assert off.max() == 0 if pictures == "png" else off.mean() < 2
        for name in ("landmarks", "crop_transform", "mouth_openness", "pts_seconds"):
            assert np.array_equal(row[name], getattr(reader, name)([place])[0])
        assert (row["speaker"], row["fps"]) == (video.speaker, video.fps)
        if row["bank"] >= 0:
            banks.setdefault(video.id, {})[int(row["bank"])] = place
    assert {name: tuple(bank[place] for place in range(5)) for name, bank in banks.items()} == {
        video.id: video.bank for video in open_dataset(drawn).videos("test")
    }


def test_clips_are_films_of_the_crops_with_their_landmarks(drawn: Path, tmp_path: Path) -> None:
    said = export(drawn, tmp_path / "to", "--format", "clips", "--origin", "synthetic")
    for split, size in said["splits"].items():
        for path in size["files"]:
            about = json.loads((tmp_path / "to" / path).read_text())
            folder = (tmp_path / "to" / path).parent
            video, reader, rows = rows_of(drawn, split, about["id"])
            assert path.startswith(f"{split}/{video.speaker}/{clip_name(video)}/")
            shown = film(folder / "video.mp4")
            assert len(shown) == video.row_count
            assert np.abs(shown[7].astype(int) - reader.frames([rows[7]])[0]).mean() < 4
            with np.load(folder / "landmarks.npz") as arrays:
                assert np.array_equal(arrays["landmarks"], reader.landmarks(rows))
            assert (about["fps"], about["frames"], about["audio"]) == (video.fps, len(rows), "audio.wav")
            with wave.open(str(folder / "audio.wav")) as sound:
                assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16_000, 1, 2)
                assert sound.getnframes() == round(16_000 * len(rows) / video.fps)
                assert sound.readframes(8000) == reader.audio(video.first_sample, 8000).tobytes()
            assert about["origin"] == "synthetic"
            assert b"origin: synthetic" in (folder / "video.mp4").read_bytes()
            assert sorted(path.name for path in folder.iterdir()) == [
                "audio.wav",
                "clip.json",
                "landmarks.npz",
                "video.mp4",
            ]


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("name", FORMATS)
def test_the_same_bytes_twice_and_after_a_kill_in_the_middle(
    name: str, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--format", name, "--frames-per-file", "10"]
    export(drawn, tmp_path / "once", *flags)
    whole = files(tmp_path / "once")
    writes = 0

    def dies(*arguments: Any) -> None:
        nonlocal writes
        writes += 1
        if writes == 3:
            raise KeyboardInterrupt
        FORMATS[name].write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run, "FORMATS", {name: FORMATS[name]._replace(write=dies)})
        assert main(["export", str(drawn), "--to", str(tmp_path / "killed"), *flags]) == 130
    there = files(tmp_path / "killed")
    assert "SHA256SUMS" not in there
    assert 0 < len(there) < len(whole) - 3
    assert whole.items() > there.items()
    (tmp_path / "killed" / "test" / f".x.{'0' * 12}.part").write_bytes(b"half a file")
    export(drawn, tmp_path / "killed", *flags)
    assert files(tmp_path / "killed") == whole
    sums = dict(line.split("  ")[::-1] for line in whole["SHA256SUMS"].decode().splitlines())
    assert sums.keys() == whole.keys() - {"SHA256SUMS"}
    checked = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "killed", timeout=60)
    assert checked.returncode == 0


def test_manifest_and_terms_go_with_it_and_nobody_is_in_two_splits(
    drawn: Path, tmp_path: Path, part_of: Callable[..., Path]
) -> None:
    ids = [video.id for split in ("train", "test") for video in open_dataset(drawn).videos(split)]
    dataset = part_of(drawn, tmp_path / "in", ids, origin="synthetic")
    (dataset / "LICENSE.txt").write_text("Look, but do not touch.\n")
    said = export(dataset, tmp_path / "to", "--format", "clips")
    assert (tmp_path / "to/LICENSE.txt").read_text() == "Look, but do not touch.\n"
    assert (tmp_path / "to/manifest.csv").read_bytes() == (dataset / "manifest.csv").read_bytes()
    card = (tmp_path / "to/README.md").read_text()
    assert "LICENSE.txt" in card
    assert "Origin of the pictures: synthetic" in card
    speakers = [{Path(path).parts[1] for path in said["splits"][split]["files"]} for split in ("train", "test")]
    assert not speakers[0] & speakers[1]


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    odd = Video("a.b/ü \udcff.mp4#t=1,2", "../..", "train", tmp_path, 0, 1, 25.0, (0,))
    other = Video("a.b/ü \udcff.mp4#t=2,3", "..", "train", tmp_path, 0, 1, 25.0, (0,))
    names = [clip_name(odd), clip_name(other), plain_name(odd.speaker), plain_name(other.speaker)]
    assert len(set(names)) == 4
    assert all(name.isascii() and not set(name) & set("./#= ") for name in names)
    assert plain_name("08F") == "08F"


def one_line(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["export", *map(str, arguments)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_what_cannot_be_done_is_said_in_one_line(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "to"
    clips = (drawn, "--to", to, "--format", "clips")
    assert "--window is for --format webdataset" in one_line(capsys, *clips, "--window", "3")
    assert "must lie outside the dataset" in one_line(capsys, drawn, "--to", drawn / "x", "--format", "clips")
    assert not to.exists()
    to.mkdir()
    (to / "mine.txt").touch()
    assert "must be a new or empty folder" in one_line(capsys, *clips)
    (to / "mine.txt").unlink()
    export_dataset(drawn, to, ExportSettings("clips"))
    assert "is of another dataset or other settings" in one_line(capsys, *clips, "--origin", "real")
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda _: None)
        missing = one_line(capsys, drawn, "--to", tmp_path / "tars", "--format", "webdataset")
        assert missing.endswith("--format webdataset needs webdataset: pip install webdataset")
        missing = one_line(capsys, drawn, "--to", tmp_path / "tables", "--format", "huggingface")
        assert missing.endswith("needs pyarrow: pip install pyarrow")


@pytest.mark.usefixtures("libraries")
def test_pictures_are_what_they_are_called(drawn: Path, tmp_path: Path) -> None:
    said = export(drawn, tmp_path / "to", "--format", "webdataset", "--pictures", "jpeg", "--window", "1")
    with tarfile.open(tmp_path / "to" / said["splits"]["test"]["files"][0]) as tar:
        name = next(name for name in tar.getnames() if name.endswith(".jpg"))
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar.getmembers()} == {(0, 0, 0, "", "")}
        member = tar.extractfile(name)
        assert member is not None
        with Image.open(io.BytesIO(member.read())) as picture:
            assert (picture.format, picture.size) == ("JPEG", (224, 224))
