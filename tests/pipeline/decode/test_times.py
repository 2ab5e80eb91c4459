"""Times that rise and the rate of most frames, whatever the timestamps; against ffmpeg's own where it corrects them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.decode import VideoReader
from pipeline.decode.times import Times, mended_times
from pipeline.ffmpeg_program import ffmpeg_path

MakeVideo = Callable[..., Path]
STEADY = np.arange(12) * 0.04


def changed(**places: float) -> np.ndarray:
    """STEADY with some times (`t5=...`) changed."""
    stamps = STEADY.copy()
    for name, value in places.items():
        stamps[int(name[1:])] = value
    return stamps


def test_times_in_order_are_not_touched() -> None:
    stamps = np.array([-0.2, 0.0, 0.033, 0.066, 5.0, 5.033, 5.066])  # late beginnings and gaps, too
    times = mended_times(stamps, 30.0)
    assert times.seconds is stamps
    assert (times.jumps, times.warnings) == ((), ())


@pytest.mark.parametrize("jump", [4998.24, -0.16, -3000.0, 10.5])
def test_jumps_of_the_clock_are_closed(jump: float) -> None:
    stamps = STEADY.copy()
    stamps[6:] += jump
    times = mended_times(stamps, 25.0)
    np.testing.assert_allclose(times.seconds, STEADY, atol=1e-9)
    assert times.jumps == pytest.approx((jump,))
    assert times.fps == 25.0
    assert re.fullmatch(rf"the clock jumps by \{jump + 0.04:+.2f} s at frame 6: closed", times.warnings[0])


@pytest.mark.parametrize(
    ("stamps", "count"),
    [
        (changed(t5=np.nan), 1),
        (changed(t0=np.nan, t11=np.nan), 2),
        (changed(t5=5000.0), 1),
        (changed(t5=0.7), 1),
        (changed(t5=0.1), 1),
    ],
    ids=["missing", "missing_ends", "far", "near", "back"],
)
def test_single_times_that_do_not_fit_lie_between_their_neighbours(stamps: np.ndarray, count: int) -> None:
    times = mended_times(stamps, 25.0)
    np.testing.assert_allclose(times.seconds, STEADY, atol=1e-9)
    assert times.warnings == (f"{count} of 12 frames have no time, or none that rises: put between their neighbours",)
    assert (times.jumps, times.fps) == ((), 25.0)


def test_doubled_and_swapped_times_rise() -> None:
    for stamps in (changed(t5=STEADY[4]), changed(t5=STEADY[6], t6=STEADY[5])):
        times = mended_times(stamps, 25.0)
        assert (np.diff(times.seconds) > 0).all()
        assert times.fps == 25.0


def test_no_times_at_all_are_counted() -> None:
    assert mended_times(np.full(4, np.nan), 50.0).seconds.tolist() == pytest.approx([0, 0.02, 0.04, 0.06])
    assert mended_times(np.full(2, np.nan), 0.0).fps == 25.0
    assert mended_times(np.array([3.0]), 0.0).seconds.tolist() == [3.0]


@pytest.mark.parametrize(
    ("fps", "nominal", "expected"),
    [
        (30000 / 1001, 30000 / 1001, 30000 / 1001),  # exact, although times are in milliseconds
        (60000 / 1001, 60000 / 1001, 60000 / 1001),
        (25.0, 50.0, 25.0),  # two fields a frame
        (25.0, 90000.0, 25.0),
        (24.0, 0.0, 24.0),
        (12.5, 25.0, 12.5),
    ],
)
def test_the_rate_is_that_of_the_frames(fps: float, nominal: float, expected: float) -> None:
    stamps = np.round(np.arange(60) / fps, 3)
    assert mended_times(stamps, nominal).fps == pytest.approx(expected, rel=1e-3 if expected != nominal else 1e-12)


def test_gaps_do_not_slow_the_rate() -> None:
    stamps = np.concatenate([STEADY, 5 + STEADY, 9 + STEADY])
    assert mended_times(stamps, 3.0).fps == 25.0


def decoded(path: Path) -> Times:
    with VideoReader(path) as reader:
        stamps = np.array([frame.pts_seconds for frame in reader])
    return mended_times(stamps, reader.fps)


def by_ffmpeg(path: Path) -> np.ndarray:
    """Times by ffmpeg, which closes jumps of the clock in formats that may have them."""
    command = [ffmpeg_path(), "-hide_banner", "-i", path, "-fps_mode", "passthrough", "-vf", "showinfo", "-f", "null"]
    log = subprocess.run([*command, "-"], capture_output=True, text=True, check=True).stderr
    return np.array([float(value) for value in re.findall(r"n: *\d+ pts: *\S+ pts_time:(\S+)", log)])


@pytest.mark.parametrize("later_first", [False, True], ids=["forward", "back"])
def test_a_clock_that_is_set_anew_as_in_ffmpeg(later_first: bool, make_video: MakeVideo, tmp_path: Path) -> None:
    parts = [
        make_video("early.ts", "-c:v", "libx264"),
        make_video("later.ts", "-c:v", "libx264", "-output_ts_offset", "500"),
    ]
    path = tmp_path / "set.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in (reversed(parts) if later_first else parts)))
    times, expected = decoded(path), by_ffmpeg(path)
    np.testing.assert_allclose(times.seconds - times.seconds[0], expected - expected[0], atol=1e-4)
    assert (len(times.jumps), times.fps) == (1, 25.0)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "flv"])
def test_a_jump_in_any_container(suffix: str, make_video: MakeVideo) -> None:
    codec = "flv" if suffix == "flv" else "libx264"
    jump = "setpts='PTS+if(gte(N,5),300/TB,0)'"
    path = make_video(f"jump.{suffix}", "-vf", jump, "-fps_mode", "passthrough", "-c:v", codec)
    times = decoded(path)
    np.testing.assert_allclose(times.seconds, np.arange(10) * 0.04, atol=2e-3)
    assert (len(times.jumps), times.fps) == (1, 25.0)


def test_pictures_in_another_order_in_avi(make_video: MakeVideo) -> None:
    """AVI counts packets as they are decoded; a rate from the counts of B-frames would be wrong."""
    times = decoded(make_video("reordered.avi", "-c:v", "libx264", "-bf", "3"))
    np.testing.assert_allclose(times.seconds - times.seconds[0], np.arange(10) * 0.04, atol=1e-9)
    assert (times.jumps, times.fps) == ((), 25.0)


def test_a_stream_without_a_clock(make_video: MakeVideo) -> None:
    times = decoded(make_video("bare.h264", "-c:v", "libx264", "-bf", "2"))
    np.testing.assert_allclose(times.seconds, np.arange(10) * 0.04, atol=1e-9)
