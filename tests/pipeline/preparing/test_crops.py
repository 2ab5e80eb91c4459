"""Crops: one scale a video, the anchor at the middle, pixels that move with the landmarks."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import geometry
from pipeline.decode import Colour, Frame, read_frames
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.preparing import crops
from pipeline.preparing.regions import Box, keep_region

VIDEO = Colour("bt709", full_range=False, chroma_left=True)
SIZE = 224


def a_face(centre: tuple[float, float], width: float) -> np.ndarray:
    """68 points spread like a face: jaw ends `width` apart, nose tip at `centre`, eyes above, chin below."""
    random = np.random.default_rng(3)
    points = random.uniform((-0.45, -0.5), (0.45, 0.6), (68, 2))
    points[geometry.JAW_RIGHT], points[geometry.JAW_LEFT] = (-0.5, -0.2), (0.5, -0.2)
    points[geometry.NOSE_TIP] = (0, 0)
    points[geometry.EYE_OUTER_RIGHT], points[geometry.EYE_OUTER_LEFT] = (-0.3, -0.3), (0.3, -0.3)
    return (points * width + centre).astype(np.float32)


def a_frame(luma: np.ndarray, u: int = 128, v: int = 128) -> Frame:
    half = ((luma.shape[0] + 1) // 2, (luma.shape[1] + 1) // 2)
    return Frame(0, 0.0, luma, np.full(half, u, np.uint8), np.full(half, v, np.uint8), VIDEO)


def scale_of(faces: np.ndarray, centre: str, face_fraction: float) -> float:
    return crops.crop_scale(geometry.face_width(faces), crops.reach(faces, centre), face_fraction, SIZE)


def crop_of(frame: Frame, transform: np.ndarray) -> np.ndarray:
    return crops.cut(keep_region(frame, crops.source_box(transform, SIZE)), transform, SIZE)


@pytest.mark.parametrize("centre", ["nose", "eyes"])
def test_the_anchor_is_at_the_middle_to_half_a_pixel(centre: str) -> None:
    landmarks = a_face((301.3, 207.9), 180)
    scale = scale_of(landmarks[None], centre, 0.6)
    transform = crops.crop_transform(landmarks, scale, centre, SIZE)
    anchor = geometry.apply_affine(transform, crops.CENTRES[centre](landmarks))
    for middle in (111.5, 112.0):  # of pixel centres, and of pixel numbers
        assert np.abs(anchor - middle).max() < 0.5


def test_scale_makes_the_face_the_asked_share_of_the_width() -> None:
    faces = np.stack([a_face((100 + i, 90), width) for i, width in enumerate((100, 120, 110, 500, 111))])
    widths = geometry.face_width(faces)
    near, far = np.full(5, 60, np.float32), np.full(5, 300, np.float32)
    assert crops.crop_scale(widths, near, 0.5, SIZE) == pytest.approx(0.5 * SIZE / 111, rel=1e-3)
    assert crops.crop_scale(widths, far, 0.5, SIZE) == pytest.approx(crops.ROOM * SIZE / 2 / 300, rel=1e-3)


@pytest.mark.parametrize("centre", ["nose", "eyes"])
def test_all_landmarks_find_room(centre: str) -> None:
    faces = np.stack([a_face((400, 300), width) for width in np.linspace(150, 165, 40)])
    scale = scale_of(faces, centre, 0.6)
    for face in faces:
        inside = geometry.apply_affine(crops.crop_transform(face, scale, centre, SIZE), face)
        assert inside.min() > 0
        assert inside.max() < SIZE - 1


@pytest.mark.parametrize("scale", [0.22, 0.37, 0.5, 1.0, 1.6])
def test_pixels_move_with_the_transform(scale: float) -> None:
    """A smooth ramp tells for every crop pixel which source position it shows."""
    y, x = np.mgrid[:900, :1200].astype(np.float32)
    for ramp, axis in ((x, 0), (y, 1)):
        luma = np.clip(16 + (ramp - ramp.mean()) * 0.35 + 110, 16, 235)
        transform = np.array([[scale, 0, 111.75 - scale * 611.3], [0, scale, 111.75 - scale * 442.8]], np.float32)
        picture = crop_of(a_frame(np.rint(luma).astype(np.uint8)), transform).astype(np.float64)[..., 1]
        grid = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1)
        source = geometry.apply_affine(cv2.invertAffineTransform(transform), grid)[..., axis]
        level = 16 + (source - ramp.mean()) * 0.35 + 110
        middle = (level > 30) & (level < 220)
        error = (picture - (level - 16) * 255 / 219)[middle]
        shift = abs(error.mean()) / (0.35 * 255 / 219)  # in source pixels
        assert shift < 0.5
        assert shift * scale < 0.5


def test_a_dot_lands_where_the_transform_says() -> None:
    luma = np.full((700, 900), 16, np.uint8)
    luma[340:351, 520:531] = 235  # centre (525, 345)
    transform = np.array([[0.5, 0, 111.75 - 0.5 * 511.4], [0, 0.5, 111.75 - 0.5 * 339.2]], np.float32)
    picture = crop_of(a_frame(luma), transform).astype(np.float64).sum(-1)
    y, x = np.mgrid[:SIZE, :SIZE]
    found = np.array([(x * picture).sum(), (y * picture).sum()]) / picture.sum()
    np.testing.assert_allclose(found, geometry.apply_affine(transform, [525, 345]), atol=0.05)


def test_fine_detail_does_not_alias() -> None:
    stripes = np.tile(np.array([16, 235], np.uint8), (800, 450))
    transform = np.array([[0.3, 0, 111.75 - 0.3 * 450], [0, 0.3, 111.75 - 0.3 * 400]], np.float32)
    assert crop_of(a_frame(stripes), transform).std() < 8


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "unknown"])
@pytest.mark.parametrize("full_range", [False, True])
def test_black_white_and_grey_stay_neutral(matrix: str, full_range: bool) -> None:
    to_rgb = crops.yuv_to_rgb(Colour(matrix, full_range, True))
    low, high = (0, 255) if full_range else (16, 235)
    np.testing.assert_allclose(to_rgb @ [low, 128, 128, 1], 0, atol=1e-9)
    np.testing.assert_allclose(to_rgb @ [high, 128, 128, 1], 255, atol=1e-9)


def test_red_in_bt709_by_the_standards_definition() -> None:
    kr = 0.2126
    y, v = 16 + 219 * kr, 128 + 224 * 0.5
    u = 128 + 224 * (-kr / (2 * (1 - 0.0722)))
    np.testing.assert_allclose(crops.yuv_to_rgb(VIDEO) @ [y, u, v, 1], [255, 0, 0], atol=1e-6)


def test_chroma_reaches_the_crop() -> None:
    picture = crop_of(a_frame(np.full((400, 400), 100, np.uint8), u=90, v=180), _about((200, 200), 0.7))
    expected = crops.yuv_to_rgb(VIDEO) @ [100, 90, 180, 1]
    assert np.abs(picture - np.clip(np.rint(expected), 0, 255)).max() <= 1


def _about(centre: tuple[float, float], scale: float) -> np.ndarray:
    return np.array([[scale, 0, 111.75 - scale * centre[0]], [0, scale, 111.75 - scale * centre[1]]], np.float32)


@pytest.mark.parametrize("centre", [(-200.0, 90.0), (90.0, -200.0), (0.0, 0.0), (399.0, 299.0), (900.0, 700.0)])
def test_outside_the_picture_its_border_is_replicated(centre: tuple[float, float]) -> None:
    luma = np.full((300, 400), 126, np.uint8)
    picture = crop_of(a_frame(luma), _about(centre, 1.0))
    assert picture.shape == (SIZE, SIZE, 3)
    assert (picture == 128).all()


def test_padding_by_hand() -> None:
    assert crops.padding_fraction(_about((400, 300), 1.0), SIZE, 800, 600) == 0
    left_half_out = np.array([[1, 0, 112], [0, 1, 112 - 300]], np.float32)  # the picture's edge, -0.5, is the middle
    assert crops.padding_fraction(left_half_out, SIZE, 800, 600) == pytest.approx(0.5, abs=1e-6)
    assert crops.padding_fraction(_about((-900, 300), 1.0), SIZE, 800, 600) == 1


def test_a_region_that_covers_gives_the_pixels_of_a_fresh_one() -> None:
    luma = np.random.default_rng(0).integers(16, 235, (500, 700), np.uint8)
    frame, transform = a_frame(luma), _about((391.7, 133.1), 0.43)
    box = crops.source_box(transform, SIZE)
    generous = Box(box.left - 36, box.top - 20, box.right + 14, box.bottom + 8)
    wide = crops.cut(keep_region(frame, generous), transform, SIZE)
    assert np.array_equal(wide, crop_of(frame, transform))


def test_the_likely_box_covers_the_crop_of_a_steady_video() -> None:
    faces = np.stack([a_face((400, 300), width) for width in np.linspace(150, 170, 30)])
    scale = scale_of(faces, "nose", 0.6)
    for face in faces:
        needed = crops.source_box(crops.crop_transform(face, scale, "nose", SIZE), SIZE)
        assert crops.likely_box(face, "nose", crops.likely_half(face, "nose", 0.6)).contains(needed)


MATRICES = {"bt709": "bt709", "smpte170m": "smpte170m", "bt2020nc": "bt2020"}  # ours, and as ffmpeg's scaler calls them
COLOURS = ("703820", "d0a890", "303848", "90b070")
LAYOUTS = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("levels", ["tv", "pc"])
@pytest.mark.parametrize("matrix", MATRICES)
def test_colours_of_crops_are_within_a_level_of_ffmpegs(
    matrix: str, levels: str, layout: str, make_video: Callable[..., Path]
) -> None:
    """In the midst of four stripes: how chroma is interpolated at edges is another matter."""
    stripes = [f"color=0x{colour}:size=56x224:rate=25:duration=0.04" for colour in COLOURS]
    source = ",".join(stripes[:1]) + "".join(f"[s{n}];{stripe}" for n, stripe in enumerate(stripes[1:]))
    source += "[s3];" + "".join(f"[s{n}]" for n in range(4)) + "hstack=4"
    scale = f"scale=out_color_matrix={MATRICES[matrix]}:out_range={levels}"
    tags = f"setparams=colorspace={matrix}:range={levels}"
    path = make_video(f"colours_{matrix}_{levels}_{layout}.mkv", "-vf", f"{scale},format={layout},{tags}",
                      "-c:v", "ffv1", "-color_range", levels, source=source)  # fmt: skip
    (frame,) = read_frames(path)
    assert (frame.colour.matrix, frame.colour.full_range) == (matrix, levels == "pc")
    ours = crop_of(frame, np.eye(2, 3, dtype=np.float32)).astype(int)
    back = f"scale=in_color_matrix={MATRICES[matrix]}:in_range={levels}:flags=bilinear+accurate_rnd+full_chroma_int"
    command = [ffmpeg_path(), "-v", "error", "-i", path, "-vf", back, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    difference = (ours - np.frombuffer(raw, np.uint8).reshape(ours.shape)).reshape(224, 4, 56, 3)[:, :, 8:48]
    assert np.abs(difference).max() <= (3 if "10le" in layout else 1)  # ten bits are dithered to eight
