"""Head scores by their definitions, pose by projected heads, and videos that are left out for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.corpora import Source
from pipeline.errors import InputError
from pipeline.preparing.scores import POSE_MODEL, POSE_POINTS, demands, head_scores, pose
from pipeline.preparing.video import prepare_video, work_files
from pipeline.result import SCORE_COLUMNS
from pipeline.settings import Settings
from pipeline.track import Track


def head(pitch: float, yaw: float, roll: float, place: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """(68, 2) pixels of a 640x480 picture; the points that pose is not measured on at the nose."""
    x, y, z = np.radians([pitch, -yaw, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    turn = cv2.Rodrigues(about_z @ about_y @ about_x)[0]
    camera = np.array([[640, 0, 319.5], [0, 640, 239.5], [0, 0, 1.0]])
    seen = cv2.projectPoints(POSE_MODEL, turn, np.array([*place, 2000.0]), camera, None)[0][:, 0]
    points = np.repeat(seen[:1], 68, axis=0)
    points[list(POSE_POINTS)] = seen
    return points


@pytest.mark.parametrize("angles", [(0, 0, 0), (20, 0, 0), (-25, 5, 0), (0, 40, 0), (0, -40, 10), (10, 15, -30)])
@pytest.mark.parametrize("place", [(0.0, 0.0), (300.0, -200.0)])
def test_pose_of_a_projected_head(angles: tuple[float, float, float], place: tuple[float, float]) -> None:
    np.testing.assert_allclose(pose(head(*angles, place), (640, 480)), angles, atol=0.05)


def test_signs_of_the_angles() -> None:
    """The nose goes down with pitch and to the picture's right with yaw; roll above 0 lowers the right eye's side."""

    def ahead(points: np.ndarray) -> np.ndarray:
        return points[30] - points[[36, 45, 48, 54]].mean(0)

    straight = ahead(head(0, 0, 0))
    assert ahead(head(20, 0, 0))[1] > straight[1] + 5
    assert ahead(head(0, 20, 0))[0] > straight[0] + 5
    rolled = head(0, 0, 20)
    assert rolled[45, 1] > rolled[36, 1]


def track_of(landmarks: np.ndarray, **changes: object) -> Track:
    count = len(landmarks)
    track = Track(
        fps=25.0, jumps=(), notes=(), warnings=(),
        frame_index=np.arange(count, dtype=np.int32), pts_seconds=np.arange(count) / 25,
        sizes=np.full((count, 2), (640, 480), np.int32), damage=np.zeros(count, np.int8),
        landmarks=landmarks.astype(np.float32), score=np.ones(count, np.float32),
        faces=np.ones(count, np.int32), person=np.zeros(count, np.int32),
    )  # fmt: skip
    return replace(track, **changes)


def test_scores_by_hand() -> None:
    """Three frames: the head turns by 10 degrees, then moves by 4.8 pixels to the right."""
    turned = head(0, 10, 0)
    found = head_scores(track_of(np.stack([head(0, 0, 0), turned, turned + np.array([4.8, 0])])))
    first = np.linalg.norm(turned - head(0, 0, 0), axis=1).mean() / 480 * 100
    assert found["movement_min"] == pytest.approx(100 - max(first, 1), abs=0.01)
    assert found["movement_mean"] == pytest.approx(100 - (first + 1) / 2, abs=0.01)
    assert found["orientation_min"] == pytest.approx(100 - 10 / 1.8, abs=0.05)
    assert found["rotation_min"] == pytest.approx(90, abs=0.1)
    assert found["completeness_min"] == 100
    box = np.ptp(turned, axis=0)
    assert found["resolution_min"] == pytest.approx(min(30 * 100 * box[0] * box[1] / (640 * 480), 100), rel=0.1)
    assert found["consistency"] == 100


def test_what_lies_outside_and_who_else_is_there() -> None:
    points = np.repeat(head(0, 0, 0)[None], 6, axis=0)
    points[2, 48:, 1] += 400  # the mouth below the picture
    faces = np.array([1, 2, 0, 1, 1, 1], np.int32)
    found = head_scores(track_of(points, faces=faces))
    assert (found["completeness_min"], found["consistency"]) == (70, 60)
    assert found["completeness_mean"] == pytest.approx((5 * 100 + 70) / 6, abs=0.01)
    assert head_scores(track_of(np.full((3, 68, 2), np.nan))) == {}


def test_frames_apart_are_no_movement() -> None:
    points = np.repeat(head(0, 0, 0)[None], 5, axis=0)
    points[3:] += 50
    points[2] = np.nan
    assert head_scores(track_of(points))["movement_min"] == 100


def test_demands() -> None:
    found = demands(" orientation_min >= 30, movement_mean>80.5,")
    assert [tuple(each) for each in found] == [("orientation_min", ">=", 30), ("movement_mean", ">", 80.5)]
    assert found[0].unmet({"orientation_min": 30}) == ""
    assert found[1].unmet({"movement_mean": 80.5}) == "movement_mean is 80.5, not > 80.5"
    assert found[1].unmet({}) == "movement_mean is not known, not > 80.5"
    for text in ("beauty >= 3", "orientation_min", "orientation_min >= much"):
        with pytest.raises(InputError, match="--require must be conditions such as"):
            demands(text)


def test_a_video_below_what_is_required_is_left_out(sample_root: Path, tmp_path: Path) -> None:
    drawn = sorted((sample_root / "volunteers").rglob("*.mp4"))[0].relative_to(sample_root).as_posix()
    source = Source(drawn, "a", "train")
    settings = Settings(storage="raw", scores=True)
    result = prepare_video(sample_root, source, settings, tmp_path, None)
    assert result.status == "ok"
    assert set(result.scores) == {name for name in SCORE_COLUMNS if not name.startswith("sound_")}
    assert all(0 <= value <= 255 for value in result.scores.values())
    assert result.scores["orientation_mean"] > 85
    assert result.scores["consistency"] == 100
    wanting = replace(settings, require="orientation_mean >= 99.9")
    left_out = prepare_video(sample_root, source, wanting, tmp_path, None)
    assert left_out.status == "failed"
    assert left_out.error.startswith("required: orientation_mean is ")
    assert not work_files(tmp_path, source, wanting).shard.exists()
    assert not left_out.is_transient
