"""Clips of a table, prepared: the part, the face and the rate that its row says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from pipeline.clips import clip_frames
from pipeline.content import pictures_in
from pipeline.corpora import Clip, Source, clip_of
from pipeline.corpora.table import clip_id
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.preparing.video import prepare_video, work_files
from pipeline.result import VideoResult
from pipeline.settings import Settings
from pipeline.shards import ShardReader

SETTINGS = Settings(storage="lz4")


@pytest.fixture(scope="module")
def root(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of two people side by side, and its left half as pictures."""
    folder = tmp_path_factory.mktemp("clips")
    one, other = sorted((sample_root / "volunteers").rglob("sa1.mp4"))[:2]
    ffmpeg = [ffmpeg_path(), "-v", "error"]
    beside = [*ffmpeg, "-i", str(one), "-i", str(other), "-filter_complex", "hstack", "-c:v", "libx264", "-g", "5"]
    subprocess.run([*beside, str(folder / "two.mp4")], check=True, timeout=60)
    (folder / "pictures").mkdir()
    subprocess.run([*ffmpeg, "-i", str(one), str(folder / "pictures" / "%d.png")], check=True, timeout=60)
    return folder


def prepared(root: Path, work: Path, clip: Clip) -> tuple[VideoResult, ShardReader]:
    source = Source(clip_id(clip), "s", "train", clip)
    result = prepare_video(root, source, SETTINGS, work, None)
    return result, ShardReader(work_files(work, source, SETTINGS).shard)


@pytest.mark.parametrize("box", [(700.0, 60.0, 1240.0, 470.0), (0.55, 0.1, 0.97, 0.98)])
def test_the_face_in_the_box_is_followed(box: tuple[float, float, float, float], root: Path, tmp_path: Path) -> None:
    middles = {}
    for side in ("left", "right"):
        mirrored = (
            box
            if side == "right"
            else (box[0] - (640 if box[0] > 1 else 0.5), box[1], box[2] - (640 if box[0] > 1 else 0.5), box[3])
        )
        result, shard = prepared(root, tmp_path, Clip("two.mp4", box=mirrored))
        assert (result.status, result.frames_kept) == ("ok", result.frames_seen)
        assert result.frames_other_faces > 0
        transforms = shard.crop_transform(slice(None))
        middles[side] = (112 - transforms[:, 0, 2]) / transforms[:, 0, 0]
    assert (middles["left"] < 640).all()
    assert (middles["right"] > 640).all()


def test_a_box_as_tight_as_a_detectors(root: Path, tmp_path: Path) -> None:
    """And of a face that is the smaller one: the right half of the picture is scaled down."""
    small = root / "small.mp4"
    scaled = (
        "[0]split[a][b];[a]crop=640:480:0:0[l];[b]crop=640:480:640:0,scale=320:240,pad=640:480:160:120[r];[l][r]hstack"
    )
    command = [ffmpeg_path(), "-v", "error", "-i", str(root / "two.mp4"), "-filter_complex", scaled, "-c:v", "libx264"]
    subprocess.run([*command, "-y", str(small)], check=True, timeout=60)
    _, wide = prepared(root, tmp_path, Clip("small.mp4", box=(0.5, 0.0, 1.0, 1.0)))
    transform, points = wide.crop_transform(slice(0, 1))[0], wide.landmarks(slice(0, 1))[0]
    there = (points - transform[:, 2]) / transform[0, 0]
    tight = tuple(float(round(v)) for v in (*there.min(0), *there.max(0)))
    result, shard = prepared(root, tmp_path, Clip("small.mp4", box=tight))  # type: ignore[arg-type]
    assert (result.status, result.frames_kept) == ("ok", result.frames_seen)
    assert np.abs(shard.landmarks(slice(None)) - wide.landmarks(slice(None))).max() < 20
    assert there[:, 0].min() > 640


def test_nobody_in_the_box(root: Path, tmp_path: Path) -> None:
    result, _ = prepared(root, tmp_path, Clip("two.mp4", box=(0.0, 0.0, 0.1, 0.1)))
    assert result.error.startswith("no_face: ")
    result, _ = prepared(root, tmp_path, Clip("two.mp4", box=(5000.0, 0.0, 5100.0, 100.0)))
    assert result.error.startswith("no_face: ")
    assert "the box lies outside the picture, which is 1280x480" in result.error


def test_a_part_keeps_the_files_numbers_and_times(root: Path, tmp_path: Path) -> None:
    _, whole = prepared(root, tmp_path, Clip("two.mp4", box=(0.0, 0.0, 0.5, 1.0)))
    result, part = prepared(root, tmp_path, Clip("two.mp4", 0.4, 1.2, (0.0, 0.0, 0.5, 1.0)))
    assert (result.status, result.path, result.id) == ("ok", "two.mp4", "two.mp4#t=0.4,1.2&box=0,0,0.5,1")
    assert part.frame_index(slice(None)).tolist() == list(range(4, 12))
    assert part.pts_seconds(slice(None)).tolist() == whole.pts_seconds(slice(4, 12)).tolist()
    (entry,) = part.entries
    assert (entry.id, entry.row_count) == (result.id, 8)
    # Another part has another scale, hence other crops; but of the same pixels, at the same places.
    shift = np.abs(part.landmarks(slice(None)) - whole.landmarks(slice(4, 12)))
    assert np.median(shift) < 3


def test_a_lower_rate(root: Path, tmp_path: Path) -> None:
    result, shard = prepared(root, tmp_path, Clip("two.mp4", fps=5.0))
    assert (result.status, result.fps) == ("ok", 5.0)
    assert shard.entries[0].fps == 5.0
    assert shard.frame_index(slice(None)).tolist() == list(range(0, result.frames_seen * 2, 2))


def test_pictures_give_the_crops_of_the_video_they_were_made_of(root: Path, tmp_path: Path) -> None:
    result, shard = prepared(root, tmp_path, Clip("pictures", fps=10.0))
    assert (result.status, result.fps, result.frames_kept) == ("ok", 10.0, len(pictures_in(root / "pictures")))
    _, video = prepared(root, tmp_path, Clip("two.mp4", box=(0.0, 0.0, 0.5, 1.0)))
    assert shard.frame_index(slice(None)).tolist() == video.frame_index(slice(None)).tolist()
    difference = np.abs(shard.frames(slice(None)).astype(int) - video.frames(slice(None)).astype(int))
    assert difference.mean() < 4


def test_regions_that_were_not_kept_are_decoded_again_from_the_same_part(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Clip("two.mp4", 0.3, 1.3, (0.5, 0.0, 1.0, 1.0), 5.0)
    _, kept = prepared(root, tmp_path / "kept", clip)
    monkeypatch.setattr("pipeline.preparing.video.REGION_BUDGET", 0)
    monkeypatch.setattr("pipeline.preparing.video.SPOOL_BUDGET", 0)
    _, again = prepared(root, tmp_path / "again", clip)
    assert kept.path.read_bytes() == again.path.read_bytes()


def test_a_part_beyond_the_end_is_a_row(root: Path, tmp_path: Path) -> None:
    result, _ = prepared(root, tmp_path, Clip("two.mp4", 100, 101))
    assert result.error.startswith("too_short: ")
    assert len(list(clip_frames(root / "two.mp4", Clip("two.mp4", 1.0)))) > 0


@pytest.mark.parametrize(
    "clip",
    [
        Clip("a b/c.mp4", 1.5, 20.25),
        Clip("a.mp4", 3.0),
        Clip("a.mp4", None, 3.0, (0.1, 0.2, 0.3, 0.4), 29.97),
        Clip("a#t.mp4", box=(-3.0, 0.0, 5.5, 9.0)),
        Clip("pictures", fps=25.0),
    ],
)
def test_ids_say_all_about_a_clip(clip: Clip) -> None:
    assert clip_of(clip_id(clip)) == clip


@pytest.mark.parametrize("name", ["a.mp4", "a#1.mp4", "a#t.mp4", "a#t=x", "a#", "#"])
def test_ids_of_whole_files(name: str) -> None:
    assert clip_of(name) is None
