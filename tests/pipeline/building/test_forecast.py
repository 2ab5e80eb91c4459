"""What a build will take, from the headers of a few of its videos."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.building import forecast as forecasting
from pipeline.building.forecast import FRAME_KB, Forecast, forecast, told
from pipeline.clips import stated_length
from pipeline.corpora import Clip, Source
from pipeline.shards.schema import STORAGES

MakeVideo = Callable[..., Path]


@pytest.fixture
def root(make_video: MakeVideo, tmp_path: Path) -> Path:
    """Forty names of one video of 0.4 seconds at 25 frames a second, and a file that is none."""
    video = make_video("forecast.mp4")
    for number in range(40):
        (tmp_path / f"{number:02d}.mp4").symlink_to(video)
    (tmp_path / "none.mp4").write_text("no video")
    return tmp_path


def sources(*names: str) -> list[Source]:
    return [Source(name, "speaker", "train") for name in names]


def test_a_few_headers_stand_for_all(root: Path) -> None:
    found = forecast(root, sources(*(f"{number:02d}.mp4" for number in range(40))))
    assert (found.videos, found.looked_at) == (40, forecasting.LOOKED_AT)
    assert found.seconds == pytest.approx(16)
    assert found.frames == pytest.approx(400)
    assert found.gigabytes("jpeg") == pytest.approx(400 * FRAME_KB["jpeg"] / 1e6)


def test_what_says_nothing_of_itself_is_estimated_from_the_others(root: Path) -> None:
    assert forecast(root, sources("00.mp4", "none.mp4", "gone.mp4")) == (3, 1, pytest.approx(1.2), pytest.approx(30))
    assert forecast(root, sources("none.mp4")) == (1, 0, 0.0, 0.0)


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe.mp4")
    assert forecast(root, sources("00.mp4", "pipe.mp4")) == (2, 1, pytest.approx(0.8), pytest.approx(20))


def test_a_header_that_hangs_is_given_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "stated_length", lambda *_: signal.pause())
    monkeypatch.setattr(forecasting, "PATIENCE_SECONDS", 0.05)
    assert forecast(root, sources("00.mp4")) == (1, 0, 0.0, 0.0)


def test_parts_and_pictures_are_as_long_as_they_are(root: Path) -> None:
    video = root / "00.mp4"
    assert stated_length(video, Clip("00.mp4", start=0.1, end=0.3)) == (pytest.approx(0.2), pytest.approx(5))
    assert stated_length(video, Clip("00.mp4", fps=5)) == (pytest.approx(0.4), pytest.approx(2))
    (root / "pictures").mkdir()
    for number in range(3):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / "pictures" / f"{number}.png")
    assert stated_length(root / "pictures", Clip("pictures", fps=10)) == (pytest.approx(0.3), pytest.approx(3))


def test_every_storage_has_its_size() -> None:
    assert FRAME_KB.keys() == STORAGES.keys()


def test_a_disk_that_is_too_small_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Forecast(6913, 20, 12 * 3600.0, 1.08e6)
    monkeypatch.setattr(forecasting, "free_gigabytes", lambda _: 200.0)
    line, warning = told(found, Path("out"), "zstd")
    assert line == (
        "out: 6913 videos to prepare, about 12.0 hours of them (as estimated from 20): some 1.5 hours of one "
        "processor's work, about 110.1 GB of the 200.0 GB that are free there"
    )
    assert warning == ""
    monkeypatch.setattr(forecasting, "free_gigabytes", lambda _: 80.0)
    _, warning = told(found, Path("out"), "zstd")
    assert warning.startswith(
        "out: the disk is too small by about 30.1 GB: make room, name another --out, or take less"
    )
    assert told(found, Path("out"), "htj2k")[1] == ""
