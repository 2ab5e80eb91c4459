"""Pictures as they are shown: square pixels, upright, whole, each shape by itself; against ffmpeg's own filters."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.decode import Frame, VideoReader
from pipeline.ffmpeg_program import ffmpeg_path

MakeVideo = Callable[..., Path]
RunFfmpeg = Callable[..., None]
Bytes = npt.NDArray[np.uint8]
H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
EXACT = "flags=bicubic+accurate_rnd+bitexact"


def read(path: Path) -> tuple[VideoReader, list[Frame]]:
    with VideoReader(path) as reader:
        frames = list(reader)
    return reader, frames


def planes(frame: Frame) -> Bytes:
    return np.concatenate([frame.y.ravel(), frame.u.ravel(), frame.v.ravel()])


def by_ffmpeg(path: Path, filters: str) -> list[Bytes]:
    """The planes of every frame as ffmpeg gives them after these filters; all of one size."""
    command = [ffmpeg_path(), "-v", "error", "-i", f"file:{path}", "-fps_mode", "passthrough", "-vf", filters]
    raw = subprocess.run(
        [*command, "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "-strict", "-1", "-"], capture_output=True, check=True
    ).stdout
    header, _, rest = raw.partition(b"\n")
    fields = {field[:1]: field[1:] for field in header.decode().split()[1:]}
    width, height = int(fields["W"]), int(fields["H"])
    size = width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
    frames = []
    while rest:
        rest = rest.partition(b"\n")[2]
        frames.append(np.frombuffer(rest[:size], np.uint8))
        rest = rest[size:]
    return frames


def assert_same(path: Path, filters: str, within: int = 0, first: int = 0) -> None:
    _, frames = read(path)
    expected = by_ffmpeg(path, filters)
    assert len(frames) == len(expected) > first
    for ours, theirs in list(zip(frames, expected, strict=True))[first:]:
        assert np.abs(planes(ours).astype(int) - theirs).max() <= within


@pytest.mark.parametrize("codec", ["h264", "mpeg4", "vp8"])
def test_pixels_are_made_square_where_the_stream_says_so(codec: str, make_video: MakeVideo) -> None:
    name, arguments = {
        "h264": ("sar.mp4", H264),
        "mpeg4": ("sar.avi", ("-c:v", "mpeg4")),
        "vp8": ("sar.webm", ("-c:v", "libvpx", "-b:v", "1M")),
    }[codec]
    path = make_video(name, "-vf", "setsar=64/45", *arguments)
    reader, _ = read(path)
    assert (reader.width, reader.height) == (455, 240)
    assert "made square" in reader.notes[0]
    assert_same(path, f"scale=455:240:{EXACT}")


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_container_overrides_the_stream(
    suffix: str, make_video: MakeVideo, run_ffmpeg: RunFfmpeg, tmp_path: Path
) -> None:
    path = tmp_path / f"wide.{suffix}"
    run_ffmpeg("-i", make_video("plain.mp4", *H264), "-c", "copy", "-aspect", "16:9", path)
    reader, _ = read(path)
    assert (reader.width, reader.height) == (427, 240)
    assert reader.notes == ["pixels of 4:3 made square"]


def test_narrow_pixels_make_the_picture_higher(make_video: MakeVideo) -> None:
    reader, _ = read(make_video("narrow.mp4", "-vf", "setsar=8/9", *H264))
    assert (reader.width, reader.height) == (320, 270)


@pytest.mark.parametrize(
    ("shape", "note", "warning"),
    [("1/1", [], []), ("200/201", [], []), ("100/1", [], ["pixels of 100:1 are taken for square ones"])],
)
def test_what_is_square_or_cannot_be_meant_stays(
    shape: str, note: list[str], warning: list[str], make_video: MakeVideo
) -> None:
    reader, frames = read(make_video(f"sar_{shape[:3]}.mp4".replace("/", "_"), "-vf", f"setsar={shape}", *H264))
    assert frames[0].y.shape == (240, 320)
    assert (reader.notes, reader.warnings) == (note, warning)


@pytest.mark.parametrize(("degrees", "size"), [(90, (240, 455)), (180, (455, 240))])
def test_square_then_upright(
    degrees: int, size: tuple[int, int], make_video: MakeVideo, run_ffmpeg: RunFfmpeg, tmp_path: Path
) -> None:
    path = tmp_path / "turned.mp4"
    source = make_video("sar.mp4", "-vf", "setsar=64/45", *H264)
    run_ffmpeg("-display_rotation", str(degrees), "-i", source, "-c", "copy", path)
    reader, frames = read(path)
    assert (reader.width, reader.height) == size
    upright = read(source)[1]
    turn = {90: lambda plane: np.rot90(plane, 1), 180: lambda plane: np.rot90(plane, 2)}[degrees]
    np.testing.assert_array_equal(frames[3].y, turn(upright[3].y))


FIELDS = "testsrc2=size=320x240:rate=50:duration=0.4"


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize("codec", ["h264", "mpeg2", "422"])
def test_fields_are_made_whole_pictures(codec: str, order: str, make_video: MakeVideo) -> None:
    weave, interlaced = f"interlace=scan={order}", ("-flags", "+ildct+ilme")
    name, arguments = {
        "h264": ("mp4", ("-vf", weave, *H264, *interlaced, "-x264-params", f"{order}=1")),
        "mpeg2": ("mpg", ("-vf", weave, "-c:v", "mpeg2video", *interlaced)),
        "422": ("ts", ("-vf", weave, "-c:v", "mpeg2video", "-pix_fmt", "yuv422p", "-qscale:v", "3", *interlaced)),
    }[codec]
    path = make_video(f"fields_{order}.{name}", *arguments, source=FIELDS)
    reader, frames = read(path)
    assert reader.notes == ["interlaced: deinterlaced (bwdif)"]
    assert len(frames) == 10
    np.testing.assert_allclose(np.diff([frame.pts_seconds for frame in frames]), 0.04, atol=1e-3)
    # What the filter takes to lie before the first frame, versions of ffmpeg disagree about.
    assert_same(path, f"bwdif=mode=send_frame:deint=interlaced,scale=iw:ih:{EXACT},format=yuv420p", first=1)


def test_progressive_pictures_are_not_touched(make_video: MakeVideo) -> None:
    reader, _ = read(make_video("progressive.mpg", "-c:v", "mpeg2video"))
    assert reader.notes == []


def joined(parts: list[Path], path: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def test_a_phone_that_is_turned_keeps_both_shapes(make_video: MakeVideo, tmp_path: Path) -> None:
    parts = [
        make_video(f"turned_{size}.ts", *H264, source=f"testsrc2=size={size}:rate=25:duration=0.4")
        for size in ("320x180", "180x320")
    ]
    reader, frames = read(joined(parts, tmp_path / "both.ts"))
    assert [frame.y.shape for frame in frames] == [(180, 320)] * 10 + [(320, 180)] * 10
    assert (reader.width, reader.height) == (320, 180)
    assert reader.warnings == ["the picture's size changes from 320x180 to 180x320, which keeps its shape"]
    second = by_ffmpeg(parts[1], "null")
    assert all(np.array_equal(planes(a), b) for a, b in zip(frames[10:], second, strict=True))


def test_pixels_that_change_their_shape_change_the_picture(make_video: MakeVideo, tmp_path: Path) -> None:
    parts = [
        make_video(f"pixel_{name}.ts", "-vf", f"setsar={shape}", *H264)
        for name, shape in (("wide", "64/45"), ("one", "1"))
    ]
    _, frames = read(joined(parts, tmp_path / "wide_then_not.ts"))
    assert [frame.y.shape for frame in frames] == [(240, 455)] * 10 + [(240, 320)] * 10


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("full.mp4", ("-vf", "format=yuv444p", "-c:v", "libx264", "-color_range", "pc")),
        ("j422.avi", ("-c:v", "mjpeg", "-pix_fmt", "yuvj422p")),
        ("deep.mkv", ("-c:v", "libx264", "-pix_fmt", "yuv422p10le")),
        ("moving.gif", ()),
    ],
)
def test_other_formats_are_within_a_level_of_ffmpegs_conversion(
    name: str, arguments: tuple[str, ...], make_video: MakeVideo
) -> None:
    path = make_video(f"format_{name}", *arguments)
    assert_same(path, f"scale=iw:ih:{EXACT}")
    assert_same(path, "null", within=1)
