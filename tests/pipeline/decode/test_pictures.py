"""A folder of pictures as a clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.content import checksum, pictures_in, stamp_of
from pipeline.decode import PictureReader, picture_planes
from pipeline.errors import VideoError


def draw(folder: Path, name: str, level: int = 128, size: tuple[int, int] = (64, 48)) -> Path:
    folder.mkdir(exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(folder / name)
    return folder / name


def test_pictures_come_in_their_natural_order(tmp_path: Path) -> None:
    names = ["9.png", "10.png", "frame_2.jpg", "frame_10.jpg", "Frame_3.PNG", "meta.txt", "._9.png"]
    for name in names:
        draw(tmp_path, name) if name[-1] in "gG" else (tmp_path / name).touch()
    assert [path.name for path in pictures_in(tmp_path)] == [
        "9.png",
        "10.png",
        "frame_2.jpg",
        "Frame_3.PNG",
        "frame_10.jpg",
    ]


def test_frames_have_numbers_and_times(tmp_path: Path) -> None:
    for number in range(12):
        draw(tmp_path, f"{number}.png", 10 * number)
    with PictureReader(tmp_path, 10, 0.3, 0.6) as reader:
        found = [(frame.index, frame.pts_seconds, int(frame.y[0, 0])) for frame in reader]
    assert found == [(3, 0.3, 30), (4, 0.4, 40), (5, 0.5, 50)]
    assert (reader.width, reader.height, reader.fps) == (64, 48, 10)


def test_colours_and_odd_sizes(tmp_path: Path) -> None:
    picture = np.zeros((5, 7, 3), np.uint8)
    picture[:, :4] = (200, 40, 40)
    Image.fromarray(picture).save(tmp_path / "a.png")
    y, u, v = picture_planes(tmp_path / "a.png")
    assert (y.shape, u.shape, v.shape) == ((5, 7), (3, 4), (3, 4))
    assert abs(int(y[0, 0]) - (0.299 * 200 + 0.587 * 40 + 0.114 * 40)) <= 1
    assert int(v[0, 0]) > 200


def test_a_picture_that_cannot_be_read_is_a_complaint(tmp_path: Path) -> None:
    draw(tmp_path, "0.png")
    (tmp_path / "1.png").write_bytes(b"no picture")
    cut = draw(tmp_path, "2.jpg", size=(640, 480))
    cut.write_bytes(cut.read_bytes()[:900])
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "3.png")
    draw(tmp_path, "4.png")
    with PictureReader(tmp_path, 25) as reader:
        assert [frame.index for frame in reader] == [0, 4]
    assert [Path(error.split(":")[0]).name for error in reader.errors] == ["1.png", "2.jpg", "3.png"]


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="holds no pictures"), PictureReader(tmp_path, 25) as reader:
        list(reader)
    (tmp_path / "1.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"1\.png: cannot be read as a picture"), PictureReader(tmp_path, 25) as reader:
        list(reader)
    with pytest.raises(VideoError, match="no picture from 1 to 2 s"), PictureReader(tmp_path, 25, 1, 2) as reader:
        list(reader)


def test_a_folder_changes_with_its_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    draw(folder, "1.png")
    before = (stamp_of(folder), checksum(folder))
    (folder / "notes.txt").touch()
    assert (stamp_of(folder), checksum(folder)) == before
    draw(folder, "1.png", 129)
    after = (stamp_of(folder), checksum(folder))
    assert after[0] != before[0]
    assert after[1] != before[1]
    (folder / "1.png").rename(folder / "2.png")
    assert checksum(folder) != after[1]
