"""PQ and HLG on an ordinary screen: within a level of zscale's own conversion, and the same bits everywhere."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.decode import Colour, VideoReader, hdr
from pipeline.ffmpeg_program import ffmpeg_path

MakeVideo = Callable[..., Path]
TRANSFERS = {"PQ": "smpte2084", "HLG": "arib-std-b67"}
# A gentle picture: at hard edges in saturated colours the two differ in how chroma is interpolated.
SOFT = "gradients=size=320x240:rate=25:duration=0.2:c0=0x703820:c1=0xd0a890:c2=0x303848:c3=0x90b070:n=4:seed=1"
REFERENCE = (
    "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0:peak=10,zscale=t=bt709:m=bt709:r=tv"
)


def tagged(transfer: str, levels: str = "tv", layout: str = "yuv420p10le") -> str:
    tags = f"setparams=color_primaries=bt2020:color_trc={TRANSFERS[transfer]}:colorspace=bt2020nc:range={levels}"
    return f"scale=out_color_matrix=bt2020nc:out_range={levels},format={layout},{tags}"


ENCODINGS = {
    "hevc.mp4": ("tv", "yuv420p10le", ("-c:v", "libx265", "-x265-params", "log-level=error")),
    "hevc_full.mp4": ("pc", "yuv420p10le", ("-c:v", "libx265", "-x265-params", "log-level=error:range=full")),
    "h264.mkv": ("tv", "yuv420p10le", ("-c:v", "libx264")),
    "vp9.webm": ("tv", "yuv420p10le", ("-c:v", "libvpx-vp9", "-b:v", "2M", "-cpu-used", "8")),
    "prores.mov": ("tv", "yuv422p10le", ("-c:v", "prores_ks")),
}


@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.parametrize("name", ENCODINGS)
def test_colours_are_within_a_level_of_zscales(name: str, transfer: str, make_video: MakeVideo) -> None:
    levels, layout, codec = ENCODINGS[name]
    path = make_video(f"{transfer}_{name}", "-vf", tagged(transfer, levels, layout), *codec, source=SOFT)
    with VideoReader(path) as reader:
        read = list(reader)
    frames = [np.concatenate([frame.y.ravel(), frame.u.ravel(), frame.v.ravel()]) for frame in read]
    assert reader.notes == [f"HDR ({transfer}) brought to SDR BT.709"]
    assert {frame.colour for frame in read} == {Colour("bt709", full_range=False, chroma_left=True)}
    command = [ffmpeg_path(), "-v", "error", "-i", path, "-vf", REFERENCE, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]
    expected = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)
    difference = np.abs(np.concatenate(frames).astype(int) - expected)
    # Of 4:2:2, zscale takes the chroma of every row, and we that of two rows together.
    assert (difference <= 1).mean() > (0.98 if "422" in layout else 0.999)
    assert difference.max() <= (12 if "422" in layout else 3)


def test_an_ordinary_video_is_not_touched(make_video: MakeVideo) -> None:
    tags = "setparams=color_primaries=bt2020:color_trc=bt2020-10"
    path = make_video("wide_gamut.mkv", "-vf", tags, "-c:v", "libx264")
    with VideoReader(path) as reader:
        list(reader)
    assert reader.notes == []


TABLES = {"PQ": lambda: hdr.light(16), "HLG": lambda: hdr.light(18), "screen": hdr.signal}


@pytest.mark.parametrize("name", TABLES)
def test_no_library_rounds_a_table_differently(name: str) -> None:
    """What is rounded to whole numbers lies further from a half than two libraries' powers can be from each other."""
    scaled = TABLES[name]() * hdr.GRID
    halves = np.abs(scaled - np.floor(scaled) - 0.5)
    assert (halves > 1e-13 * scaled + 1e-9).all()
