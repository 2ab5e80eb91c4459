"""The sample corpus: its truth is where the pixels are, its files are TCD-TIMIT's, and it survives interruption."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest

from pipeline.corpora import scan_timit
from pipeline.decode import read_frames
from pipeline.errors import BuildError, InputError
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.files import sha256_of
from pipeline.sample import NAMED, __main__, corpus, random_speaker, speaker_sheet, write_sample_corpus
from pipeline.sample.corpus import plan_corpus, write_clip
from pipeline.sample.landmarks import FaceState, face_landmarks, jaw_drop, mouth_openness, move_jaw
from pipeline.sample.pose import Pose, undo_jaw
from pipeline.sample.renderer import render, studio
from pipeline.tracking.landmark_model import landmark_model_path

SMALL = {"speakers": 2, "clips": 2, "seconds": 1.6, "fps": 20, "size": (640, 480), "seed": 3}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("sample")
    return root, write_sample_corpus(root, **SMALL)


def truth_of(root: Path, clip: Path):
    with np.load((root / "truth" / clip.relative_to(root)).with_suffix(".npz")) as stored:
        return dict(stored)


def tiny_plan(seed: int = 0):
    return plan_corpus(speakers=2, clips=1, seconds=1.5, fps=10, size=(320, 240), seed=seed)[0]


def test_layout_is_that_of_tcd_timit_with_both_splits(made):
    root, clips = made
    assert [clip.relative_to(root).as_posix() for clip in clips] == [
        f"volunteers/{speaker}/Clips/straightcam/{sentence}.mp4"
        for speaker in ("01M", "08F")
        for sentence in ("sa1", "sa2")
    ]
    assert {(source.speaker, source.split) for source in scan_timit(root)} == {("01M", "train"), ("08F", "test")}


def test_clips_are_h264_with_sound_and_say_that_they_are_drawn(made):
    _, clips = made
    words = subprocess.run(
        [ffmpeg_path(), "-i", str(clips[0])], capture_output=True, text=True, check=False, timeout=60
    )
    for expected in ("Video: h264", "640x480", "20 fps", "Audio: aac", "Synthetic drawing"):
        assert expected in words.stderr


def test_truth_has_a_row_for_each_frame_and_what_training_needs(made):
    root, clips = made
    for clip in clips:
        frames = sum(1 for _ in read_frames(clip))
        truth = truth_of(root, clip)
        assert truth["landmarks"].shape == (frames, 68, 2)
        assert truth["landmarks"].dtype == truth["openness"].dtype == np.float32
        assert np.allclose(truth["openness"], mouth_openness(truth["landmarks"]), atol=1e-4)
        assert truth["open"].min() < 0.02, "the mouth never shuts"
        assert truth["open"].max() > 0.95, "no wide open vowel"
        closed = np.concatenate([[0], truth["blink"] > 0.95])
        assert np.sum(np.diff(closed.astype(int)) == 1) == 2, "not two blinks"
        assert str(truth["video_sha256"]) == sha256_of(clip)


def test_dlib_finds_every_face_where_the_truth_says(made):
    root, clips = made
    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(landmark_model_path()))
    for speaker in (clips[:2], clips[2:]):
        errors, measured, true = [], [], []
        for clip in speaker:
            landmarks = truth_of(root, clip)["landmarks"]
            for frame in list(read_luma(clip))[::3]:
                index, luma = frame
                boxes = detector(luma, 0)
                assert len(boxes) == 1, f"{clip}: frame {index}"
                found = np.array([(part.x, part.y) for part in predictor(luma, boxes[0]).parts()], float)
                eyes = np.linalg.norm(landmarks[index, 45] - landmarks[index, 36])
                errors.append(np.linalg.norm(found - landmarks[index], axis=1).mean() / eyes)
                measured.append(mouth_openness(found))
                true.append(mouth_openness(landmarks[index]))
        assert np.mean(errors) < 0.03
        assert np.corrcoef(measured, true)[0, 1] > 0.975


def read_luma(clip: Path):
    for frame in read_frames(clip):
        yield frame.index, np.array(frame.y)


@pytest.mark.parametrize(
    "pose", [Pose(320, 225, 106), Pose(300.3, 240.6, 101.5, 0.12, -0.06, 0.04), Pose(342, 218, 114, -0.1)]
)
@pytest.mark.parametrize("state", [FaceState(), FaceState(open=1.0)])
def test_pixels_of_skin_and_eyes_lie_where_the_pose_carries_them(pose, state):
    # Dov's skin is even: a mole and a pupil are dark spots whose place in the face is known
    speaker = dataclasses.replace(NAMED[3], mole=(0.44, 0.60), stubble=0.0)
    frame, landmarks = render(studio(speaker, (640, 480)), state, pose)
    mole = pose.project(move_jaw(np.array([[0.44, 0.60]]), jaw_drop(state)))[0]
    assert np.hypot(*(dark_spot(frame, mole, 5) - mole)) < 0.25
    eye = face_landmarks(speaker, state)[36:42].mean(axis=0)
    pupil = pose.project(eye + np.array([-0.0217, 0.003]))  # the eyeball's centre lies this far from the points' mean
    assert np.hypot(*(dark_spot(frame, pupil, 4) - pupil)) < 0.8
    assert np.allclose(landmarks, pose.project(face_landmarks(speaker, state)))


def dark_spot(frame: np.ndarray, near: np.ndarray, reach: int) -> np.ndarray:
    """The centroid of darkness within `reach` pixels of a place."""
    column, row = np.rint(near).astype(int)
    patch = frame[row - reach : row + reach + 1, column - reach : column + reach + 1].mean(axis=2)
    weight = np.clip(0.5 * (patch.max() + patch.min()) - patch, 0, None)
    rows, columns = np.mgrid[row - reach : row + reach + 1, column - reach : column + reach + 1]
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


def test_teeth_tongue_and_lids_show_only_when_mouth_and_eyes_say_so():
    one = NAMED[0]
    other = dataclasses.replace(one, teeth=(120, 220, 120), tongue=(90, 90, 220), lid=(30, 200, 60), gold_tooth=3)
    pose = Pose(160, 112, 54)
    rendered = [
        [render(studio(speaker, (320, 240)), state, pose)[0].astype(int) for speaker in (one, other)]
        for state in (FaceState(), FaceState(open=0.6), FaceState(blink=1.0))
    ]
    hidden, mouth, lids = (np.abs(first - second).max(axis=2) for first, second in rendered)
    assert hidden.max() == 0
    rows = np.nonzero(mouth > 30)[0]
    assert len(rows) > 40
    assert abs(rows.mean() - (112 + 54 * 0.8)) < 8
    rows = np.nonzero(lids > 30)[0]
    assert len(rows) > 40
    assert abs(rows.mean() - 112) < 5


def test_pose_and_jaw_are_undone_exactly():
    rng = np.random.default_rng(0)
    points = rng.uniform((-1.0, -1.2), (1.0, 1.4), (500, 2))
    pose = Pose(320, 240, 105, 0.12, -0.06, 0.05)
    pixels = pose.project(points)
    x, y = pose.unproject(pixels[:, 0], pixels[:, 1])
    assert np.abs(np.stack([x, y], axis=-1) - points).max() < 1e-3
    moved = move_jaw(points, 0.25)
    assert np.abs(undo_jaw(moved[:, 0], moved[:, 1], 0.25) - points[:, 1]).max() < 1e-3
    assert np.ptp(moved[:, 1] - points[:, 1]) > 0.2


def test_same_arguments_give_the_same_bytes_with_any_number_of_workers(made, tmp_path):
    root, clips = made
    again = write_sample_corpus(tmp_path, **SMALL, workers=2)
    for first, second in zip(clips, again, strict=True):
        assert first.read_bytes() == second.read_bytes()
        one, two = truth_of(root, first), truth_of(tmp_path, second)
        assert one.keys() == two.keys()
        assert all(np.array_equal(one[name], two[name]) for name in one)


def test_the_seed_changes_the_clip_but_not_its_place(tmp_path):
    plans = [tiny_plan(seed) for seed in (0, 1)]
    for plan, root in zip(plans, (tmp_path / "a", tmp_path / "b"), strict=True):
        write_clip(root, plan)
    assert plans[0].name == plans[1].name
    first, second = (truth_of(root, plans[0].video(root)) for root in (tmp_path / "a", tmp_path / "b"))
    assert not np.allclose(first["openness"], second["openness"])
    assert not np.allclose(first["pose"], second["pose"])


def test_a_clip_is_drawn_again_only_when_it_is_not_what_was_asked_for(tmp_path):
    plan = tiny_plan()
    video, truth = plan.video(tmp_path), plan.truth(tmp_path)
    assert write_clip(tmp_path, plan)
    whole = video.read_bytes()
    assert not write_clip(tmp_path, plan)
    video.write_bytes(whole[: len(whole) // 2])
    assert write_clip(tmp_path, plan)
    assert video.read_bytes() == whole
    truth.write_bytes(truth.read_bytes()[:100])
    assert write_clip(tmp_path, plan)
    assert write_clip(tmp_path, dataclasses.replace(plan, fps=12))
    assert video.read_bytes() != whole


def test_a_failure_leaves_no_file_behind(tmp_path, monkeypatch):
    plan = tiny_plan()

    def half_way(path, *_args):
        path.write_bytes(b"half a clip")
        raise BuildError("ffmpeg died")

    monkeypatch.setattr(corpus, "encode", half_way)
    with pytest.raises(BuildError):
        write_clip(tmp_path, plan)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_ffmpegs_own_words_are_reported(tmp_path):
    with pytest.raises(BuildError, match=r"nowhere.*ffmpeg failed.*No such file"):
        corpus.encode(tmp_path / "nowhere" / "a.mp4", iter([np.zeros((240, 320, 3), np.uint8)] * 3), (320, 240), 10,
                      np.zeros(1600, np.int16))  # fmt: skip


def test_clips_of_another_corpus_are_refused_and_kept(made, tmp_path):
    _, clips = made
    stranger = tmp_path / "volunteers/59F/Clips/straightcam/sa1.mp4"
    stranger.parent.mkdir(parents=True)
    shutil.copy(clips[0], stranger)
    with pytest.raises(InputError, match="59F"):
        write_sample_corpus(tmp_path, **SMALL)
    assert stranger.exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"speakers": 1}, "speakers must be 2 to 56, got 1"),
        ({"clips": 0}, "clips must be 1 to"),
        ({"seconds": 0.5}, "seconds must be 1.5"),
        ({"fps": 1000}, "fps must be"),
        ({"size": (641, 480)}, "size must be even, got 641x480"),
        ({"size": (640, 100)}, "height must be 240"),
        ({"seed": -1}, "seed must be 0"),
        ({"workers": 0}, "workers must be"),
    ],
)
def test_arguments_out_of_range_are_named(tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        write_sample_corpus(tmp_path, **{**SMALL, **wrong})
    assert not list(tmp_path.iterdir())


def test_speakers_fit_their_ids_and_all_differ():
    plans = plan_corpus(speakers=56, clips=3, seconds=2, fps=25, size=(640, 480), seed=5)
    speakers = {plan.name.split("/")[1]: plan.speaker for plan in plans}
    assert len(speakers) == len(set(speakers.values())) == 56
    assert all(id_[-1] == speaker.sex for id_, speaker in speakers.items())
    assert set(NAMED) <= set(speakers.values())
    assert len({plan.name for plan in plans}) == len(plans)


def test_random_speakers_follow_their_seed_and_can_be_drawn():
    assert random_speaker(7) == random_speaker(7)
    assert random_speaker(7) != random_speaker(8)
    assert random_speaker(7, "F").sex == "F"
    bare = {speaker.hair_style: speaker for seed in range(60) for speaker in [random_speaker(seed)]}
    assert len(bare) == 8, "not all hair styles occur"
    sheet = speaker_sheet((bare["short"], bare["bun"]), size=(240, 260))
    assert sheet.shape == (2 * 260, 4 * 240, 3)
    assert sheet.dtype == np.uint8
    blurred = cv2.GaussianBlur(sheet.astype(np.float32), (0, 0), 20)
    assert blurred.std() > 15, "the sheet is nearly blank"


def test_command_reports_a_wrong_size_in_one_line(tmp_path, capsys):
    status = __main__.run(__main__._parser(), __main__.main, ["--out", str(tmp_path), "--size", "big"])
    assert status == 1
    assert (
        capsys.readouterr().err == "python -m pipeline.sample: --size must be WIDTHxHEIGHT such as 640x480, got 'big'\n"
    )
