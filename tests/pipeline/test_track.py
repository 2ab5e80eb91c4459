"""A kept track is taken only if it is whole and of this very file."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.decode import Frame
from pipeline.geometry import Points
from pipeline.track import ARRAYS, SoFar, Track, follow, load_track, save_track
from pipeline.tracking import TrackSettings, people
from pipeline.tracking.landmark_model import landmark_model_path

SUM = "5" * 64


def a_track(frames: int = 6) -> Track:
    landmarks = np.random.default_rng(0).uniform(10, 90, (frames, 68, 2)).astype(np.float32)
    landmarks[2] = np.nan
    seen = np.isfinite(landmarks[:, 0, 0])
    return Track(
        fps=25.0,
        jumps=(),
        notes=(),
        warnings=("a complaint",),
        frame_index=np.arange(frames, dtype=np.int32),
        pts_seconds=np.arange(frames) / 25,
        sizes=np.tile(np.array([320, 240], np.int32), (frames, 1)),
        damage=np.zeros(frames, np.int8),
        landmarks=landmarks,
        score=np.where(seen, 1.0, np.nan).astype(np.float32),
        faces=np.ones(frames, np.int32),
        person=np.where(seen, 0, -1).astype(np.int32),
    )


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    track = a_track()
    save_track(tmp_path / "t.npz", track, SUM)
    kept = load_track(tmp_path / "t.npz", SUM)
    assert kept is not None
    for name, value in vars(track).items():
        assert np.array_equal(getattr(kept, name), value, equal_nan=name in ("landmarks", "score")), name
    assert load_track(tmp_path / "t.npz", "6" * 64) is None
    assert load_track(tmp_path / "none.npz", SUM) is None


def test_no_damage_goes_unnoticed_or_ends_the_program(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    save_track(path, a_track(), SUM)
    whole = path.read_bytes()
    dice = np.random.default_rng(0)
    taken = 0
    for number in range(400):
        broken = bytearray(whole)
        for place in dice.integers(0, len(whole), 1 + number % 3):
            broken[place] ^= 1 << int(dice.integers(0, 8))
        if number % 10 == 0:
            del broken[int(dice.integers(0, len(whole))) :]
        path.write_bytes(broken)
        kept = load_track(path, SUM)
        if kept is not None:
            taken += 1
            assert np.array_equal(kept.landmarks, a_track().landmarks, equal_nan=True)
    assert taken < 100  # flips in what no checksum covers: names, times, sizes of the zip's parts


@pytest.mark.parametrize(
    "change",
    [
        {"frame_index": np.array([0, 1, 2, 3, 5, 4], np.int32)},
        {"pts_seconds": np.full(6, np.nan)},
        {"sizes": np.zeros((6, 2), np.int32)},
        {"damage": np.full(6, 9, np.int8)},
        {"landmarks": np.full((6, 68, 2), 1e30, np.float32)},
        {"landmarks": np.zeros((5, 68, 2), np.float32)},
        {"landmarks": np.zeros((6, 68, 3), np.float32)},
        {"faces": np.zeros(6)},
        {"fps": float("nan")},
        {"notes": np.array([{}], object)},
    ],
)
def test_what_no_track_says_is_not_believed(change: dict[str, Any], tmp_path: Path) -> None:
    with (tmp_path / "t.npz").open("wb") as file:
        np.savez(file, source_sha256=SUM, **{**vars(replace(a_track())), **change})
    assert load_track(tmp_path / "t.npz", SUM) is None


def test_a_track_behind_a_link_is_anothers(tmp_path: Path) -> None:
    save_track(tmp_path / "another.npz", a_track(), SUM)
    (tmp_path / "t.npz").symlink_to("another.npz")
    assert load_track(tmp_path / "t.npz", SUM) is None


def test_a_bomb_is_not_read(tmp_path: Path) -> None:
    save_track(tmp_path / "t.npz", a_track(), SUM)
    with zipfile.ZipFile(tmp_path / "t.npz") as source, zipfile.ZipFile(tmp_path / "b.npz", "w") as target:
        for entry in source.infolist():
            if entry.filename != "landmarks.npy":
                target.writestr(entry.filename, source.read(entry))
        with target.open(zipfile.ZipInfo("landmarks.npy"), "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 68, 2)}
            )
    assert load_track(tmp_path / "b.npz", SUM) is None


def test_a_track_so_far_is_the_beginning_of_what_it_becomes(sample_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "PLAINLY_ALIKE", 2.0)  # whatever is taken for a second stretch is another's
    monkeypatch.setattr(people, "OTHER_PERSON", 0.0)
    path = sorted((sample_root / "volunteers").rglob("*.mp4"))[0]
    asked: list[Track] = []

    def ask(place: int, _frame: Frame, _landmarks: Points, so_far: SoFar) -> None:
        if place in (4, 9):
            asked.append(so_far())

    tracks = [follow(path, TrackSettings(), landmark_model_path(), show) for show in (ask, lambda *_: None)]
    for begun, count in zip([*asked, *tracks], (5, 10, 15, 15), strict=True):
        assert len(begun) == count
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(begun, name), getattr(tracks[1], name)[:count], name)
