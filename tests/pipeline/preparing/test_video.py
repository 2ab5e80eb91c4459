"""Preparing one video: what is kept, dropped and reused, and that crops lead back to the source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import geometry
from pipeline.corpora import Source
from pipeline.decode import read_frames
from pipeline.preparing import video
from pipeline.preparing.bank import choose_bank
from pipeline.preparing.k_map import k_codes
from pipeline.preparing.video import places, prepare_video
from pipeline.result import DROP_REASONS, load_result
from pipeline.settings import Settings
from pipeline.shards import ShardReader

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
    with ShardReader(places(work, source, SETTINGS).shard) as reader:
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


def test_landmarks_are_near_the_drawn_truth(prepared: tuple[Source, Path], sample_root: Path) -> None:
    source, work = prepared
    truth = np.load((sample_root / "truth" / source.id).with_suffix(".npz"))
    with ShardReader(places(work, source, SETTINGS).shard) as reader:
        rows = slice(None)
        maps, landmarks, index = reader.crop_transform(rows), reader.landmarks(rows), reader.frame_index(rows)
    back = np.stack([geometry.apply_affine(geometry.invert_affine(m), p) for m, p in zip(maps, landmarks, strict=True)])
    drawn = truth["landmarks"][index]
    error = np.linalg.norm(back - drawn, axis=-1).mean(-1) / geometry.eye_distance(drawn)
    assert error.mean() < 0.05


def test_pixels_are_those_of_the_source(prepared: tuple[Source, Path], sample_root: Path) -> None:
    """The crop's luma, averaged over blocks, is the source's at the mapped places, and no shift fits better."""
    source, work = prepared
    with ShardReader(places(work, source, SETTINGS).shard) as reader:
        crop = reader.frames([0])[0].astype(float) @ [0.299, 0.587, 0.114]
        inverse = geometry.invert_affine(reader.crop_transform([0])[0])
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
    done = places(work, source, SETTINGS)
    monkeypatch.setattr(video, "_track", lambda *_: pytest.fail("tracked again"))
    before = done.result.stat().st_mtime_ns
    assert prepare_video(sample_root, source, SETTINGS, work, None) == load_result(done.result)
    assert done.result.stat().st_mtime_ns == before
    other = replace(SETTINGS, face_fraction=0.5)
    assert prepare_video(sample_root, source, other, work, None).status == "ok"
    assert places(work, source, other).shard.is_file()


def test_memory_budget_does_not_change_a_byte(
    prepared: tuple[Source, Path], sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, work = prepared
    whole = places(work, source, SETTINGS).shard.read_bytes()
    for budget in (0, 400_000):
        monkeypatch.setattr(video, "REGION_BUDGET", budget)
        prepare_video(sample_root, source, SETTINGS, tmp_path / str(budget), None)
        assert places(tmp_path / str(budget), source, SETTINGS).shard.read_bytes() == whole


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
