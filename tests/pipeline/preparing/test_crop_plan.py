"""Which frames are kept and why the others are not: the first reason that holds, and every reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pipeline.preparing import crop_plan
from pipeline.preparing.crop_plan import may_settle, plan_crops, settled_scale, steady_sigma
from pipeline.result import DROP_REASONS
from pipeline.settings import Settings
from pipeline.track import AFTER_CORRUPT, CORRUPT, WHOLE, Track

SETTINGS = Settings()
PICTURE = (640, 480)
MIDDLE = (320.0, 240.0)


def a_track(
    widths: Sequence[float],
    centre: tuple[float, float] = MIDDLE,
    sizes: Sequence[tuple[int, int]] | None = None,
    damage: Sequence[int] | None = None,
    person: Sequence[int] | None = None,
) -> Track:
    """Square faces of the given jaw widths; 0 stands for none seen."""
    count = len(widths)
    landmarks = np.full((count, 68, 2), np.nan, np.float32)
    for place, width in enumerate(widths):
        if width:
            landmarks[place] = np.random.default_rng(0).uniform(-0.4, 0.4, (68, 2)) * width + centre
            landmarks[place, 0], landmarks[place, 16] = np.add(centre, (-width / 2, 0)), np.add(centre, (width / 2, 0))
            landmarks[place, 30] = centre
    seen = np.array(widths) > 0
    numbers = np.arange(count)
    return Track(
        fps=25.0,
        jumps=(),
        notes=(),
        warnings=(),
        frame_index=numbers.astype(np.int32),
        pts_seconds=numbers / 25,
        sizes=np.array(sizes or [PICTURE] * count, np.int32),
        damage=np.array(damage or [WHOLE] * count, np.int8),
        landmarks=landmarks,
        score=np.where(seen, 1.0, np.nan).astype(np.float32),
        faces=seen.astype(np.int32),
        person=np.array(person or [0 if face else -1 for face in seen], np.int32),
    )


def drops(**counts: int) -> dict[str, int]:
    return dict.fromkeys(DROP_REASONS, 0) | counts


def test_drops_are_counted_by_reason() -> None:
    plan = plan_crops(a_track([100, 0, 110, 30, 0, 105]), SETTINGS)
    assert plan.kept.tolist() == [0, 2, 5]
    assert plan.drops == drops(no_face=2, too_small=1)
    assert plan.scale == pytest.approx(0.6 * 224 / 105, rel=1e-5)
    assert np.isfinite(plan.transforms[plan.kept]).all()


def test_nothing_to_measure() -> None:
    plan = plan_crops(a_track([0, 30]), SETTINGS)
    assert (plan.scale, len(plan.kept), plan.drops) == (0.0, 0, drops(no_face=1, too_small=1))


def test_crops_beyond_the_picture_are_dropped() -> None:
    cornered = a_track([100, 100], centre=(45, 45))  # all of the face is in the picture
    assert plan_crops(cornered, replace(SETTINGS, max_padding=0.3)).drops == drops(out_of_frame=2)
    assert len(plan_crops(cornered, replace(SETTINGS, max_padding=0.9)).kept) == 2


@pytest.mark.parametrize(
    ("point", "kept"),
    [(57, False), (66, False), (30, False), (36, False), (45, False), (8, True), (0, True), (16, True), (19, True)],
    ids=["lower_lip", "inner_lip", "nose", "eye", "other_eye", "chin", "jaw", "other_jaw", "brow"],
)
@pytest.mark.parametrize("side", [(0, -0.6), (0, 639.6), (1, -0.6), (1, 479.6)], ids=["left", "right", "top", "bottom"])
def test_eyes_nose_and_mouth_must_be_in_the_picture(point: int, kept: bool, side: tuple[int, float]) -> None:
    track = a_track([100, 100])
    axis, place = side
    track.landmarks[1, point, axis] = place
    plan = plan_crops(track, replace(SETTINGS, max_padding=1.0))
    assert plan.drops == (drops() if kept else drops(out_of_frame=1))
    assert np.isfinite(plan.transforms[1]).all() == kept
    track.landmarks[1, point, axis] = max(np.floor(place), 0)  # the outermost pixel
    assert len(plan_crops(track, replace(SETTINGS, max_padding=1.0)).kept) == 2


def test_faces_outside_do_not_decide_the_scale() -> None:
    track = a_track([100, 300, 300])
    track.landmarks[1:, 57, 1] = 500
    assert plan_crops(track, SETTINGS).scale == pytest.approx(0.6 * 224 / 100, rel=1e-5)


def test_each_frame_is_seen_in_a_picture_of_its_own_shape() -> None:
    upright = a_track([100, 100], centre=(200, 560), sizes=[(640, 480), (360, 640)])
    assert plan_crops(upright, SETTINGS).drops == drops(out_of_frame=1)
    assert plan_crops(upright, SETTINGS).kept.tolist() == [1]


def test_the_main_person_is_kept_unless_all_are_wanted() -> None:
    track = a_track([100, 100, 150, 150, 0, 100], person=[0, 0, 1, 2, -1, 0])
    plan = plan_crops(track, SETTINGS)
    assert plan.drops == drops(no_face=1, other_person=2)
    assert plan.scale == pytest.approx(0.6 * 224 / 100, rel=1e-5)
    assert plan_crops(track, replace(SETTINGS, scenes="keep")).drops == drops(no_face=1)


def test_corrupt_frames_are_dropped_and_those_after_them_unless_wanted() -> None:
    track = a_track([100, 0, 100, 100], damage=[WHOLE, CORRUPT, AFTER_CORRUPT, WHOLE])
    assert plan_crops(track, SETTINGS).drops == drops(corrupt=2)
    assert plan_crops(track, replace(SETTINGS, after_damage="keep")).drops == drops(corrupt=1)


def test_smoothing_does_not_blend_people() -> None:
    track = a_track([100] * 6, person=[0, 0, 0, 1, 1, 1])
    track.landmarks[3:] += 10  # too little for a leap
    apart = plan_crops(track, replace(SETTINGS, smooth_landmarks=2.0)).landmarks
    np.testing.assert_allclose(apart, track.landmarks, atol=1e-4)
    together = plan_crops(track, replace(SETTINGS, smooth_landmarks=2.0, scenes="keep")).landmarks
    assert np.abs(together - track.landmarks).max() > 1


def trembling(count: int, noise: float, speed: float = 0.0) -> np.ndarray:
    """(count, 68, 2): a face of a hundred pixels that trembles, and swings by `speed` pixels a frame at most."""
    dice = np.random.default_rng(5)
    face = dice.uniform(-50, 50, (68, 2))
    face[0], face[16] = (-50, 0), (50, 0)
    swing = np.stack([speed * 8 * np.sin(np.arange(count) / 8), np.zeros(count)], 1)
    return (200 + face + dice.normal(0, noise, (count, 1, 2)) + swing[:, None]).astype(np.float32)


def test_crops_are_steadied_as_much_as_they_tremble() -> None:
    """By `--smooth-centres auto`: not at all where all is still, more where it trembles, less where the head moves."""
    still, shaky, shakier = (steady_sigma(trembling(200, noise), 1.3, "nose") for noise in (0.01, 0.2, 0.6))
    assert (still, shaky) == (0, 1)
    assert shakier > shaky
    assert steady_sigma(trembling(200, 0.6, speed=20.0), 1.3, "nose") < shakier
    assert steady_sigma(np.full((9, 68, 2), np.nan, np.float32), 1.3, "nose") == 0


def test_the_first_faces_settle_the_scale_if_the_others_are_about_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crop_plan, "SETTLING_FACES", 5)
    first, scales = [0, 98, 20, 100, 101, 30, 102, 103], {width: 0.6 * 224 / width for width in (101, 104, 106)}
    damage = [WHOLE] * 40 + [CORRUPT]
    steady, nearer = ([*first, *[width] * 33] for width in (104, 106))
    assert plan_crops(a_track(steady, damage=damage), SETTINGS).scale == pytest.approx(scales[101], rel=1e-5)
    assert plan_crops(a_track(nearer, damage=damage), SETTINGS).scale == pytest.approx(scales[106], rel=1e-5)
    for widths in (steady, nearer):  # told before the others are seen
        assert settled_scale(a_track(widths[:8]), SETTINGS) == plan_crops(a_track(steady), SETTINGS).scale
    assert settled_scale(a_track(first[:7]), SETTINGS) is None
    assert settled_scale(a_track([*first[:7], 0, 103], person=[-1, 0, 0, 0, 1, 0, 0, -1, 0]), SETTINGS) is None


def test_no_scale_settles_where_later_frames_move_earlier_crops() -> None:
    assert may_settle(SETTINGS)
    for changes in ({"smooth_landmarks": 1.0}, {"smooth_centres": 1.0}, {"smooth_centres": -1.0}):
        assert not may_settle(replace(SETTINGS, **changes))  # type: ignore[arg-type]


def test_a_video_of_no_more_faces_than_settle_it_has_the_scale_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = [100, 100, 100, 101, 101, 101, 101]
    monkeypatch.setattr(crop_plan, "SETTLING_FACES", 7)
    assert plan_crops(a_track(widths), SETTINGS).scale == pytest.approx(0.6 * 224 / 101, rel=1e-5)
    monkeypatch.setattr(crop_plan, "SETTLING_FACES", 5)
    assert plan_crops(a_track(widths), SETTINGS).scale == pytest.approx(0.6 * 224 / 100, rel=1e-5)
