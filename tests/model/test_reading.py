"""The page that shows how others read a dataset: its pieces run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.manifest import ManifestRow, write_manifest
from pipeline.result import VideoResult
from pipeline.shards import open_dataset

PAGE = Path(__file__).parents[2] / "docs" / "reading.md"


@pytest.fixture
def beside_out(make_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, with a dataset and its manifest in `out/`."""
    dataset = open_dataset(make_dataset(tmp_path / "out", train={"01M": 1, "02M": 2}, test={"08F": 1}))
    rows = [
        ManifestRow(
            VideoResult(video.id, video.speaker, split, status="ok", frames_kept=video.row_count), tmp_path, "a shard"
        )
        for split in dataset.splits
        for video in dataset.videos(split)
    ]
    bad = ManifestRow(VideoResult("bad.mp4", "01M", "train", status="unreadable"), tmp_path, None)
    write_manifest(tmp_path / "out" / "manifest.csv", [*rows, bad])
    monkeypatch.chdir(tmp_path)


def run_piece(title: str) -> dict[str, Any]:
    """The names that the code below a heading leaves behind."""
    section = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (code,) = [re.findall(r"```python\n(.*?)```", part, re.DOTALL) for part in section if part.startswith(f"{title}\n")]
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(code[0], f"{PAGE.name}, {title}", "exec"), names)
    return names


@pytest.mark.usefixtures("beside_out")
def test_the_pieces_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    names = run_piece("pandas")
    assert len(names["videos"]) == 5
    told = capsys.readouterr().out
    assert re.search(r"train +21\b", told)
    assert re.search(r"unreadable +1\b", told)
    names = run_piece("h5py")
    told = capsys.readouterr().out
    assert "landmarks: row, point (dlib's 68, in its order), coordinate (x, y); crop pixels, pixel centres" in told
    assert [image.shape for image in names["images"]] == [(224, 224, 3)] * 5
    assert 0.29 < names["k"].min() < names["k"].max() == 1
    names = run_piece("PyTorch")
    assert len(names["Banks"]("out")) == 3
    assert names["images"].shape == (2, 5, 224, 224, 3)
    assert names["points"].shape == (2, 5, 68, 2)
