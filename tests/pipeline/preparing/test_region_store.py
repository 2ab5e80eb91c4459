"""Regions between tracking and cropping: within their budgets, and what comes back is what was kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pipeline.decode import Colour, Frame
from pipeline.preparing import region_store
from pipeline.preparing.region_store import RegionStore, Spool
from pipeline.preparing.regions import Box, Crop, Region, keep_region

COLOUR = Colour("bt709", False, True)
DICE = np.random.default_rng(0)


class Usage(NamedTuple):
    """What `shutil.disk_usage` gives."""

    total: int
    used: int
    free: int


def a_frame(side: int = 100) -> Frame:
    y, u, v = (DICE.integers(0, 256, (size, size), np.uint8) for size in (side, side // 2, side // 2))
    return Frame(0, 0.0, y, u, v, COLOUR)


def same(a: Region | None, b: Region) -> bool:
    planes = ("y", "u", "v")
    return a is not None and a.box == b.box and all(np.array_equal(getattr(a, p), getattr(b, p)) for p in planes)


def test_memory_keeps_within_its_budget() -> None:
    frame = a_frame()
    store = RegionStore(memory=20_000)  # a frame takes 15 000
    for place in range(4):
        store.keep(place, frame, Box(0, 0, 80, 100))
    assert [store.covers(place, Box(10, 10, 80, 90)) for place in range(4)] == [False, False, False, True]
    store.keep(4, frame, Box(0, 0, 40, 50))
    assert [store.covers(place, Box(10, 10, 40, 50)) for place in range(5)] == [False, False, False, True, True]
    assert not store.covers(4, Box(0, 0, 41, 50))
    assert isinstance(store.take(3), Region)
    assert not store.covers(3, Box(10, 10, 80, 90))
    store.keep(5, frame, Box(0, 0, 1000, 1000))
    assert not any(store.covers(place, Box(0, 0, 8, 8)) for place in range(4))


def test_what_leaves_the_memory_comes_back_from_the_file() -> None:
    frames, box = [a_frame() for _ in range(9)], Box(0, 0, 80, 100)
    with RegionStore(memory=30_000, file=1 << 20) as store:
        for place, frame in enumerate(frames):
            store.keep(place, frame, box)
        assert all(store.covers(place, box) for place in range(9))
        assert all(same(store.take(place), keep_region(frame, box)) for place, frame in enumerate(frames))
        assert not any(store.covers(place, box) for place in range(9))


def test_a_file_is_filled_over_and_over_with_the_latest() -> None:
    spool, kept, box = Spool(100_000), {}, Box(0, 0, 1000, 1000)
    for place in range(200):
        kept[place] = keep_region(a_frame(int(DICE.integers(10, 60)) * 2), box)
        spool.put(place, kept[place])
        there = [old for old in kept if spool.seen(old) is not None]
        assert there == list(range(there[0], place + 1)), "the latest, without gaps"
        assert sum(kept[old].nbytes for old in there) <= 100_000
        assert place < 20 or sum(kept[old].nbytes for old in there) > 50_000
    assert same(spool.take(there[3]), kept[there[3]])
    spool.put(200, kept[199])
    there = [old for old in kept if spool.seen(old) is not None]
    assert all(same(spool.take(old), kept[old]) for old in there)
    assert spool.take(there[0]) is None
    spool.drop()


def test_a_region_larger_than_the_budget_is_not_kept() -> None:
    spool = Spool(1000)
    spool.put(0, keep_region(a_frame(), Box(0, 0, 100, 100)))
    assert spool.seen(0) is None
    assert spool.take(0) is None
    spool.drop()


def test_nothing_is_left_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with RegionStore(0, 1 << 20) as store:
        store.keep(0, a_frame(), Box(0, 0, 80, 100))
        assert store.covers(0, Box(0, 0, 80, 100))
        assert not list(tmp_path.iterdir())


def test_a_disk_with_little_room_or_in_memory_is_spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    region = keep_region(a_frame(), Box(0, 0, 80, 100))
    for change in (
        {"SHARE": 1 << 60},
        {"IN_MEMORY": (region_store._file_system(tmp_path),)},
    ):
        with monkeypatch.context() as patched:
            for name, value in change.items():
                patched.setattr(region_store, name, value)
            spool = Spool(1 << 20)
            spool.put(0, region)
            assert spool.seen(0) is None, change
            spool.drop()


def test_the_kind_of_a_file_system_is_that_of_the_nearest_mount() -> None:
    mounts = Path("/proc/self/mounts")
    kinds = {line.split()[2] for line in mounts.read_text().splitlines()} if mounts.exists() else {""}
    assert region_store._file_system(Path("/")) in kinds
    assert region_store._file_system(Path("/proc/self")) in ("proc", "")


def test_crops_come_back_for_the_transform_that_they_were_cut_by_alone() -> None:
    crops = [Crop(DICE.normal(size=(2, 3)).astype(np.float32), a_frame().y[..., None].repeat(3, 2)) for _ in range(6)]
    with RegionStore(memory=70_000, file=15_000, crops=1 << 20) as store:  # a crop takes 30 000, a region 15 000
        for place in (0, 1):
            store.keep(place, a_frame(), Box(0, 0, 100, 100))
        for place, crop in enumerate(crops, 2):
            store.keep_crop(place, crop)
        assert all(store.covers(place, Box(0, 0, 100, 100)) for place in (0, 1)), "crops have a larger file"
        assert not any(store.covers(place, Box(0, 0, 8, 8)) for place in range(2, 8))
        assert not store.has_crop(0, crops[0].transform)
        for place, crop in enumerate(crops, 2):
            assert store.has_crop(place, crop.transform)
            assert not store.has_crop(place, np.nextafter(crop.transform, np.float32(9)))
            kept = store.take(place)
            assert isinstance(kept, Crop)
            assert np.array_equal(kept.transform, crop.transform)
            assert np.array_equal(kept.pixels, crop.pixels)
            assert not store.has_crop(place, crop.transform)


def test_a_part_of_a_region_is_that_of_its_frame() -> None:
    frame = a_frame()
    part = keep_region(frame, Box(20, 30, 100, 100)).part(Box(24, 38, 100, 77))
    assert same(part, keep_region(frame, Box(24, 38, 100, 77)))
    assert part.u.shape == (20, 38)


def test_the_file_grows_with_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of what would be free without it, asked anew each time it grows."""
    free = 400_000
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(region_store, "GROWTH", 40_000)
    monkeypatch.setattr(region_store.shutil, "disk_usage", lambda _: Usage(1 << 20, 0, free))
    spool, region = Spool(1 << 20), keep_region(a_frame(), Box(0, 0, 100, 100))  # 15 000 bytes
    for place in range(40):
        spool.put(place, region)
        free = 400_000 - min(15_000 * (place + 1), 100_000)
    assert [place for place in range(40) if spool.seen(place) is not None] == list(range(34, 40))
    free = 1 << 20
    for place in range(40, 80):
        spool.put(place, region)
    assert sum(spool.seen(place) is not None for place in range(80)) > 15
    spool.drop()
