"""The manifest's cells: read again as they were; no formula for a spreadsheet, no name of this machine's folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.manifest import ManifestRow, read_manifest, read_rows, write_manifest, write_rows
from pipeline.result import VideoResult

HOME = Path("/home/somebody/corpus")


def written(path: Path, speaker: str) -> Path:
    result = VideoResult("a.mp4", speaker, "train", status="unreadable", error=f"unreadable: {HOME}/a.mp4: no video")
    write_manifest(path, [ManifestRow(result, HOME, None)])
    return path


@pytest.mark.parametrize("speaker", ["=1+1", "@SUM(A1)", "+1", "-1", "\tx", "'=1+1", "''@x", "plain", "it's"])
def test_no_cell_is_a_formula(speaker: str, tmp_path: Path) -> None:
    path = written(tmp_path / "manifest.csv", speaker)
    cell = path.read_text(encoding="utf-8").splitlines()[1].split(",")[1].strip('"')
    assert cell.lstrip("'") == speaker.lstrip("'")
    assert cell[0] not in "=+-@\t\r"
    assert list(read_manifest(path)["speaker"]) == [speaker]
    write_rows(tmp_path / "again.csv", read_rows(path))
    assert list(read_rows(tmp_path / "again.csv")) == list(read_rows(path))


def test_no_cell_says_where_the_corpus_lies(tmp_path: Path) -> None:
    path = written(tmp_path / "manifest.csv", "anna")
    assert list(read_manifest(path)["error"]) == ["unreadable: a.mp4: no video"]
    assert "somebody" not in path.read_text(encoding="utf-8")
