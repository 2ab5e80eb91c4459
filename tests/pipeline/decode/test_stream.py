"""Which stream is the video: never a cover, the default one, else the largest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.decode import VideoReader
from pipeline.errors import VideoError

MakeVideo = Callable[..., Path]
RunFfmpeg = Callable[..., None]
H264 = ("-c:v", "libx264")


@pytest.fixture(scope="module")
def parts(make_video: MakeVideo, run_ffmpeg: RunFfmpeg, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small and a large video, sound, and pictures for covers, larger than both."""
    folder = tmp_path_factory.mktemp("covers")
    for suffix in ("png", "jpg"):
        run_ffmpeg("-f", "lavfi", "-i", "color=red:size=800x800", "-frames:v", "1", folder / f"cover.{suffix}")
    return {
        "small": make_video("stream_small.mp4", *H264),
        "large": make_video("stream_large.mp4", *H264, source="testsrc2=size=640x480:rate=25:duration=0.4"),
        "sound": make_video("stream_sound.m4a", "-c:a", "aac", source="sine=duration=0.4"),
        "png": folder / "cover.png",
        "jpg": folder / "cover.jpg",
    }


def what_is_read(path: Path) -> tuple[int, int, int]:
    with VideoReader(path) as reader:
        count = sum(1 for _ in reader)
    return count, reader.width, reader.height


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("cover", ["png", "jpg"])
def test_a_cover_is_not_the_video(
    cover: str, first: bool, parts: dict[str, Path], run_ffmpeg: RunFfmpeg, tmp_path: Path
) -> None:
    path = tmp_path / "covered.mp4"
    order, place = (("-map", "1", "-map", "0"), 0) if first else (("-map", "0", "-map", "1"), 1)
    flags = ("-c", "copy", f"-disposition:v:{place}", "attached_pic")
    run_ffmpeg("-i", parts["small"], "-i", parts[cover], *order, *flags, path)
    assert what_is_read(path) == (10, 320, 240)


def test_nor_is_a_still_that_nothing_flags_as_a_cover(
    parts: dict[str, Path], run_ffmpeg: RunFfmpeg, tmp_path: Path
) -> None:
    path = tmp_path / "still.mp4"
    flags = ("-c:v:0", "mjpeg", "-c:v:1", "copy", "-disposition:v", "default")
    run_ffmpeg("-i", parts["small"], "-i", parts["jpg"], "-map", "1", "-map", "0", *flags, path)
    assert what_is_read(path) == (10, 320, 240)


def test_nor_is_one_of_a_container_that_counts_no_pictures(
    parts: dict[str, Path], run_ffmpeg: RunFfmpeg, tmp_path: Path
) -> None:
    path = tmp_path / "still.mkv"
    flags = ("-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "default", "-disposition:v:1", "0")
    run_ffmpeg("-i", parts["small"], "-i", parts["jpg"], *flags, path)
    assert what_is_read(path) == (10, 320, 240)


@pytest.mark.parametrize(
    ("dispositions", "expected"),
    [(("default", "default"), (10, 640, 480)), (("default", "0"), (10, 320, 240)), (("0", "0"), (10, 640, 480))],
)
def test_of_two_videos_the_default_one_then_the_largest(
    dispositions: tuple[str, str], expected: tuple[int, int, int], parts: dict[str, Path], run_ffmpeg: RunFfmpeg,
    tmp_path: Path,
) -> None:  # fmt: skip
    path = tmp_path / "two.mkv"
    flags = [text for place, value in enumerate(dispositions) for text in (f"-disposition:v:{place}", value)]
    run_ffmpeg("-i", parts["small"], "-i", parts["large"], "-map", "0", "-map", "1", "-c", "copy", *flags, path)
    assert what_is_read(path) == expected
    number, size = int(expected[1] == 640), f"{expected[1]}x{expected[2]}"
    with VideoReader(path) as reader:
        assert reader.notes == [f"of 2 video streams number {number} ({size}) is read"]


def test_sound_alone_says_so(parts: dict[str, Path], run_ffmpeg: RunFfmpeg, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"no video stream, only sound\)") as raised:
        what_is_read(parts["sound"])
    assert raised.value.reason == "unreadable"
    path = tmp_path / "song.m4a"
    flags = ("-c", "copy", "-disposition:v:0", "attached_pic")
    run_ffmpeg("-i", parts["sound"], "-i", parts["jpg"], "-map", "0", "-map", "1", *flags, path)
    with pytest.raises(VideoError, match=r"song\.m4a: .*only sound and a cover picture"):
        what_is_read(path)
