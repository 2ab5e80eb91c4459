"""A dataset built of a table of clips."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from pipeline import BuildTable
from pipeline.check import check_dataset
from pipeline.content import checksum
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.report import write_report

Build = Callable[..., tuple[bool, str]]
Made = Callable[[], list[str]]
HEAD = "path,speaker,split,start,end,box,fps\n"
ROWS = (
    "talk.mp4,anna,train,0,0.7,,\n",
    "talk.mp4,anna,train,0.7,1.5,0.1 0.1 0.9 0.9,\n",
    "pictures,ben,test,,,,10\n",
)


@pytest.fixture
def root(sample_root: Path, tmp_path: Path) -> Path:
    """A video of one person, and another's as pictures."""
    one, other = sorted((sample_root / "volunteers").rglob("sa1.mp4"))[:2]
    root = tmp_path / "corpus"
    (root / "pictures").mkdir(parents=True)
    (root / "talk.mp4").write_bytes(one.read_bytes())
    command = [ffmpeg_path(), "-v", "error", "-i", str(other), str(root / "pictures" / "%d.png")]
    subprocess.run(command, check=True, timeout=60)
    return root


def test_parts_boxes_and_pictures(build: Build, made: Made, root: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "clips.csv", tmp_path / "out"
    flags = {"table": table, "corpus_root": root, "out": out, "max_failures": 0.5}
    table.write_text(HEAD + "".join(ROWS) + "talk.mp4,anna,train,90,91,,\n")
    done, said = build(BuildTable, **flags)
    assert done, said
    defects, digest = check_dataset(out)
    assert defects == []
    rows = pandas.read_csv(out / "manifest.csv", keep_default_na=False).set_index("id")
    assert rows["status"].to_dict() == {
        "pictures#fps=10": "ok",
        "talk.mp4#t=0,0.7": "ok",
        "talk.mp4#t=0.7,1.5&box=0.1,0.1,0.9,0.9": "ok",
        "talk.mp4#t=90,91": "failed",
    }
    assert rows.loc["talk.mp4#t=90,91", "error"].startswith("too_short: ")
    assert set(rows["path"]) == {"talk.mp4", "pictures"}
    assert rows.loc["pictures#fps=10", "sha256"] == checksum(root / "pictures")
    assert rows["frames_seen"].tolist() == [15, 7, 8, 0]
    page = write_report(out).read_text(encoding="utf-8")
    assert "Table of clips" in page
    assert "talk.mp4#t=0.7,1.5" in page
    # Another row is another clip, and no reason to make the others again; nor is a new name for anna.
    made()
    table.write_text(HEAD + "".join(ROWS).replace("anna", "Anna") + "talk.mp4,Anna,train,0.5,1.2,,\n")
    assert build(BuildTable, **flags)[0]
    assert made() == ["talk.mp4#t=0.5,1.2"]
    table.write_text(HEAD + "".join(ROWS) + "talk.mp4,anna,train,90,91,,\n")
    assert build(BuildTable, **flags)[0]
    assert check_dataset(out) == ([], digest)
    (root / "pictures" / "9.png").unlink()
    made()
    assert build(BuildTable, **flags)[0]
    assert made() == ["pictures#fps=10"]


def test_flags(build: Build, root: Path, tmp_path: Path) -> None:
    for table, message in (("", "BuildTable needs the table"), (tmp_path / "none.csv", "cannot be read")):
        with pytest.raises(Exception, match=message):
            build(BuildTable, table=table, corpus_root=root, out=tmp_path / "out")
