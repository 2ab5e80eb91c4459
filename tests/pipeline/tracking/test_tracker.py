"""The tracker on drawn faces, in the situations that lose or mislead trackers, against dlib on every frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from pipeline.decode import read_frames
from pipeline.geometry import NOSE_TIP, eye_distance
from pipeline.tracking import NO_FACE, FaceObservation, FaceTracker, TrackSettings
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.tracking.plain import PlainDetector

Luma = npt.NDArray[np.uint8]
Clip = list[Luma]

NOSE_IS_HERS = 0.5  # a landmark frame belongs to a speaker if the nose is within half an eye distance of hers


@pytest.fixture(scope="module")
def clips(sample_root: Path) -> list[Clip]:
    """One clip of each of the first two speakers: 15 frames of 480x640 luma."""
    paths = sorted(sample_root.glob("volunteers/*/Clips/straightcam/*.mp4"))
    return [[frame.y.copy() for frame in read_frames(path)] for path in (paths[0], paths[-1])]


def track(frames: Sequence[Luma], settings: TrackSettings | None = None) -> list[FaceObservation]:
    tracker = FaceTracker(settings or TrackSettings(), landmark_model_path())
    return [tracker.observe(luma) for luma in frames]


def plain(frames: Sequence[Luma], upsample: int = 0) -> list[FaceObservation]:
    detector = PlainDetector(landmark_model_path(), upsample)
    return [detector.observe(luma) for luma in frames]


def landmarks(seen: FaceObservation) -> npt.NDArray[np.float32]:
    assert seen.landmarks is not None
    assert seen.drop is None
    return seen.landmarks


def gap(a: FaceObservation, b: FaceObservation) -> float:
    """Mean landmark difference, in units of `b`'s eye distance."""
    distances = np.linalg.norm(landmarks(a) - landmarks(b), axis=1)
    return float(distances.mean() / eye_distance(landmarks(b)))


def nose(seen: FaceObservation) -> npt.NDArray[np.float32]:
    return np.asarray(landmarks(seen)[NOSE_TIP], np.float32)


def backdrop(height: int, width: int) -> Luma:
    """A smooth, faceless picture."""
    rows, columns = np.mgrid[:height, :width]
    return np.asarray(90 + 30 * np.sin(columns / 97) + 20 * np.cos(rows / 61), np.uint8)


def placed(picture: Luma, part: Luma, left: int, top: int) -> Luma:
    """A copy of the picture with a part laid over it, cut at its borders."""
    result = picture.copy()
    columns = np.arange(part.shape[1]) + left
    inside = (columns >= 0) & (columns < picture.shape[1])
    result[top : top + part.shape[0], columns[inside]] = part[:, inside]
    return result


def head(luma: Luma, scale: float = 1.0) -> Luma:
    """The middle of a sample frame, which holds the head, resized."""
    return np.asarray(
        cv2.resize(luma[20:420, 140:500], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )


def test_agrees_with_dlib_on_every_frame_within_dlibs_own_noise(clips: list[Clip]) -> None:
    ours_gap, noise = [], []
    for clip in clips:
        for ours, once, doubled in zip(track(clip), plain(clip), plain(clip, upsample=1), strict=True):
            ours_gap.append(min(gap(ours, once), gap(ours, doubled)))
            noise.append(gap(once, doubled))
    assert np.mean(ours_gap) <= 1.15 * np.mean(noise)


def test_frames_without_a_face_are_dropped_with_the_reason() -> None:
    noise = np.random.default_rng(0)
    frames = [np.full((240, 320), 16, np.uint8), backdrop(240, 320), np.full((240, 320), 235, np.uint8)]
    frames += [noise.integers(0, 256, (240, 320), dtype=np.uint8) for _ in range(4)]
    for seen in track(frames):
        assert seen.landmarks is None
        assert seen.drop == NO_FACE
        assert seen.faces == 0


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (40, 400), (71, 73)])
def test_pictures_smaller_than_a_face_have_none(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0)
    frames = [noise.integers(0, 256, shape, dtype=np.uint8) for _ in range(3)]
    assert [seen.drop for seen in track(frames)] == [NO_FACE] * 3


def test_a_face_that_goes_is_dropped_at_once_and_found_again_at_once(clips: list[Clip]) -> None:
    empty = [backdrop(480, 640)] * 9
    observations = track([*clips[0][:5], *empty, *clips[0][5:10]])
    here = [seen.landmarks is not None for seen in observations]
    assert here == [True] * 5 + [False] * 9 + [True] * 5


def test_a_face_that_comes_late_is_found_where_dlib_finds_it(clips: list[Clip]) -> None:
    frames = [*[backdrop(480, 640)] * 7, *clips[0][:3]]
    assert [seen.drop for seen in track(frames)] == [NO_FACE] * 7 + [None] * 3


def test_a_cut_restarts_the_track(clips: list[Clip]) -> None:
    wide = [placed(backdrop(480, 960), head(luma), 30, 40) for luma in clips[0][:5]]
    other = [placed(255 - backdrop(480, 960), head(luma), 560, 40) for luma in clips[1][:5]]
    frames = wide + other
    for ours, reference in zip(track(frames), plain(frames), strict=True):
        assert gap(ours, reference) < 0.04


def test_a_leap_is_followed(clips: list[Clip]) -> None:
    frames = [placed(backdrop(480, 960), head(luma), 30 if i < 5 else 560, 40) for i, luma in enumerate(clips[0][:9])]
    for ours, reference in zip(track(frames), plain(frames), strict=True):
        assert gap(ours, reference) < 0.04


def test_fast_motion_is_followed(clips: list[Clip]) -> None:
    lefts = [30, 90, 170, 260, 360, 470, 540, 500, 400, 280, 150, 60]
    frames = [placed(backdrop(480, 960), head(clips[0][i]), left, 40) for i, left in enumerate(lefts)]
    for ours, reference in zip(track(frames), plain(frames), strict=True):
        assert gap(ours, reference) < 0.04


def test_somebody_passing_beside_does_not_take_over(clips: list[Clip]) -> None:
    main = placed(backdrop(480, 1200), head(clips[0][0]), 400, 40)
    alone = nose(track([main])[0])
    frames = [
        placed(main, head(clips[1][i % 15], 0.8), left, 60) for i, left in enumerate([20, 40, 60, 80, 100, 110] * 2)
    ]
    observations = track([main, *frames])
    assert all(np.linalg.norm(nose(seen) - alone) < 10 for seen in observations)


def test_somebody_passing_in_front_does_not_take_over(clips: list[Clip]) -> None:
    main = placed(backdrop(480, 1200), head(clips[0][0]), 400, 40)
    eyes = float(eye_distance(landmarks(track([main])[0])))
    alone = nose(track([main])[0])
    lefts = [*range(-300, 0, 60), *range(0, 1250, 40)]
    frames = [main] * 3 + [placed(main, head(clips[1][i % 15]), left, 40) for i, left in enumerate(lefts)] + [main] * 3
    observations = track(frames)
    followed = [seen for seen in observations if seen.landmarks is not None]
    assert all(np.linalg.norm(nose(seen) - alone) < NOSE_IS_HERS * eyes for seen in followed)
    assert all(seen.landmarks is not None for seen in observations[:7] + observations[-3:])
    assert len(followed) > len(frames) / 2


def test_the_larger_of_two_faces_is_the_main_one_and_both_are_counted(clips: list[Clip]) -> None:
    frame = placed(placed(backdrop(480, 960), head(clips[0][0], 0.6), 60, 100), head(clips[1][0]), 500, 40)
    seen = track([frame])[0]
    assert nose(seen)[0] > 500
    assert seen.faces == 2


@pytest.mark.parametrize(("scale", "eyes_at_most"), [(0.35, 40), (0.25, 28)])
def test_small_faces_in_a_large_picture_are_found_on_the_first_frame(
    clips: list[Clip], scale: float, eyes_at_most: float
) -> None:
    frames = [placed(backdrop(720, 1280), head(luma, scale), 700 + 2 * i, 300) for i, luma in enumerate(clips[0][:6])]
    for ours, reference in zip(track(frames), plain(frames, upsample=1), strict=True):
        assert eye_distance(landmarks(ours)) < eyes_at_most
        assert gap(ours, reference) < 0.06


def test_the_same_frames_give_the_same_landmarks_whatever_follows(clips: list[Clip]) -> None:
    whole, again, first = track(clips[0]), track(clips[0]), track(clips[0][:8])
    for a, b in zip(whole, again, strict=True):
        np.testing.assert_array_equal(landmarks(a), landmarks(b))
    for a, b in zip(whole[:8], first, strict=True):
        np.testing.assert_array_equal(landmarks(a), landmarks(b))


def test_rows_may_be_apart_in_memory_and_are_left_as_they_were(clips: list[Clip]) -> None:
    store = np.zeros((480, 704), np.uint8)
    store[:, 32:672] = clips[0][0]
    before = store.copy()
    seen = track([store[:, 32:672]])[0]
    np.testing.assert_array_equal(landmarks(seen), landmarks(track([clips[0][0]])[0]))
    np.testing.assert_array_equal(store, before)


def test_the_detector_rests_while_a_face_is_calm(clips: list[Clip]) -> None:
    tracker = FaceTracker(TrackSettings(detect_every=6), landmark_model_path())
    looked = 0
    around = tracker._detector.around

    def counted(*arguments: object, **options: object) -> object:
        nonlocal looked
        looked += 1
        return around(*arguments, **options)  # type: ignore[arg-type]

    tracker._detector.around = counted  # type: ignore[method-assign, assignment]
    for _ in range(25):
        assert tracker.observe(clips[0][0]).landmarks is not None
    assert 4 <= looked <= 6  # every sixth frame; one more where a box that was learnt lies on a hair


def test_other_pictures_than_luma_are_refused() -> None:
    tracker = FaceTracker(TrackSettings(), landmark_model_path())
    with pytest.raises(ValueError, match=r"must be \(H, W\) uint8, got \(8, 8, 3\)"):
        tracker.observe(np.zeros((8, 8, 3), np.uint8))
