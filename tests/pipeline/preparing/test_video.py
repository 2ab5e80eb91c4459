"""Preparing one video: what is kept, dropped and reused, and that crops lead back to the source."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import geometry
from pipeline.building import finish
from pipeline.building.chunk import build_chunk
from pipeline.building.plan import make_plan
from pipeline.check import check_dataset
from pipeline.corpora import Source
from pipeline.decode import VideoReader, read_frames
from pipeline.preparing import video
from pipeline.preparing.bank import choose_bank
from pipeline.preparing.k_map import k_codes, pixel_side
from pipeline.preparing.video import prepare_video, work_files
from pipeline.result import DROP_REASONS, VideoResult, load_result
from pipeline.settings import Settings
from pipeline.shards import ShardReader
from pipeline.tracking import people

SETTINGS = Settings(storage="raw")


def first_clip(root: Path) -> Source:
    path = sorted((root / "volunteers").rglob("*.mp4"))[0]
    return Source(path.relative_to(root).as_posix(), path.parts[-4], "train")


@pytest.fixture(scope="module")
def prepared(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Path]:
    source, work = first_clip(sample_root), tmp_path_factory.mktemp("work")
    result = prepare_video(sample_root, source, SETTINGS, work, None)
    assert (result.status, result.error) == ("ok", "")
    return source, work


def test_every_row_agrees_with_the_rest(prepared: tuple[Source, Path], sample_root: Path) -> None:
    source, work = prepared
    with ShardReader(work_files(work, source, SETTINGS).shard) as reader:
        rows = slice(None)
        landmarks, openness = reader.landmarks(rows), reader.mouth_openness(rows)
        np.testing.assert_allclose(openness, geometry.mouth_openness(landmarks))
        assert reader.entries[0].bank == tuple(choose_bank(openness))
        for codes, points in zip(reader.k_codes(rows), landmarks, strict=True):
            assert np.array_equal(codes, k_codes(points, 224))
        assert len(np.unique(reader.crop_transform(rows)[:, 0, 0])) == 1
        assert np.abs(geometry.nose_tip(landmarks) - 111.75).max() < 0.01
        times = {frame.index: frame.pts_seconds for frame in read_frames(sample_root / source.id)}
        assert [times[i] for i in reader.frame_index(rows)] == reader.pts_seconds(rows).tolist()


@pytest.mark.parametrize("size", [128, 512])
def test_crops_of_another_size_show_the_same(prepared: tuple[Source, Path], sample_root: Path, size: int) -> None:
    source, work = prepared
    other = Settings(storage="raw", frame_size=size)
    assert prepare_video(sample_root, source, other, work, None).status == "ok"
    with (
        ShardReader(work_files(work, source, SETTINGS).shard) as usual,
        ShardReader(work_files(work, source, other).shard) as reader,
    ):
        assert (reader.frame_size, usual.frame_size) == (size, 224)
        assert reader.frame_index(slice(None)).tolist() == usual.frame_index(slice(None)).tolist()
        assert reader.entries[0].bank == usual.entries[0].bank
        landmarks = reader.landmarks([0])[0]
        np.testing.assert_allclose(landmarks, geometry.resized(usual.landmarks([0])[0], size / 224), atol=2e-3)
        codes = k_codes(landmarks, size, pixel=pixel_side(size))
        assert np.array_equal(reader.k_codes([0])[0], codes)
        ours = cv2.resize(reader.frames([0])[0], (112, 112), interpolation=cv2.INTER_AREA).astype(float)
        theirs = cv2.resize(usual.frames([0])[0], (112, 112), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(ours - theirs).mean() < 3
    apart = {shift: np.abs(np.roll(ours, shift, 1) - theirs).mean() for shift in (-1, 0, 1)}
    assert min(apart, key=apart.__getitem__) == 0


def test_landmarks_are_near_the_drawn_truth(prepared: tuple[Source, Path], sample_root: Path) -> None:
    source, work = prepared
    truth = np.load((sample_root / "truth" / source.id).with_suffix(".npz"))
    with ShardReader(work_files(work, source, SETTINGS).shard) as reader:
        rows = slice(None)
        maps, landmarks, index = reader.crop_transform(rows), reader.landmarks(rows), reader.frame_index(rows)
    back = np.stack(
        [geometry.apply_affine(cv2.invertAffineTransform(m), p) for m, p in zip(maps, landmarks, strict=True)]
    )
    drawn = truth["landmarks"][index]
    error = np.linalg.norm(back - drawn, axis=-1).mean(-1) / geometry.eye_distance(drawn)
    assert error.mean() < 0.05


def test_pixels_are_those_of_the_source(prepared: tuple[Source, Path], sample_root: Path) -> None:
    """The crop's luma, averaged over blocks, is the source's at the mapped places, and no shift fits better."""
    source, work = prepared
    with ShardReader(work_files(work, source, SETTINGS).shard) as reader:
        crop = reader.frames([0])[0].astype(float) @ [0.299, 0.587, 0.114]
        inverse = cv2.invertAffineTransform(reader.crop_transform([0])[0])
    luma = (next(iter(read_frames(sample_root / source.id))).y.astype(float) - 16) * 255 / 219
    grid = np.stack(np.meshgrid(np.arange(40, 184), np.arange(40, 184)), -1)

    def difference(shift: tuple[float, float]) -> float:
        x, y = np.moveaxis(np.rint(geometry.apply_affine(inverse, grid + shift)).astype(int), -1, 0)
        blocks = (crop[40:184, 40:184] - luma[y, x]).reshape(18, 8, 18, 8).mean((1, 3))
        return float(np.abs(blocks).mean())

    here = difference((0, 0))
    assert here < 4  # levels; noise of the nearest source pixel
    assert all(here < difference(shift) for shift in ((1, 0), (-1, 0), (0, 1), (0, -1)))


def test_done_work_is_reused_and_a_new_crop_does_not_track_again(
    prepared: tuple[Source, Path], sample_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, work = prepared
    done = work_files(work, source, SETTINGS)
    monkeypatch.setattr(video, "_track", lambda *_: pytest.fail("tracked again"))
    before = done.result.stat().st_mtime_ns
    assert prepare_video(sample_root, source, SETTINGS, work, None) == load_result(done.result)
    assert done.result.stat().st_mtime_ns == before
    other = replace(SETTINGS, face_fraction=0.5)
    assert prepare_video(sample_root, source, other, work, None).status == "ok"
    assert work_files(work, source, other).shard.is_file()


def test_memory_budget_does_not_change_a_byte(
    prepared: tuple[Source, Path], sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, work = prepared
    whole = work_files(work, source, SETTINGS).shard.read_bytes()
    for budget, spool in ((0, 0), (400_000, 0), (0, 1 << 30), (400_000, 500_000)):
        monkeypatch.setattr(video, "REGION_BUDGET", budget)
        monkeypatch.setattr(video, "SPOOL_BUDGET", spool)
        work = tmp_path / f"{budget} {spool}"
        prepare_video(sample_root, source, SETTINGS, work, None)
        assert work_files(work, source, SETTINGS).shard.read_bytes() == whole


@pytest.mark.parametrize("call", ["pwritev", "preadv"])
def test_a_disk_that_fails_half_way_does_not_change_a_byte(
    prepared: tuple[Source, Path], sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    source, work = prepared
    real, calls = getattr(os, call), []

    def failing(*arguments: object) -> int:
        calls.append(call)
        if len(calls) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(real(*arguments))

    monkeypatch.setattr(os, call, failing)
    monkeypatch.setattr(video, "REGION_BUDGET", 0)
    prepare_video(sample_root, source, SETTINGS, tmp_path, None)
    assert len(calls) == 6
    again, before = (work_files(place, source, SETTINGS).shard.read_bytes() for place in (tmp_path, work))
    assert again == before


@pytest.mark.parametrize(("content", "reason"), [(b"", "unreadable"), (None, "vanished")])
def test_a_bad_video_is_a_result_not_an_exception(content: bytes | None, reason: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "bad one.mp4").write_bytes(content)
    result = prepare_video(tmp_path, Source("bad one.mp4", "s", "train"), SETTINGS, tmp_path / "work", None)
    assert result.status == "failed"
    assert result.error.startswith(f"{reason}: ")
    assert "bad one.mp4" in result.error


def test_a_video_without_a_face(make_video: object, tmp_path: Path) -> None:
    path = make_video("noface.mp4", "-c:v", "libx264", source="testsrc2=size=320x240:rate=25:duration=0.6")  # type: ignore[operator]
    result = prepare_video(path.parent, Source(path.name, "s", "train"), SETTINGS, tmp_path, None)
    assert result.error.startswith("no_face: ")
    assert result.drops == dict.fromkeys(DROP_REASONS, 0) | {"no_face": 15}


def prepare_one(path: Path, work: Path, **changes: object) -> VideoResult:
    source = Source(path.name, "s", "train")
    return prepare_video(path.parent, source, replace(SETTINGS, **changes), work, None)  # type: ignore[arg-type]


def test_the_least_seconds_that_must_be_kept(sample_root: Path, tmp_path: Path) -> None:
    path = sample_root / first_clip(sample_root).id  # 15 frames at 10 a second
    assert prepare_one(path, tmp_path / "short", min_seconds=1.5).status == "ok"
    result = prepare_one(path, tmp_path / "long", min_seconds=1.6)
    assert result.status == "failed"
    assert re.match(r"too_short: .* of 15 frames 15 are left, less than 1\.6 s \(none dropped\)$", result.error)


@pytest.fixture(scope="module")
def interview(sample_root: Path, run_ffmpeg: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """15 frames of one drawn speaker and, after a cut, 10 of another."""
    clips = [sorted((sample_root / "volunteers" / name).rglob("*.mp4"))[0] for name in ("08F", "02M")]
    path = tmp_path_factory.mktemp("interview") / "cut.mp4"
    graph = "[1:v]trim=end_frame=10[short];[0:v][short]concat=n=2:v=1:a=0"
    run_ffmpeg("-i", clips[0], "-i", clips[1], "-filter_complex", graph, "-c:v", "libx264", path)
    return path


def test_the_main_person_of_an_interview(interview: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "OTHER_PERSON", 0.25)  # of drawn people
    main = prepare_one(interview, tmp_path)
    assert (main.status, main.people, main.frames_seen, main.frames_kept) == ("ok", 2, 25, 15)
    assert main.drops == dict.fromkeys(DROP_REASONS, 0) | {"other_person": 10}
    every = prepare_one(interview, tmp_path, scenes="keep")
    assert (every.people, every.frames_kept, every.drops["other_person"]) == (2, 25, 0)


def test_both_halves_of_a_video_whose_phone_was_turned(
    sample_root: Path, run_ffmpeg: Callable[..., None], tmp_path: Path
) -> None:
    clip, parts = sample_root / first_clip(sample_root).id, [tmp_path / "wide.ts", tmp_path / "high.ts"]
    encode = ("-an", "-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p")
    run_ffmpeg("-i", clip, *encode, parts[0])
    run_ffmpeg("-i", clip, "-vf", "crop=360:480", *encode, parts[1])
    path = tmp_path / "turned.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    result = prepare_one(path, tmp_path)
    assert (result.status, result.width, result.height, result.frames_kept) == ("ok", 640, 480, 30)
    assert "640x480 to 360x480, which keeps its shape" in result.warning
    with ShardReader(work_files(tmp_path, Source(path.name, "s", "train"), SETTINGS).shard) as shard:
        wide, high = shard.frames(slice(0, 15)).astype(int), shard.frames(slice(15, 30)).astype(int)
    assert np.abs(wide[:, 60:170, 60:170] - high[:, 60:170, 60:170]).mean() < 4  # the same face, at the same scale


def test_what_was_corrected_stands_in_the_result(
    sample_root: Path, run_ffmpeg: Callable[..., None], tmp_path: Path
) -> None:
    path = tmp_path / "old.mpg"
    graph = "scale=480:480,setsar=4/3,interlace=scan=tff"
    run_ffmpeg("-i", sample_root / first_clip(sample_root).id, "-an", "-vf", graph, "-r", "25", "-c:v", "mpeg2video",
               "-b:v", "8M", "-flags", "+ildct+ilme", path)  # fmt: skip
    result = prepare_one(path, tmp_path)
    assert (result.status, result.width, result.height) == ("ok", 640, 480)
    assert result.note == "pixels of 4:3 made square; interlaced: deinterlaced (bwdif)"


def after_damage(path: Path) -> list[int]:
    """The frames from a corrupt one to the next key frame."""
    numbers, torn = [], False
    with VideoReader(path) as reader:
        for frame in reader:
            torn = frame.corrupt or (torn and not frame.key)
            numbers += [frame.index] * torn
    assert numbers
    return numbers


def test_damaged_frames_are_dropped_and_counted(
    sample_root: Path, run_ffmpeg: Callable[..., None], tmp_path: Path
) -> None:
    whole, path = tmp_path / "whole.ts", tmp_path / "lossy.ts"
    run_ffmpeg("-i", sample_root / first_clip(sample_root).id, "-an", "-c:v", "libx264", "-g", "6", "-bf", "0",
               "-slices", "4", whole)  # fmt: skip
    packets = [whole.read_bytes()[place : place + 188] for place in range(0, whole.stat().st_size, 188)]
    del packets[len(packets) // 2 : len(packets) // 2 + 3]
    path.write_bytes(b"".join(packets))
    with VideoReader(path) as reader:
        flagged = sum(frame.corrupt for frame in reader)
    assert 0 < flagged < 6
    strict = prepare_one(path, tmp_path)
    assert flagged < strict.drops["corrupt"] <= 6
    result = prepare_one(path, tmp_path, after_damage="keep")
    assert result.drops["corrupt"] == flagged
    assert "may show their damage" in result.warning
    lenient = replace(SETTINGS, after_damage="keep")
    with ShardReader(work_files(tmp_path, Source(path.name, "s", "train"), lenient).shard) as shard:
        bank = shard.frame_index(shard.entries[0].bank)
    assert not set(bank.tolist()) & set(after_damage(path)), "a torn mouth is in the bank, and there are others"
    plan = make_plan("folder", [Source(path.name, "s", "train")], lenient)
    build_chunk(tmp_path / "out", tmp_path, plan.chunks[0], lenient, None)
    finish.finish(tmp_path / "out", tmp_path, plan, max_failures=0)
    assert check_dataset(tmp_path / "out")[0] == []
