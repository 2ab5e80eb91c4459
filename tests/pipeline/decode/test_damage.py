"""Damage that no decoder marks: lost packets, complaints, packets that give nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.decode import Frame, VideoReader

MakeVideo = Callable[..., Path]
CODECS = {
    "h264.ts": ("-c:v", "libx264", "-bf", "2"),
    "hevc.ts": ("-c:v", "libx265", "-x265-params", "log-level=error"),
    "mpeg2.ts": ("-c:v", "mpeg2video", "-bf", "2"),
}
TS_PACKET = 188
SOURCE = "testsrc2=size=320x240:rate=25:duration=2"


def read(path: Path) -> tuple[VideoReader, list[tuple[float, np.ndarray, Frame]]]:
    with VideoReader(path) as reader:
        frames = [(frame.pts_seconds, frame.y.astype(int), frame) for frame in reader]
    return reader, frames


def first_torn(whole: Path, damaged: Path) -> list[Frame]:
    """The damaged frames whose neighbours on both sides are as they were, or that come first in their group."""
    good = {time: luma for time, luma, _ in read(whole)[1]}
    return [frame for time, luma, frame in read(damaged)[1] if np.abs(good[time] - luma).mean() > 1]


@pytest.mark.parametrize("name", CODECS)
def test_a_picture_of_which_packets_were_lost_is_corrupt(name: str, make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(f"damage_{name}", *CODECS[name], "-g", "12", source=SOURCE)
    packets = [path.read_bytes()[at : at + TS_PACKET] for at in range(0, path.stat().st_size, TS_PACKET)]
    # The second of three in a row that go on with a picture, in the second half: nothing but a part of it is lost.
    going_on = [not packet[1] & 0x40 and packet[1:3] == b"\x01\x00" for packet in packets]
    place = next(at for at in range(len(packets) // 2, len(packets)) if all(going_on[at - 1 : at + 2]))
    damaged = tmp_path / name
    damaged.write_bytes(b"".join(packets[:place] + packets[place + 1 :]))
    torn = first_torn(path, damaged)
    corrupt = [frame.index for _, _, frame in read(damaged)[1] if frame.corrupt]
    assert torn
    assert len(corrupt) in (1, 2)
    assert set(corrupt) & {frame.index for frame in torn}


@pytest.mark.parametrize("name", CODECS)
def test_recordings_put_together_are_whole(name: str, make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(f"damage_{name}", *CODECS[name], "-g", "12", source=SOURCE)
    twice = tmp_path / name
    twice.write_bytes(2 * path.read_bytes())
    _, frames = read(twice)
    assert len(frames) == 100
    assert not any(frame.corrupt or frame.follows_loss for _, _, frame in frames)


def test_a_picture_that_draws_a_complaint_is_corrupt(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video("damage.avi", "-c:v", "mjpeg", "-q:v", "3", source=SOURCE)
    data = bytearray(path.read_bytes())
    place = data.index(b"\xff\xd8", len(data) // 2) + 2500  # within the coefficients of one picture
    data[place : place + 300] = np.random.default_rng(1).bytes(300)
    damaged = tmp_path / "damage.avi"
    damaged.write_bytes(data)
    corrupt = [frame.index for _, _, frame in read(damaged)[1] if frame.corrupt]
    assert corrupt == [frame.index for frame in first_torn(path, damaged)]
    assert len(corrupt) == 1


def test_what_follows_a_packet_that_gave_nothing_is_known(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(
        "damage.ivf", "-c:v", "libvpx-vp9", "-b:v", "1M", "-g", "20", "-lag-in-frames", "0", source=SOURCE
    )
    data, place = bytearray(path.read_bytes()), 32
    for _ in range(5):
        place += 12 + int.from_bytes(data[place : place + 4], "little")
    data[place + 12] ^= 0xFF  # the frame header of picture 5
    damaged = tmp_path / "damage.ivf"
    damaged.write_bytes(data)
    reader, frames = read(damaged)
    assert len(frames) == 49
    assert [frame.index for _, _, frame in frames if frame.follows_loss] == [5]
    assert "1 damaged packets gave no picture" in reader.warnings
