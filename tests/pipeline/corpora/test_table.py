"""Tables of clips: what a row may say, and that whatever is wrong is named with its line."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.corpora import Clip, Inventory, Source, scan_table
from pipeline.errors import InputError

Touch = Callable[..., Path]
Scan = Callable[[str], Inventory]


@pytest.fixture
def scan(tmp_path: Path, touch: Touch) -> Scan:
    """scan(text) -> the inventory of a table over a.mp4, b.mp4, c d.mp4 and a folder of pictures."""
    root = touch("a.mp4", "b.mp4", "c d.mp4", "pictures/1.png")

    def make(text: str) -> Inventory:
        table = tmp_path / "clips.csv"
        table.write_text(text, encoding="utf-8", newline="")
        return scan_table(table, root)

    return make


def test_whole_files(scan: Scan) -> None:
    found = scan("path,speaker,split\na.mp4,anna,train\nc d.mp4,ben,test\n\n")
    assert list(found) == [Source("a.mp4", "anna", "train"), Source("c d.mp4", "ben", "test")]


def test_parts_of_a_file_have_ids_that_say_which(scan: Scan) -> None:
    found = scan(
        "path,speaker,split,start,end,box,fps\n"
        "a.mp4,anna,train,1.5,4,,\n"
        "a.mp4,anna,train,4,,,25\n"
        "a.mp4,ben,test,,2,0.1 0.2 0.5 0.9,\n"
        'b.mp4,carl,val,,,"100,50,300,250",29.97\n'
        "b.mp4,carl,val,,,,\n"
    )
    assert {source.id: source.clip for source in found} == {
        "a.mp4#t=1.5,4": Clip("a.mp4", 1.5, 4.0),
        "a.mp4#t=4&fps=25": Clip("a.mp4", 4.0, None, None, 25.0),
        "a.mp4#t=,2&box=0.1,0.2,0.5,0.9": Clip("a.mp4", None, 2.0, (0.1, 0.2, 0.5, 0.9)),
        "b.mp4#box=100,50,300,250&fps=29.97": Clip("b.mp4", None, None, (100.0, 50.0, 300.0, 250.0), 29.97),
        "b.mp4": None,
    }
    assert all(source.path == source.id.split("#")[0] for source in found)


def test_a_folder_of_pictures_is_a_clip_at_25_frames_a_second_unless_it_says_so(scan: Scan) -> None:
    found = scan("path,speaker,split,fps\npictures,anna,train,\npictures,anna,train,30\n")
    assert {source.id: source.clip for source in found} == {
        "pictures": Clip("pictures", fps=25.0),
        "pictures#fps=30": Clip("pictures", fps=30.0),
    }


def test_without_a_split_it_is_drawn_by_speaker(scan: Scan) -> None:
    bare = scan("path,speaker\na.mp4,anna\nb.mp4,anna\nc d.mp4,ben\n")
    empty = scan("path,speaker,split\na.mp4,anna,\nb.mp4,anna,\nc d.mp4,ben,\n")
    assert list(bare) == list(empty)
    assert len({source.split for source in bare if source.speaker == "anna"}) == 1
    assert {source.split for source in bare} == {"train", "test"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_as_spreadsheets_write_them(delimiter: str, mark: str, end: str, scan: Scan) -> None:
    lines = [("Path", "SPEAKER", "split"), ('"c d.mp4"', " Zoë ", "train"), ("./a.mp4", "x", "test")]
    found = scan(mark + "".join(delimiter.join(line) + end for line in lines))
    assert {(source.id, source.speaker) for source in found} == {("c d.mp4", "Zoë"), ("a.mp4", "x")}


def test_paths_as_people_write_them(tmp_path: Path, touch: Touch) -> None:
    decomposed = unicodedata.normalize("NFD", "José/é.mp4")
    root = touch(decomposed, "x/y.mp4")
    table = tmp_path / "clips.csv"
    composed = unicodedata.normalize("NFC", decomposed)
    table.write_text(f"path,speaker,split\n{composed},José,train\n{root}/x/y.mp4 ,ben,test\n", encoding="utf-8")
    assert [source.id for source in scan_table(table, root)] == [decomposed, "x/y.mp4"]


def test_files_that_are_not_there_and_columns_that_are_not_used_are_warnings(scan: Scan) -> None:
    found = scan("path,speaker,split,emotion\na.mp4,anna,train,sad\nlost.mp4,ben,test,gay\n")
    assert found.warnings == [
        "columns of the table that are not used: emotion",
        "1 of 2 files of the table are not there (lost.mp4)",
    ]
    assert len(found) == 2


HEAD = "path,speaker,split,start,end,box,fps\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it lacks path and speaker"),
        ("file,speaker\n", "it lacks path"),
        (HEAD, "lists no clip"),
        (HEAD + "a.mp4,anna,train\n", r"clips\.csv:2: must have 7 fields as the first line, got 3"),
        (HEAD + "a.mp4,anna,train,x,,,\n", r"clips\.csv:2: start must be a number, 0 or more, got 'x'"),
        (HEAD + "a.mp4,anna,train,-1,,,\n", "start must be a number, 0 or more, got '-1'"),
        (HEAD + "a.mp4,anna,train,nan,,,\n", "got 'nan'"),
        (HEAD + "a.mp4,anna,train,3,3,,\n", "end must be after start, got 3 to 3 s"),
        (HEAD + "a.mp4,anna,train,,0,,\n", "end must be after start, got 0 to 0 s"),
        (HEAD + "a.mp4,anna,train,,,1 2 3,\n", "box must be 'left top right bottom'"),
        (HEAD + "a.mp4,anna,train,,,9 2 3 4,\n", "box must be 'left top right bottom'"),
        (HEAD + "a.mp4,anna,train,,,,0\n", "fps must be above 0"),
        (HEAD + "a.mp4,anna,train,,,,1e9\n", "fps must be above 0 and at most 1000, got 1e"),
        (HEAD + "a.mp4,,train,,,,\n", "speaker is empty"),
        (HEAD + "a.mp4,anna,dev,,,,\n", "split must be one of train, val, test, got 'dev'"),
        (HEAD + "a.mp4,anna,,,,,\nb.mp4,ben,test,,,,\n", r"clips\.csv:2: split is empty; fill it in all rows"),
        (
            HEAD + "a.mp4,anna,train,,,,\nb.mp4,anna,test,,,,\nc d.mp4,ben,test,,,,\n",
            "'anna' is in test and in train; one person",
        ),
        (HEAD + "a.mp4,anna,train,,,,\n\na.mp4,anna,train,,,,\n", r":4: is the same clip as \S+:2 \(a\.mp4\)"),
        (HEAD + "a.mp4,anna,train,1,2,,\na.mp4,anna,train,1.0,2.00,,\n", "is the same clip as"),
        (HEAD + "../a.mp4,anna,train,,,,\n", "path must name a file below the corpus root"),
        (HEAD + "/etc/passwd,anna,train,,,,\n", "path must be below"),
        (HEAD + ",anna,train,,,,\n", "path must name a file"),
        (HEAD + "x.mp4,anna,train,,,,\ny.mp4,b,train,,,,\n", "none of its 2 files is below"),
        (HEAD + 'a.mp4,"anna,train,,,,\n', "cannot be read as CSV"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, scan: Scan) -> None:
    with pytest.raises(InputError, match=message):
        scan(text)


def test_tables_that_cannot_be_read(tmp_path: Path, touch: Touch) -> None:
    root = touch("a.mp4")
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        scan_table(tmp_path / "none.csv", root)
    (tmp_path / "latin.csv").write_bytes("path,speaker\na.mp4,José\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.csv: is not UTF-8"):
        scan_table(tmp_path / "latin.csv", root)
    with pytest.raises(InputError, match="nowhere: no such folder"):
        scan_table(tmp_path / "latin.csv", tmp_path / "nowhere")
