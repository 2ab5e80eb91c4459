"""Parts of videos: the same frames as the whole file has at those times, however the reader came there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.decode import ClipReader, Frame, VideoReader, clip, read_frames
from pipeline.decode.clip import nearest_frames
from pipeline.errors import VideoError
from pipeline.ffmpeg_program import ffmpeg_path

MakeVideo = Callable[..., Path]
SOURCE = "testsrc2=size=96x64:rate=25:duration=14"
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-bf", "3")
VIDEOS = {
    "closed.mp4": (*X264, "-movflags", "faststart"),
    "open.mkv": (*X264, "-x264-params", "open-gop=1:keyint=40:min-keyint=40:scenecut=0"),
    "stream.ts": X264,
    "shifted.mp4": (*X264, "-output_ts_offset", "3.3"),
    "old.mpg": ("-c:v", "mpeg2video", "-g", "15", "-bf", "2"),
    "still_older.avi": ("-c:v", "mpeg4", "-g", "20"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "50"),
    "refresh.mp4": (*X264[:4], "-x264-params", "intra-refresh=1:keyint=50:bframes=0"),
}


@pytest.fixture(params=VIDEOS)
def video(request: pytest.FixtureRequest, make_video: MakeVideo) -> Path:
    return make_video(f"clip_{request.param}", *VIDEOS[request.param], source=SOURCE)


def same(one: Frame, other: Frame) -> bool:
    planes = [(one.y, other.y), (one.u, other.u), (one.v, other.v)]
    return (
        one.index == other.index
        and one.pts_seconds == other.pts_seconds
        and all(map(np.array_equal, *zip(*planes, strict=True)))
    )


def copied(frames: Iterator[Frame]) -> list[Frame]:
    return [
        Frame(f.index, f.pts_seconds, f.y.copy(), f.u.copy(), f.v.copy(), f.colour, f.corrupt, f.key) for f in frames
    ]


@pytest.mark.parametrize(
    ("start", "end"), [(0.0, 0.4), (9.02, 9.9), (7.2, 7.24), (5.0, 5.001), (13.5, None), (None, 0.2)]
)
def test_a_part_is_what_the_whole_has_there(start: float | None, end: float | None, video: Path) -> None:
    with VideoReader(video) as reader:
        zero = (reader._container.start_time or 0) / 1e6
        whole = copied(iter(reader))
    with ClipReader(video, start, end) as reader:
        part = copied(iter(reader))
    low, high = zero + (start or 0) - 1e-6, float("inf") if end is None else zero + end - 1e-6
    expected = [frame for frame in whole if low <= frame.pts_seconds < high]
    assert expected
    assert len(part) == len(expected)
    assert all(map(same, part, expected))
    assert reader.errors == []


def test_as_many_as_ffmpeg_cuts(video: Path) -> None:
    command = [
        ffmpeg_path(),
        "-v",
        "error",
        "-i",
        str(video),
        "-vf",
        "trim=start=6.1:end=8.3",
        "-fps_mode",
        "passthrough",
    ]
    told = subprocess.run([*command, "-f", "framehash", "-"], check=True, capture_output=True, text=True, timeout=60)
    theirs = sum(line[:1].isdigit() for line in told.stdout.splitlines())
    with ClipReader(video, 6.1, 8.3) as reader:
        assert len(list(reader)) == theirs


@pytest.mark.parametrize(("name", "most"), [("closed.mp4", 120), ("open.mkv", 140), ("vp9.webm", 200)])
def test_decoding_begins_near_the_part(
    name: str, most: int, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(f"clip_{name}", *VIDEOS[name], source=SOURCE)
    decoded = 0
    real = VideoReader._pictures

    def counted(reader: VideoReader) -> Iterator[object]:
        nonlocal decoded
        for picture in real(reader):
            decoded += 1
            yield picture

    monkeypatch.setattr(VideoReader, "_pictures", counted)
    with ClipReader(path, 12.0, 12.4) as reader:
        assert len(list(reader)) == 10
    assert decoded <= most < 300


def test_packets_are_read_once_for_many_clips(make_video: MakeVideo) -> None:
    path = make_video("clip_closed.mp4", *VIDEOS["closed.mp4"], source=SOURCE)
    clip._packets.cache_clear()
    for start in range(4, 10):
        with ClipReader(path, start, start + 0.2) as reader:
            assert len(list(reader)) == 5
    assert clip._packets.cache_info().misses == 1


def test_a_part_that_is_not_there(video: Path) -> None:
    with pytest.raises(VideoError, match=r"no frame from 20 s to 21 s") as raised, ClipReader(video, 20, 21) as reader:
        list(reader)
    assert raised.value.reason == "too_short"


def test_a_clock_that_jumps_is_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    one = make_video("jump_1.ts", *X264, source=SOURCE.replace("14", "2"))
    two = make_video("jump_2.ts", *X264, "-output_ts_offset", "400", source=SOURCE.replace("14", "2"))
    joined = tmp_path / "jump.ts"
    joined.write_bytes(one.read_bytes() + two.read_bytes())
    with pytest.raises(VideoError, match="its clock jumps") as raised, ClipReader(joined, 1, 2) as reader:
        list(reader)
    assert raised.value.reason == "unreadable"
    with ClipReader(joined, fps=5) as reader:
        times = [frame.index for frame in reader]
    assert len(times) == 20


# Frame rates


def frames_at(times: list[float]) -> list[Frame]:
    return [Frame(index, time, *([np.zeros((2, 2), np.uint8)] * 3), None) for index, time in enumerate(times)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "wanted", "kept"),
    [
        (50, 25, [0, 2, 4, 6, 8, 10]),
        (30, 15, [0, 2, 4, 6, 8, 10]),
        (30, 25, [0, 1, 2, 4, 5, 6, 7, 8, 10, 11]),
        (25, 25, list(range(12))),
        (25, 60, list(range(12))),
        (25, 10, [0, 2, 5, 7, 10]),
        (25, 0.1, [0]),
    ],
)
@pytest.mark.parametrize("offset", [0.0, 3.7])
def test_the_nearest_frames_are_kept(source: float, wanted: float, kept: list[int], offset: float) -> None:
    frames = frames_at([offset + index / source for index in range(12)])
    found = [frame.index for frame in nearest_frames(frames, wanted)]
    assert found == kept
    moments = [offset + number / wanted for number in range(200)]
    for index in found:  # each is the nearest frame of some moment
        assert any(
            abs(frames[index].pts_seconds - m) <= min(abs(f.pts_seconds - m) for f in frames) + 1e-5 for m in moments
        )


def test_gaps_and_jumps_of_the_clock() -> None:
    times = [0.0, 0.04, 0.08, 3.0, 3.04, 3.08, 1.0, 1.04, 1.08, 1.12]
    assert [frame.index for frame in nearest_frames(frames_at(times), 12.5)] == [0, 2, 3, 4, 6, 8]
    assert [frame.index for frame in nearest_frames(frames_at([5.0]), 25)] == [0]
    assert list(nearest_frames([], 25)) == []


def test_rates_are_said(make_video: MakeVideo) -> None:
    path = make_video("clip_closed.mp4", *VIDEOS["closed.mp4"], source=SOURCE)
    with ClipReader(path, 1, 2, fps=5) as reader:
        assert [frame.index for frame in reader] == [25, 30, 35, 40, 45]
    assert reader.chosen_fps == 5
    with ClipReader(path, 1, 2, fps=50) as reader:
        assert len(list(reader)) == 25
    assert (reader.chosen_fps, reader.warnings) == (0, ["50 frames a second are wanted, it has 25: all are kept"])
    assert len(list(read_frames(path))) == 350
