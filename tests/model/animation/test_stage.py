"""Pasting back: the crop itself gives the picture again, outside it not a byte changes, and frames come in order."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.animation.stage import RIM, Stage, paste
from pipeline.decode import PICTURE_COLOUR
from pipeline.errors import InputError
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.preparing import crops
from pipeline.preparing.regions import Box, Region
from pipeline.preparing.tracked_clip import Transform, crop_frames, resized
from pipeline.shards import FRAME_SIZE

HEIGHT, WIDTH = 243, 321


def smooth_picture() -> np.ndarray:
    """Waves of forty pixels and more, so that resampling loses little: (H, W, 3) uint8."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(x / 9 + k) * np.cos(y / 8 - k) + np.sin((x + y) / 30 + 2 * k) for k in range(3)]
    return np.rint(127 + 50 * np.stack(waves, axis=2)).astype(np.uint8)


def cut_colours(picture: np.ndarray, transform: Transform, size: int) -> np.ndarray:
    """What an identity network would give: the pipeline's own crop of each colour."""
    map_ = transform if size == FRAME_SIZE else resized(transform, size)
    box = Box(0, 0, WIDTH, HEIGHT)
    grey = np.full(((HEIGHT + 1) // 2, (WIDTH + 1) // 2), 128, np.uint8)
    planes = np.ascontiguousarray(np.moveaxis(picture, 2, 0))
    cut = [crops.cut(Region(box, plane, grey, grey, PICTURE_COLOUR), map_, size)[..., 0] for plane in planes]
    return np.stack(cut, axis=2)


def at(scale: float, x: float, y: float) -> Transform:
    """A transform of that scale whose crop has its middle at (x, y) of the picture."""
    return np.array([[scale, 0, 111.5 - scale * x], [0, scale, 111.5 - scale * y]], np.float32)


PLACES = [
    pytest.param(at(1.0, 160.0, 120.0), 224, id="pixel for pixel"),
    pytest.param(at(1.37, 170.3, 118.8), 224, id="a small face"),
    pytest.param(at(0.93, 150.6, 121.4), 256, id="a larger network"),
    pytest.param(at(2.5, 60.2, 70.7), 112, id="a smaller network"),
    pytest.param(at(1.2, 40.4, 25.1), 224, id="over the corner"),
    pytest.param(at(0.7, 160.0, 120.0), 224, id="wider than the picture"),
]


@pytest.mark.parametrize(("transform", "size"), PLACES)
def test_the_crop_itself_gives_the_picture_again(transform: Transform, size: int) -> None:
    picture = smooth_picture()
    crop = cut_colours(picture, transform, size)
    error = np.abs(paste(picture, crop, transform).astype(int) - picture)
    assert error.mean() < 0.6
    assert error.max() <= 7
    aside = transform.copy()
    aside[0, 2] += 1.5 * transform[0, 0]  # a pixel and a half of the picture's
    off = np.abs(paste(picture, crop, aside).astype(int) - picture)
    assert off.mean() > 3 * error.mean(), "the geometry is what makes it small"


@pytest.mark.parametrize(("transform", "size"), PLACES)
def test_outside_the_crop_nothing_changes_and_inside_the_result_is_shown(transform: Transform, size: int) -> None:
    picture = smooth_picture()
    white = np.full((size, size, 3), 255, np.uint8)
    before = picture.copy()
    pasted = paste(picture, white, transform)
    assert np.array_equal(picture, before)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    depths = [
        np.minimum(0.5 + along, 223.5 - along) / 224
        for along in (transform[0, 0] * x + transform[0, 2], transform[1, 1] * y + transform[1, 2])
    ]
    depth = np.minimum(*depths)  # from the crop's edge, in its sides
    assert np.array_equal(pasted[depth <= 0], picture[depth <= 0])
    assert (pasted[depth >= RIM + 0.001] == 255).all()
    row = pasted[round(float((111.5 - transform[1, 2]) / transform[1, 1])), :, 0].astype(int)
    assert row.max() == 255
    assert np.abs(np.diff(row)).max() < 160 * transform[0, 0] / (224 * RIM) * 1.6 + 14, "no seam: it fades in"


def test_a_result_of_unequal_sides_covers_the_crop() -> None:
    picture, transform = smooth_picture(), at(1.0, 160.0, 120.0)
    crop = cut_colours(picture, transform, FRAME_SIZE)
    flat = np.asarray(Image.fromarray(crop).resize((FRAME_SIZE, FRAME_SIZE // 2)))
    assert np.abs(paste(picture, flat, transform).astype(int) - picture).mean() < 3


def test_a_crop_beside_the_picture_changes_nothing() -> None:
    picture = smooth_picture()
    white = np.full((64, 64, 3), 255, np.uint8)
    assert np.array_equal(paste(picture, white, at(1.0, -400.0, 120.0)), picture)


def stage_of(seconds: list[float], faceless: tuple[int, ...] = (), path: Path = Path("source.mp4")) -> Stage:
    transforms = np.tile(np.eye(2, 3, dtype=np.float32), (len(seconds), 1, 1))
    transforms[list(faceless)] = np.nan
    return Stage(path, np.array(seconds), transforms)


def test_the_sources_frames_come_in_its_own_time_and_the_last_is_held() -> None:
    stage = stage_of([3.0, 3.1, 3.2, 3.3])
    assert stage.places(10, 4).tolist() == [0, 1, 2, 3]
    assert stage.places(20, 6).tolist() == [0, 0, 1, 1, 2, 2]
    assert stage.places(5, 2).tolist() == [1, 3], "the middle of each moment counts"
    assert stage.places(10, 6).tolist() == [0, 1, 2, 3, 3, 3]
    assert "number 3, is held for 21 frames" in stage.words(10, 25)
    assert "held" not in stage.words(10, 4)


def test_frames_without_a_face_have_the_picture_before_them() -> None:
    assert stage_of([0, 1, 2, 3, 4], faceless=(0, 2)).places(1, 5).tolist() == [1, 1, 1, 3, 4]
    assert stage_of([0, 1, 2], faceless=(1, 2)).places(1, 3).tolist() == [0, 0, 0]


def test_a_videos_pictures_are_as_its_crops_are(tmp_path: Path) -> None:
    """Stage and crops come from the same pixels by the same steps: at whole pixels the crop pastes back exactly."""
    clip = tmp_path / "clip.mkv"
    command = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x242:r=10:d=0.3", str(clip)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    transform = at(1.0, 150.5, 118.5)
    stage = Stage(clip, np.arange(3) / 10, np.repeat(transform[None], 3, axis=0))
    shown = [picture for picture, _ in stage.pictures(10, 4)]
    (_, _, crop) = crop_frames(clip, [0, 1, 2], stage.transforms)
    assert [picture.shape for picture in shown] == [(242, 320, 3)] * 4
    assert np.array_equal(shown[2], shown[3])
    assert not np.array_equal(shown[0], shown[2])
    assert np.array_equal(paste(shown[2], crop, transform), shown[2])


def test_a_source_that_changes_its_size_is_refused(tmp_path: Path) -> None:
    parts = []
    for number, size in enumerate(("320x240", "240x320")):
        parts.append(tmp_path / f"{number}.ts")
        command = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={size}:r=10:d=0.2", str(parts[-1])]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    clip = tmp_path / "turned.ts"
    clip.write_bytes(b"".join(part.read_bytes() for part in parts))
    stage = Stage(clip, np.arange(4) / 10, np.tile(np.eye(2, 3, dtype=np.float32), (4, 1, 1)))
    with pytest.raises(InputError, match=r"turned\.ts: the picture changes its size in frame \d; --paste-back wants"):
        list(stage.pictures(10, 4))


def test_a_photo_is_the_stage_of_every_frame(tmp_path: Path) -> None:
    Image.fromarray(smooth_picture()).save(tmp_path / "photo.png")
    stage = Stage(tmp_path / "photo.png", np.zeros(1), at(1.0, 160, 120)[None])
    shown = [picture for picture, _ in stage.pictures(25, 3)]
    assert [np.array_equal(picture, smooth_picture()) for picture in shown] == [True] * 3
    assert stage.words(25, 3) == "pasted into photo.png"
