"""What lies below a corpus's folder: everything is either a video or counted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from pipeline.corpora import VIDEO_SUFFIXES, video_tree
from pipeline.corpora.tree import bare_stem
from pipeline.decode import CONTAINERS
from pipeline.errors import InputError

Touch = Callable[..., Path]
# Of the suffixes that ffmpeg gives the containers that we read: what holds no moving picture.
NO_VIDEOS = {"m4a", "m4b", "isma", "mka", "mks", "ism", "heic", "heif", "avif", "ogg"}


def names(root: Path) -> list[str]:
    return [path.as_posix() for path in video_tree(root).videos]


def test_every_suffix_of_the_decoders_containers_is_read() -> None:
    theirs = {suffix for name in CONTAINERS.split(",") for suffix in av.format.ContainerFormat(name, "r").extensions}
    assert {f".{suffix}" for suffix in theirs - NO_VIDEOS} <= VIDEO_SUFFIXES


@pytest.mark.parametrize("suffix", ["m2ts", "MOD", "f4v", "Gif", "m2t", "Y4M", "MTS", "mp4", "rmvb", "dvr-ms", "mp4 "])
def test_suffixes_of_any_case(suffix: str, touch: Touch) -> None:
    assert names(touch(f"anna/1.{suffix}")) == [f"anna/1.{suffix}"]


def test_what_is_no_video_is_counted_by_suffix(touch: Touch) -> None:
    litter = ("a.wav", "b/c.WAV", "d.mp4.part", "e", "f.mp4.crdownload", "._g.mp4", ".DS_Store", "h.tar.gz", "i.mp4~")
    tree = video_tree(touch(*litter, "x/video.mp4"))
    assert [path.as_posix() for path in tree.videos] == ["x/video.mp4"]
    counts = {".wav": 2, ".part": 1, "(none)": 1, ".crdownload": 1, "(hidden)": 2, ".gz": 1, ".mp4~": 1}
    assert tree.other_files == counts


def test_folders_that_are_not_entered_are_named(touch: Touch) -> None:
    litter = (".git/1.mp4", "__MACOSX/anna/._1.mp4", "anna/@eaDir/1.mp4", "$RECYCLE.BIN/2.mp4", "lost+found/3.mp4")
    tree = video_tree(touch("anna/1.mp4", *litter))
    assert [path.as_posix() for path in tree.videos] == ["anna/1.mp4"]
    assert {skipped.folder: skipped.why for skipped in tree.skipped} == {
        ".git": "hidden",
        "$RECYCLE.BIN": "made by an operating system or an archiver",
        "__MACOSX": "made by an operating system or an archiver",
        "anna/@eaDir": "made by an operating system or an archiver",
        "lost+found": "made by an operating system or an archiver",
    }


def test_links_are_followed_and_no_folder_is_entered_twice(touch: Touch, tmp_path: Path) -> None:
    root = touch("anna/1.mp4")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "2.mp4").touch()
    (root / "ben").symlink_to(elsewhere)
    (root / "anna/again").symlink_to(root)
    (root / "zoe").symlink_to(root / "anna")
    (root / "nowhere.mp4").symlink_to(tmp_path / "nothing")
    tree = video_tree(root)
    assert [path.as_posix() for path in tree.videos] == ["anna/1.mp4", "ben/2.mp4", "nowhere.mp4"]
    assert {skipped.folder: skipped.why for skipped in tree.skipped} == {
        "anna/again": "a link to a folder that is read already (.)",
        "zoe": "a link to a folder that is read already (anna)",
    }


def test_a_folder_that_cannot_be_read_is_named(touch: Touch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so that the refusal is made here."""
    root = touch("anna/1.mp4", "ben/2.mp4")
    real = os.scandir

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "ben":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"ben: the folder cannot be read \(Permission denied\)"):
        video_tree(root)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        video_tree(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "stem"),
    [("anna.mp4", "anna"), ("anna.mov.MP4", "anna"), ("v1.2.mp4", "v1.2"), ("anna .mp4", "anna "), (".mp4", ".mp4")],
)
def test_stems(name: str, stem: str) -> None:
    assert bare_stem(name) == stem
