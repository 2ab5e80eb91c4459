"""A device asked for and not there: the processor decodes, and says so. With none asked for, all is as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from pipeline.clips import open_clip
from pipeline.corpora import Clip
from pipeline.decode import Frame, VideoReader, decoding_by, read_frames, reader
from pipeline.errors import VideoError

Make = Callable[..., Path]
HDR = "format=yuv422p10le,setparams=color_trc=smpte2084:colorspace=bt2020nc:color_primaries=bt2020"
NOWHERE = "opencl"  # decodes nothing, whatever the machine


@pytest.fixture(scope="module")
def path(make_video: Make) -> Path:
    return make_video("for_a_device.mp4", "-c:v", "libx264", source="testsrc2=size=128x96:rate=25:duration=0.4")


class OnDevice:
    """A picture that passes for a device's: what is brought from there has pixels and a time, and nothing else."""

    format = SimpleNamespace(name="cuda", components=())

    def __init__(self, picture: av.VideoFrame) -> None:
        self._picture = picture

    def __getattr__(self, name: str) -> object:
        return getattr(self._picture, name)

    def reformat(self, format: str, **how: object) -> av.VideoFrame:
        there = self._picture.reformat(format=format, **how)  # type: ignore[arg-type]
        bare = av.VideoFrame(there.width, there.height, format)
        for empty, full in zip(bare.planes, there.planes, strict=True):
            rows = np.frombuffer(full, np.uint8).reshape(-1, full.line_size)  # type: ignore[call-overload]
            padded = np.zeros((len(rows), empty.line_size), np.uint8)
            padded[:, : min(padded.shape[1], rows.shape[1])] = rows[:, : padded.shape[1]]
            empty.update(padded.tobytes())
        bare.pts = there.pts
        return bare


def same(ones: list[Frame], others: list[Frame]) -> bool:
    return len(ones) == len(others) > 0 and all(
        (one.index, one.pts_seconds, one.colour, one.key, one.corrupt)
        == (other.index, other.pts_seconds, other.colour, other.key, other.corrupt)
        and all(np.array_equal(getattr(one, plane), getattr(other, plane)) for plane in "yuv")
        for one, other in zip(ones, others, strict=True)
    )


def test_a_device_that_cannot_be_opened_is_a_note(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(device: str) -> object:
        raise OSError(f"no {device} here")

    monkeypatch.setattr(reader, "accelerator", broken)
    with decoding_by("cuda"), VideoReader(path) as found:
        frames = list(found)
    assert same(frames, list(read_frames(path)))
    assert found.notes == ["decoded by the processor, not by cuda (no cuda here)"]
    assert (found.warnings, found.errors) == ([], [])


@pytest.mark.parametrize("clip", [None, Clip("for_a_device.mp4", start=0.1), Clip("for_a_device.mp4", fps=5.0)])
def test_a_device_that_cannot_decode_this_is_a_note(path: Path, clip: Clip | None) -> None:
    with open_clip(path, clip) as found:
        plain = list(found)
    assert found.notes == []
    with decoding_by(NOWHERE), open_clip(path, clip) as found:
        assert same(list(found), plain)
    assert found.notes == [f"decoded by the processor, not by {NOWHERE}"]


def test_a_broken_file_is_no_fault_of_the_device(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    with decoding_by(NOWHERE), pytest.raises(VideoError, match=r"bad\.mp4: no video frame could be decoded \(\w+ \w+ "):
        list(read_frames(tmp_path / "bad.mp4"))


def test_none_is_asked_for_unless_somebody_does(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    real = av.open
    monkeypatch.setattr(
        av, "open", lambda *args, **kwargs: (opened.append(kwargs["hwaccel"]), real(*args, **kwargs))[1]
    )
    with decoding_by(NOWHERE):
        list(read_frames(path))
    list(read_frames(path))
    assert [accelerator is None for accelerator in opened] == [False, True]


@pytest.mark.parametrize(
    ("encode", "apart"),
    [
        (("-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_range", "pc"), 0),
        (("-pix_fmt", "yuv420p", "-vf", "setsar=4/3"), 0),
        # Other formats are brought to ours with another rounding.
        (("-pix_fmt", "yuv422p", "-colorspace", "bt709", "-color_range", "pc"), 1),
        (("-pix_fmt", "yuv422p10le", "-vf", HDR), 1),
    ],
)
def test_what_is_brought_from_a_device_is_shown_alike(
    make_video: Make, monkeypatch: pytest.MonkeyPatch, encode: tuple[str, ...], apart: float
) -> None:
    """Pictures that pass for a device's: colours, HDR, shape and times are not lost."""
    path = make_video(f"from_a_device_{encode[1]}_{len(encode)}.mp4", "-c:v", "libx264", *encode,
                      source="testsrc2=size=128x96:rate=25:duration=0.2")  # fmt: skip
    plain = list(read_frames(path))
    pictures = VideoReader._pictures
    monkeypatch.setattr(
        VideoReader,
        "_pictures",
        lambda self: (item._replace(picture=OnDevice(item.picture)) for item in pictures(self)),
    )
    brought = list(read_frames(path))
    for one, other in zip(plain, brought, strict=True):
        assert (one.pts_seconds, one.colour, one.key) == (other.pts_seconds, other.colour, other.key)
        for plane in "yuv":
            assert np.abs(getattr(one, plane).astype(int) - getattr(other, plane)).mean() <= apart
