"""Files of what the user does not want."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from pipeline.corpora import Inventory, Source, exclude
from pipeline.errors import InputError

ACCENTED = unicodedata.normalize("NFD", "José/1.mp4")
IDS = ("anna/1.mp4", "anna/2.mp4", "ben/3 4.mp4", "c.mp4#t=1,2", ACCENTED)
CORPUS = Inventory([Source(name, name.split("/")[0], "train") for name in IDS])


def excluded(tmp_path: Path, text: str) -> Inventory:
    file = tmp_path / "exclude.txt"
    file.write_text(text, encoding="utf-8")
    return exclude(CORPUS, file)


def test_ids_and_frames(tmp_path: Path) -> None:
    text = (
        "# from the report\n\nanna/1.mp4\r\nben/3 4.mp4#frame=7\nben/3 4.mp4#frames=9-12,8\nc.mp4#t=1,2&frame=0-3\n"
        + unicodedata.normalize("NFC", ACCENTED)
    )
    found = excluded(tmp_path, text)
    assert {source.id: source.excluded for source in found} == {
        "anna/2.mp4": (),
        "ben/3 4.mp4": ((7, 12),),
        "c.mp4#t=1,2": ((0, 3),),
    }
    assert found.excluded == [ACCENTED, "anna/1.mp4"] if ACCENTED < "anna" else ["anna/1.mp4", ACCENTED]
    assert found.warnings == []


def test_a_clip_named_whole_and_by_frames_is_out(tmp_path: Path) -> None:
    for text in ("anna/1.mp4\nanna/1.mp4#frame=3\n", "anna/1.mp4#frame=3\nanna/1.mp4\n"):
        assert excluded(tmp_path, text).excluded == ["anna/1.mp4"]


def test_lines_for_another_corpus_are_a_warning_and_nothing_but_such_an_error(tmp_path: Path) -> None:
    found = excluded(tmp_path, "anna/1.mp4\nzoe/1.mp4\n")
    assert found.warnings == ["exclude.txt excludes 1 clips that are not in the corpus (zoe/1.mp4)"]
    with pytest.raises(InputError, match=r"none of its 2 lines names a clip of the corpus \(the first: 1\.mp4\)"):
        excluded(tmp_path, "1.mp4\n2.mp4\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("anna/1.mp4#frame=9-7", r"exclude\.txt:1: frames must be numbers or stretches such as 17 or 17-42, got '9-7'"),
        ("\nanna/1.mp4#frame=1,,2", r"exclude\.txt:2: frames must be"),
        (f"anna/1.mp4#frame={'9' * 5000}", r"exclude\.txt:1: frames must be"),
        ("\n".join(IDS), "names every clip of the corpus"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        excluded(tmp_path, text)


def test_no_file_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--exclude \S+none: cannot be read"):
        exclude(CORPUS, tmp_path / "none")
    assert list(excluded(tmp_path, "# nothing\n")) == list(CORPUS)
