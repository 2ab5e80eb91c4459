"""The sample corpus on disk: TCD-TIMIT's layout, and the exact ground truth of every clip beside it."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np

from pipeline import log
from pipeline.corpora.timit import published_volunteers
from pipeline.errors import InputError
from pipeline.files import atomic_write, sha256_of
from pipeline.sample.encode import encode
from pipeline.sample.landmarks import FaceState, Points, mouth_openness
from pipeline.sample.motion import Performance, perform
from pipeline.sample.renderer import Frame, Studio, render, studio
from pipeline.sample.speakers import NAMED, Sex, Speaker, random_speaker
from pipeline.sample.voice import synthesise

DRAWING = 1
"""Raised when the drawing changes, so that clips of older versions are drawn anew."""

_SMALLEST = 240  # pixels: below this the drawn faces are too small for dlib


@dataclass(frozen=True)
class ClipPlan:
    """Everything that decides a clip's bytes, and where it goes: `name` is its path without suffix, POSIX."""

    name: str
    speaker: Speaker
    sentence: tuple[int, ...]
    take: tuple[int, ...]
    frames: int
    fps: float
    size: tuple[int, int]

    @property
    def settings(self) -> str:
        """What must agree for a clip already there to be kept."""
        return json.dumps({"drawing": DRAWING, **asdict(self)}, sort_keys=True)

    def video(self, root: Path) -> Path:
        """The clip below a corpus root."""
        return root / f"{self.name}.mp4"

    def truth(self, root: Path) -> Path:
        """Its ground truth."""
        return root / "truth" / f"{self.name}.npz"


def write_sample_corpus(
    root: str | Path,
    speakers: int = 8,
    clips: int = 4,
    seconds: float = 2.5,
    fps: float = 25,
    size: tuple[int, int] = (640, 480),
    seed: int = 0,
    workers: int = 1,
) -> list[Path]:
    """Draw the sample corpus, or what is missing of it, and return its clips in order.

    Clips are `volunteers/<id>/Clips/straightcam/<sentence>.mp4`; about a quarter of the speakers, at least one, has an
    id of the test split. `truth/` holds an .npz for each under the same path: `landmarks` (n, 68, 2) float32 in
    source pixels with pixel centres at integers, `openness` (n,) float32, the pixels between points 52 and 58, the
    states (`open`, `wide`, `tuck`, `tongue`, `blink`, `brow` (n,), `gaze` (n, 2)) and poses (`pose` (n, 6): x, y,
    scale, yaw, pitch, roll) behind them, `settings` and the clip's `video_sha256`.

    The same arguments give the same bytes, whatever `workers` is. A clip that is complete and was made with the same
    settings is kept; a file at its final path is always complete.

    Args:
        speakers: 2 to 56; the first eight are the named ones, as far as their sex fits the id.
        seconds: length of a clip, at least 1.5.
        size: (width, height), even, at least 240.
        workers: processes; each draws whole speakers.

    Raises:
        InputError: an argument is out of range, or `root` holds clips of another corpus.
        BuildError: ffmpeg failed.
    """
    root = Path(root)
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    plans = plan_corpus(speakers, clips, seconds, fps, size, seed)
    _refuse_other_clips(root, plans)
    by_speaker = [plans[i : i + clips] for i in range(0, len(plans), clips)]
    with log.progress(what="drawing the sample corpus", total=len(plans), unit="clips", delay=1) as bar:
        if workers == 1:
            for plan in plans:
                write_clip(root, plan)
                bar.update()
        else:
            jobs = (joblib.delayed(_write_clips)(root, mine) for mine in by_speaker)
            for done in joblib.Parallel(n_jobs=workers, return_as="generator_unordered")(jobs):
                bar.update(done)
    return [plan.video(root) for plan in plans]


def plan_corpus(
    speakers: int, clips: int, seconds: float, fps: float, size: tuple[int, int], seed: int
) -> list[ClipPlan]:
    """The clips of a corpus, speaker by speaker; arguments and errors are those of `write_sample_corpus`."""
    train_ids, test_ids = published_volunteers("train"), published_volunteers("test")
    most = len(train_ids) + len(test_ids)
    for what, value, low, high in (
        ("speakers", speakers, 2, most),
        ("clips", clips, 1, 98),
        ("seconds", seconds, 1.5, 60),
        ("fps", fps, 10, 120),
        ("width", size[0], _SMALLEST, 4096),
        ("height", size[1], _SMALLEST, 4096),
        ("seed", seed, 0, 2**32 - 1),
    ):
        if not low <= value <= high:
            raise InputError(f"{what} must be {low} to {high}, got {value}")
    if size[0] % 2 or size[1] % 2:
        raise InputError(f"size must be even, got {size[0]}x{size[1]}")
    in_test = min(max(1, round(speakers / 4)), len(test_ids))
    in_train = min(speakers - in_test, len(train_ids))
    ids = train_ids[:in_train] + test_ids[: speakers - in_train]
    plans = []
    for number, (id_, speaker) in enumerate(zip(ids, _cast(ids, seed), strict=True)):
        for order, sentence in enumerate(_sentences(clips, seed, number)):
            name = f"volunteers/{id_}/Clips/straightcam/{sentence}"
            said = (seed, zlib.crc32(sentence.encode()))
            plans.append(ClipPlan(name, speaker, said, (seed, number, order), round(seconds * fps), fps, size))
    return plans


def write_clip(root: Path, plan: ClipPlan) -> bool:
    """Draw one clip and its truth unless both are there; returns whether it was drawn."""
    video, truth = plan.video(root), plan.truth(root)
    if _is_done(video, truth, plan):
        return False
    scene = studio(plan.speaker, plan.size)
    act = perform(plan.frames, plan.fps, plan.size, scene.unit, plan.sentence, plan.take)
    pitch = 205.0 if plan.speaker.sex == "F" else 118.0
    samples = synthesise(act.sounds, plan.frames / plan.fps, pitch, plan.take)
    landmarks: list[Points] = []
    with atomic_write(video) as unfinished:
        encode(unfinished, _filmed(scene, act, landmarks), plan.size, plan.fps, samples)
        # the truth first: it names the clip's hash, so a kill in between leaves a pair that does not match
        with atomic_write(truth) as unfinished_truth, unfinished_truth.open("wb") as file:
            np.savez_compressed(file, **_truth(np.stack(landmarks), act, plan, sha256_of(unfinished)))
    return True


def _write_clips(root: Path, plans: list[ClipPlan]) -> int:
    """What a worker process does; the processes share the cores, so OpenCV's own threads would be in the way."""
    cv2.setNumThreads(1)
    for plan in plans:
        write_clip(root, plan)
    return len(plans)


def _filmed(scene: Studio, act: Performance, landmarks: list[Points]) -> Iterator[Frame]:
    """Frame by frame, noting the landmarks of each."""
    for index, (state, pose) in enumerate(zip(act.states, act.poses, strict=True)):
        frame, points = render(scene, state, pose, seed=index)
        landmarks.append(points)
        yield frame


def _truth(landmarks: Points, act: Performance, plan: ClipPlan, video_sha256: str) -> dict[str, Any]:
    fields = FaceState.__dataclass_fields__
    states = {name: np.array([getattr(state, name) for state in act.states], np.float32) for name in fields}
    poses = [(p.x, p.y, p.scale, p.yaw, p.pitch, p.roll) for p in act.poses]
    return {
        "landmarks": landmarks.astype(np.float32),
        "openness": mouth_openness(landmarks).astype(np.float32),
        "pose": np.array(poses, np.float32),
        **states,
        "settings": np.array(plan.settings),
        "video_sha256": np.array(video_sha256),
    }


def _is_done(video: Path, truth: Path, plan: ClipPlan) -> bool:
    if not (video.is_file() and truth.is_file()):
        return False
    try:
        with truth.open("rb") as file, np.load(file) as known:
            return str(known["settings"]) == plan.settings and str(known["video_sha256"]) == sha256_of(video)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        return False  # not one of ours, or damaged: draw it again


def _refuse_other_clips(root: Path, plans: list[ClipPlan]) -> None:
    """Clips of a larger or foreign corpus would be read as part of this one; they are the user's to remove."""
    ours = {plan.video(root) for plan in plans}
    others = sorted(set(root.glob("volunteers/*/Clips/*/*.mp4")) - ours)
    if others:
        raise InputError(f"{others[0]}: not a clip of this sample corpus; give an empty folder, or move it away")


def _cast(ids: tuple[str, ...], seed: int) -> list[Speaker]:
    """A speaker for each id, of the sex its letter says: the named ones first, then random ones."""
    waiting: dict[str, list[Speaker]] = {"F": [], "M": []}
    for speaker in NAMED:
        waiting[speaker.sex].append(speaker)
    cast = []
    for number, id_ in enumerate(ids):
        sex: Sex = "F" if id_.endswith("F") else "M"
        cast.append(waiting[sex].pop(0) if waiting[sex] else random_speaker(1000 * seed + number, sex))
    return cast


def _sentences(clips: int, seed: int, speaker: int) -> list[str]:
    """Names as in TIMIT: sa1 and sa2, which everybody says, then si and sx sentences of one's own."""
    rng = np.random.default_rng([seed, speaker, 9])
    numbers = rng.permutation(np.arange(3, 453))
    own = [f"{'si' if i % 2 == 0 else 'sx'}{(453 if i % 2 == 0 else 0) + numbers[i]}" for i in range(max(clips - 2, 0))]
    return ["sa1", "sa2"][:clips] + own
