"""Writes the report of a synthetic dataset of thousands of videos, and times its page in a browser.

The dataset has real shards: one short clip is drawn for each speaker, and cloned with its frames in other orders.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from tqdm import tqdm

from benchmarks.browser import Browser, find_browser
from pipeline import cli
from pipeline.files import sha256_of
from pipeline.geometry import Points, mouth_openness
from pipeline.manifest import ManifestRow, write_manifest
from pipeline.preparing.bank import choose_bank
from pipeline.preparing.k_map import k_codes, k_table
from pipeline.report import PICTURES, write_report
from pipeline.result import VideoResult
from pipeline.sample import random_speaker
from pipeline.sample.landmarks import FaceState
from pipeline.sample.pose import Pose
from pipeline.sample.renderer import render, studio
from pipeline.settings import Settings
from pipeline.shards import FRAME_SIZE, FrameRow, VideoEntry, dataset_digest, merge_shards, write_shard

FRAMES = 25
FAILED = 0.01  # share of the videos
LIMIT_SECONDS = 2.0
# What a user does, as script; each is timed until the browser has painted the result.
ACTIONS = {
    "search": "set('video-search', 'clip 03')",
    "filter by speaker": "set('video-speaker', '7')",
    "filter by status": "set('video-status', '0')",
    "show all again": "set('video-status', '')",
    "sort by name": "document.querySelector('#video-table th button').click()",
    "next page": "document.querySelector('#video-pager button:last-child').click()",
    "search speakers": "set('speaker-search', '3')",
    "open a video": "location.hash = '#v42'",
}
TIMED = """(async () => {
  const set = (name, value) => {
    const control = document.getElementById(name);
    control.value = value;
    control.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  await painted();
  const start = performance.now();
  ACTION;
  await painted();
  return (performance.now() - start) / 1000;
})()"""


def draw_clip(number: int, path: Path) -> Points:
    """A shard of one speaker's clip; coarse pixels, and K only where the bank is, keep the clones small."""
    speaker = random_speaker(number)
    scene = studio(speaker, (FRAME_SIZE, FRAME_SIZE))
    middle = (FRAME_SIZE - 1) / 2
    shots = []
    for place in range(FRAMES):
        state = FaceState(open=0.5 - 0.5 * float(np.cos(0.9 * place)) * place / FRAMES, wide=float(np.sin(place / 2)))
        shots.append(render(scene, state, Pose(middle, 0.8 * middle, 0.36 * FRAME_SIZE), seed=place))
    landmarks = np.array([points for _, points in shots], np.float32)
    openness = mouth_openness(landmarks)
    bank = tuple(int(row) for row in choose_bank(openness))
    levels = k_table().levels
    floor = np.full((FRAME_SIZE, FRAME_SIZE), len(levels) - 1, np.uint8)
    upright = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    rows = (
        FrameRow(
            frames=_coarse(picture),
            landmarks=points,
            k_codes=k_codes(points, FRAME_SIZE) if place in bank else floor,
            mouth_openness=float(openness[place]),
            frame_index=place,
            pts_seconds=place / 25,
            crop_transform=upright,
        )
        for place, ((picture, _), points) in enumerate(zip(shots, landmarks, strict=True))
    )
    write_shard(path, VideoEntry("", "", "", 25.0, 0, FRAMES, bank), rows, levels, "zstd")
    return landmarks


def clone_clip(clip: Path, landmarks: Points, shard: Path, names: list[str], speaker: str, seed: int) -> None:
    """A shard of many videos of the same pictures, whose landmarks come in other orders and tremble differently."""
    random = np.random.default_rng(seed)
    merge_shards(shard, [clip] * len(names))
    with h5py.File(shard, "r+") as file:
        text = h5py.string_dtype("utf-8")
        banked = file["videos/bank"][0]
        others = np.setdiff1d(np.arange(FRAMES), banked)
        orders = np.tile(np.arange(FRAMES), (len(names), 1))
        for order in orders:
            order[others] = random.permutation(others)  # the bank stays right: the sorted openness is the same
        tremble = random.lognormal(-1.6, 0.5, (len(names), 1, 1, 1))
        points = landmarks[orders] + tremble * random.normal(size=(len(names), FRAMES, 68, 2))
        file["landmarks"][:] = points.reshape(-1, 68, 2).astype(np.float32)
        file["mouth_openness"][:] = mouth_openness(landmarks)[orders].ravel()
        for column, values in (("id", names), ("speaker", [speaker] * len(names)), ("source_sha256", names)):
            del file[f"videos/{column}"]
            file["videos"].create_dataset(column, data=values, dtype=text)


def make_dataset(root: Path, videos: int, speakers: int) -> None:
    """Shards, manifest and `dataset.json`; some videos failed, some lost frames."""
    (root / "clips").mkdir(parents=True)
    clips = [root / "clips" / f"{number}.h5" for number in range(speakers)]
    drawn = Parallel(n_jobs=os.cpu_count(), return_as="generator")(
        delayed(draw_clip)(number, clip) for number, clip in enumerate(clips)
    )
    random = np.random.default_rng(0)
    shards, rows = [], []
    for number, landmarks in enumerate(tqdm(drawn, "drawing speakers", speakers)):
        speaker, split = f"{number + 1:02d}{'MF'[number % 2]}", "test" if number % 3 == 0 else "train"
        count = (number + 1) * videos // speakers - number * videos // speakers
        ids = [f"volunteers/{speaker}/Clips/straightcam/clip {place:03d}.mp4" for place in range(count)]
        failed = max(1, round(FAILED * count))
        path = root / "shards" / split / f"{split}-{number:04d}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        clone_clip(clips[number], landmarks, path, ids[failed:], speaker, number)
        name = path.relative_to(root).as_posix()
        size = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        arrived = count - failed
        shards.append({"path": name, "split": split, "videos": arrived, "frames": arrived * FRAMES, **size})
        rows += [ManifestRow(_failure(video, speaker, split), root, None) for video in ids[:failed]]
        rows += [ManifestRow(_arrival(video, speaker, split, random), root, name) for video in ids[failed:]]
        clips[number].unlink()
    write_manifest(root / "manifest.csv", rows)
    contents = {
        "schema": "flnet-dataset/1",
        "corpus": "timit",
        "digest": dataset_digest({str(shard["path"]): str(shard["sha256"]) for shard in shards}),
        "config": Settings().to_dict(),
        "splits": {"test": {}, "train": {}},
        "shards": shards,
    }
    (root / "dataset.json").write_text(json.dumps(contents), encoding="utf-8")


def time_page(page: Path) -> Iterator[tuple[str, float]]:
    """Seconds that opening the page and each action take; nothing where there is no browser."""
    executable = find_browser()
    if executable is None:
        return
    with Browser(executable) as browser:
        browser.open(page)
        yield "open", min(browser.open(page) for _ in range(3))
        for name, action in ACTIONS.items():
            yield name, float(browser.run(TIMED.replace("ACTION", action)))
        if browser.complaints:
            raise SystemExit(f"the page complains: {browser.complaints[0]}")


def _coarse(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    small = cv2.resize(picture, (56, 56), interpolation=cv2.INTER_AREA) & 0xF0
    return np.asarray(cv2.resize(small, (FRAME_SIZE, FRAME_SIZE), interpolation=cv2.INTER_NEAREST), np.uint8)


def _failure(video: str, speaker: str, split: str) -> VideoResult:
    return VideoResult(video, speaker, split, "failed", f"unreadable: {video}: no video frame could be decoded")


def _arrival(video: str, speaker: str, split: str, random: np.random.Generator) -> VideoResult:
    lost = int(random.poisson(0.3))
    figures: dict[str, Any] = {
        "fps": 29.97,
        "width": 1920,
        "height": 1080,
        "frames_seen": FRAMES + lost,
        "frames_kept": FRAMES,
        "drops": {"no_face": lost},
        "face_width_px": round(float(random.normal(420, 25)), 2),
        "scale": 0.32,
        "padding": round(float(random.exponential(0.02)), 4),
    }
    return VideoResult(video, speaker, split, sha256=video, **figures)


def main(argv: list[str] | None = None) -> int:
    """Print the table; status 1 where opening or any action takes longer than the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_scale", description=__doc__)
    parser.add_argument("--videos", type=int, default=7000, help="how many (%(default)s)")
    parser.add_argument("--speakers", type=int, default=62, help="how many (%(default)s)")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="videos with pictures (%(default)s)")
    parser.add_argument(
        "--keep", type=Path, help="a folder that does not exist yet, to keep the dataset in (some 2 GB)"
    )
    return cli.run(parser, _measure, argv)


def _measure(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        root: Path = args.keep or Path(temporary) / "out"
        make_dataset(root, args.videos, args.speakers)
        start, start_cpu = time.perf_counter(), time.process_time()
        page = write_report(root, args.pictures, progress=True)
        wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        print(f"{args.videos} videos, {args.speakers} speakers, pictures of {args.pictures}")
        print(f"{'write':20} {wall:7.2f} s ({cpu:.2f} s of CPU, {1000 * cpu / args.videos:.2f} ms a video)")
        print(f"{'page':20} {page.stat().st_size / 1e6:7.2f} MB")
        slowest = 0.0
        for name, seconds in time_page(page):
            print(f"{name:20} {seconds:7.3f} s")
            slowest = max(slowest, seconds)
        if not slowest:
            print("no Chromium on the PATH: the page was not opened")
    return int(slowest > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
