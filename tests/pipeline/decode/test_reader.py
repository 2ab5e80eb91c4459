"""Decoding: every frame once, in order, with the container's own timestamps, whatever the format."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from pipeline.decode import AHEAD_PICTURES, VideoReader, read_frames
from pipeline.errors import VideoError
from pipeline.ffmpeg_program import ffmpeg_path

MakeVideo = Callable[..., Path]


def decode_by_the_book(path: Path) -> list[np.ndarray]:
    """ffmpeg's own grey frames, as the reference; its scaler rounds as on every processor."""
    probe = subprocess.run([ffmpeg_path(), "-i", f"file:{path}"], capture_output=True, text=True, check=False).stderr
    command = [ffmpeg_path(), "-v", "error", "-i", f"file:{path}", "-fps_mode", "passthrough"]
    command += [
        "-sws_flags",
        "bicubic+accurate_rnd+bitexact",
        "-pix_fmt",
        "yuv420p",
        "-f",
        "yuv4mpegpipe",
        "-strict",
        "-1",
        "-",
    ]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    header, _, rest = data.partition(b"\n")
    fields = {field[:1]: field[1:] for field in header.decode().split()[1:]}
    width, height = int(fields["W"]), int(fields["H"])
    size = width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
    assert "Video:" in probe
    frames = []
    while rest:
        _, _, rest = rest.partition(b"\n")
        frames.append(np.frombuffer(rest[: width * height], np.uint8).reshape(height, width))
        rest = rest[size:]
    return frames


FORMATS = {
    "h264": ("a.mp4", ["-c:v", "libx264"], "320x240"),
    "odd_444": ("b.mp4", ["-vf", "format=yuv444p,scale=319:241", "-c:v", "libx264"], "319x241"),
    "ten_bit": ("c.mkv", ["-c:v", "libx264", "-pix_fmt", "yuv420p10le"], "320x240"),
    "rgb": ("rgb.mov", ["-c:v", "png"], "320x240"),
    "hevc": ("hevc.mp4", ["-c:v", "libx265", "-x265-params", "log-level=error"], "320x240"),
    "mpeg1": ("d.mpg", ["-c:v", "mpeg1video"], "352x288"),
    "b_frames": ("e.mp4", ["-c:v", "libx264", "-bf", "3"], "640x360"),
    "spaces": ("f g'h\"_ é.mp4", ["-c:v", "libx264"], "320x240"),
    "newline": ("-i\nj.mp4", ["-c:v", "libx264"], "320x240"),
}


@pytest.mark.parametrize("case", FORMATS)
def test_frames_are_those_of_ffmpeg(case: str, make_video: MakeVideo) -> None:
    name, arguments, size = FORMATS[case]
    drawn = size if size != "319x241" else "320x240"  # the pattern has even sizes, a filter makes it odd
    path = make_video(name, *arguments, source=f"testsrc2=size={drawn}:rate=25:duration=0.4")
    expected = decode_by_the_book(path)
    with VideoReader(path) as reader:
        frames = [(frame.index, frame.pts_seconds, frame.y.copy()) for frame in reader]
    assert [index for index, _, _ in frames] == list(range(10))
    np.testing.assert_allclose(np.diff([pts for _, pts, _ in frames]), 0.04, atol=1e-3)
    assert all(np.array_equal(ours, theirs) for (_, _, ours), theirs in zip(frames, expected, strict=True))
    assert reader.fps == pytest.approx(25)
    assert f"{reader.width}x{reader.height}" == size
    assert reader.errors == []


def test_chroma_planes_have_half_the_size_rounded_up(make_video: MakeVideo) -> None:
    path = make_video("odd.mp4", "-vf", "format=yuv444p,scale=319:241", "-c:v", "libx264")
    frame = next(iter(read_frames(path)))
    assert (frame.y.shape, frame.u.shape, frame.v.shape) == ((241, 319), (121, 160), (121, 160))


def test_variable_frame_rate_keeps_its_timestamps(make_video: MakeVideo) -> None:
    keep = "select='not(eq(n,3)+eq(n,4)+eq(n,8))'"
    path = make_video("vfr.mp4", "-vf", keep, "-fps_mode", "passthrough", "-c:v", "libx264")
    times = [frame.pts_seconds for frame in read_frames(path)]
    np.testing.assert_allclose(times, np.array([0, 1, 2, 5, 6, 7, 9]) * 0.04, atol=1e-3)


def test_a_late_start_is_not_moved_to_zero(make_video: MakeVideo) -> None:
    path = make_video("late.ts", "-c:v", "libx264", "-output_ts_offset", "7.5")
    assert next(iter(read_frames(path))).pts_seconds > 7


@pytest.mark.parametrize("flags", [[], ["-display_hflip"], ["-display_vflip"]], ids=["plain", "hflip", "vflip"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_flag_is_applied_as_ffmpeg_does(
    degrees: int, flags: list[str], make_video: MakeVideo, tmp_path: Path
) -> None:
    plain, turned = make_video("plain.mp4", "-c:v", "libx264"), tmp_path / "turned.mp4"
    command = [ffmpeg_path(), "-v", "error", "-display_rotation", str(degrees), *flags]
    subprocess.run([*command, "-i", plain, "-c", "copy", turned], check=True)
    with VideoReader(turned) as reader:
        frames = [frame.y.copy() for frame in reader]
    assert (reader.width, reader.height) == ((240, 320) if degrees % 180 else (320, 240))
    assert frames[0].flags.c_contiguous
    for ours, theirs in zip(frames, decode_by_the_book(turned), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_a_stream_that_says_itself_how_it_is_turned(suffix: str, make_video: MakeVideo, tmp_path: Path) -> None:
    """It says so at key pictures alone, and means those in between as well."""
    plain, turned = make_video(f"unturned.{suffix}", "-c:v", "libx264", "-g", "5"), tmp_path / f"turned.{suffix}"
    sei = "h264_metadata=display_orientation=insert:rotate=90"
    subprocess.run([ffmpeg_path(), "-v", "error", "-i", plain, "-c", "copy", "-bsf:v", sei, turned], check=True)
    upright = [np.rot90(frame.y).copy() for frame in read_frames(plain)]
    for ours, theirs in zip([frame.y.copy() for frame in read_frames(turned)], upright, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("b_frames.avi", ["-c:v", "mpeg4", "-bf", "2"]),
        ("b_frames.mkv", ["-c:v", "libx264", "-bf", "3"]),
        ("late.mp4", ["-c:v", "libx264", "-bf", "2", "-output_ts_offset", "3"]),
        ("x.mpg", ["-c:v", "mpeg2video", "-bf", "2"]),
    ],
)
def test_timestamps_are_those_of_ffmpeg(name: str, arguments: list[str], make_video: MakeVideo) -> None:
    path = make_video(f"times_{name}", *arguments, source="testsrc2=size=320x240:rate=25:duration=1")
    command = [ffmpeg_path(), "-copyts", "-i", path, "-fps_mode", "passthrough", "-vf", "showinfo", "-f", "null", "-"]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    expected = [float(value) for value in re.findall(r"n: *\d+ pts: *\S+ pts_time:(\S+)", log)]
    np.testing.assert_allclose([frame.pts_seconds for frame in read_frames(path)], expected, atol=1e-6)


def test_colour_is_reported(make_video: MakeVideo) -> None:
    flags = ["-colorspace", "bt709", "-color_range", "tv"]
    tagged = next(iter(read_frames(make_video("tagged.mp4", "-c:v", "libx264", *flags)))).colour
    assert (tagged.matrix, tagged.full_range, tagged.chroma_left) == ("bt709", False, True)
    full = next(iter(read_frames(make_video("full.avi", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p")))).colour
    assert (full.full_range, full.chroma_left) == (True, False)
    untagged = next(iter(read_frames(make_video("untagged.mpg", "-c:v", "mpeg1video")))).colour
    assert (untagged.full_range, untagged.chroma_left) == (False, False)


@pytest.mark.parametrize("content", [b"", b"not a video\n", os.urandom(4096)], ids=["empty", "text", "noise"])
def test_what_is_no_video_says_so_with_its_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"broken\.mp4: no video frame") as caught:
        list(read_frames(path))
    assert caught.value.reason == "unreadable"
    assert "\n" not in str(caught.value)


def test_sound_alone_is_unreadable(make_video: MakeVideo) -> None:
    path = make_video("sound.mp4", "-c:a", "aac", source="sine=duration=0.3")
    with pytest.raises(VideoError, match="no video stream"):
        list(read_frames(path))


def test_a_cut_off_video_gives_its_frames_and_a_warning(make_video: MakeVideo, tmp_path: Path) -> None:
    whole = make_video("whole.mkv", "-c:v", "libx264", source="testsrc2=size=320x240:rate=25:duration=3")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with VideoReader(cut) as reader:
        count = sum(1 for _ in reader)
    assert 0 < count < 75
    assert reader.errors


def test_playlists_do_not_open_other_files(make_video: MakeVideo, tmp_path: Path) -> None:
    other = make_video("secret.mp4", "-c:v", "libx264")
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile '{other}'\n")
    with pytest.raises(VideoError):
        list(read_frames(playlist))


def test_leaving_early_closes_the_file(make_video: MakeVideo) -> None:
    path = make_video("long.mp4", "-c:v", "libx264", source="testsrc2=size=640x480:rate=25:duration=4")
    with VideoReader(path) as reader:
        first = next(iter(reader))
        picture = first.y.copy()
        assert str(path) in open_files()
    assert str(path) not in open_files()
    np.testing.assert_array_equal(first.y, picture)  # a frame outlives its reader


def open_files() -> set[str]:
    return {os.path.realpath(number) for number in Path("/proc/self/fd").iterdir()}


def test_videos_read_one_after_the_other_do_not_add_up_in_memory(make_video: MakeVideo) -> None:
    path = make_video("large.mp4", "-c:v", "libx264", source="color=size=1920x1080:rate=25:duration=1")
    for _ in range(2):
        assert sum(1 for _ in read_frames(path)) == 25
    before = resident_bytes()
    for _ in range(5):
        assert sum(1 for _ in read_frames(path)) == 25
    assert resident_bytes() - before < 60e6  # twenty pictures; the videos have 400 MB


def test_a_long_video_needs_no_more_memory_than_a_short_one(make_video: MakeVideo) -> None:
    path = make_video("longer.mp4", "-c:v", "libx264", source="color=size=1920x1080:rate=25:duration=8")
    before = resident_bytes()
    assert max(resident_bytes() - before for _ in read_frames(path)) < 150e6  # the video has 620 MB


def resident_bytes() -> int:
    return psutil.Process().memory_info().rss


def test_planes_cannot_be_written(make_video: MakeVideo) -> None:
    frame = next(iter(read_frames(make_video("a.mp4", "-c:v", "libx264"))))
    with pytest.raises(ValueError, match="read-only"):
        frame.y[0, 0] = 1


def test_pictures_that_change_in_size_are_scaled_to_the_first_and_reported(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    parts = [
        make_video(f"{size}.ts", "-c:v", "libx264", source=f"testsrc2=size={size}:rate=25:duration=0.4")
        for size in ("320x240", "640x480")
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with VideoReader(joined) as reader:
        frames = [frame.y.copy() for frame in reader]
    expected = decode_by_the_book(joined)
    assert len(frames) == len(expected) == 20
    assert all(np.abs(a.astype(float) - b).mean() < 0.5 for a, b in zip(frames, expected, strict=True))
    assert (reader.width, reader.height) == (320, 240)
    assert reader.warnings == ["the picture's size changes from 320x240 to 640x480, which is scaled"]


def test_colours_that_ffmpeg_cannot_convert_are_unreadable(make_video: MakeVideo) -> None:
    arguments = ["-c:v", "libx264", "-pix_fmt", "yuv422p10le", "-x264-params", "colormatrix=bt2020c"]
    with pytest.raises(VideoError) as raised:
        list(read_frames(make_video("constant_luminance.mp4", *arguments)))
    assert raised.value.reason == "unreadable"


def test_tiny_pictures_are_not_all_decoded_at_once(make_video: MakeVideo) -> None:
    path = make_video("tiny.mp4", "-c:v", "libx264", source="testsrc2=size=32x32:rate=25:duration=8")
    with VideoReader(path) as reader:
        read, pictures = [], reader._pictures

        def counted() -> Iterator[Any]:
            for picture in pictures():
                read.append(1)
                yield picture

        reader._pictures = counted  # type: ignore[method-assign]
        next(iter(reader))
    assert len(read) == AHEAD_PICTURES
