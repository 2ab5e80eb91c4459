"""The test protocol's questions as files, for any other system to answer: banks, landmarks and driving frames.

Layout of the folder:

- questions.json: dataset, split, image size, and of every video its speaker, its bank's and its frames' names
- bank/<video's id>/1.png … 5.png: the video's bank images, closed mouth to open
- driving/<video's id>/<frame, six digits>.png: the true frames, for a system that is driven by pictures
- landmarks/<video's id>.json: "bank" and, by frame name, "frames": 68 points x, y in pixels each, centres at integers

Answers go to a folder of one's own, under the same names as below driving/: `model.evaluate --answers NAME=FOLDER`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.config import Size
from model.data.loader import load_batch
from model.data.sampler import Group
from model.data.to_device import prepare_batch
from model.evaluation.answers import frame_name
from model.evaluation.protocol import cut, split_groups
from model.pictures import save_picture, to_pixels
from pipeline import log
from pipeline.files import atomic_write
from pipeline.shards import Dataset, ShardPool

QUESTIONS_FILE = "questions.json"
BATCH_SIZE = 32


def write_questions(folder: Path, dataset: Dataset, split: str | None, stride: int, size: Size) -> int:
    """Write every question of a split; files that are there are written anew.

    Args:
        split, stride: as `model.evaluation.protocol.evaluate` takes them.
        size: of the images.

    Returns:
        How many test frames there are.

    Raises:
        DatasetError: no such split, or no frame in it.
    """
    split, groups = split_groups(dataset, split, stride)
    pool = ShardPool()
    videos = []
    try:
        for group in log.progress(groups, "writing questions", unit="videos"):
            videos.append(_write_video(folder, group, size, pool))
    finally:
        pool.close()
    contents = {
        "dataset_digest": dataset.digest,
        "split": split,
        "stride": stride,
        "image_size": str(size),
        "videos": videos,
    }
    _write_json(folder / QUESTIONS_FILE, contents)
    return sum(len(video["frames"]) for video in videos)


def _write_video(folder: Path, group: Group, size: Size, pool: ShardPool) -> dict[str, Any]:
    """A video's files; what questions.json says of it."""
    video = group.video
    bank: list[str] = []
    landmarks: dict[str, list[list[float]]] = {}
    names: list[str] = []
    for part in cut([group], BATCH_SIZE):
        batch = prepare_batch(load_batch([part], pool), torch.device("cpu"), size)
        numbers = pool.reader(video.shard).frame_index(part.target_rows)
        for number, pixels, points in zip(numbers, to_pixels(batch.target), batch.target_landmarks, strict=True):
            name = frame_name(video.id, int(number))
            names.append(name)
            landmarks[name] = _points(points)
            save_picture(folder / "driving" / name, pixels)
        if not bank:
            for place, pixels in enumerate(to_pixels(batch.bank[0])):
                bank.append(f"bank/{video.id}/{place + 1}.png")
                save_picture(folder / bank[-1], pixels)
            bank_landmarks = [_points(points) for points in batch.bank_landmarks[0]]
    _write_json(folder / "landmarks" / f"{video.id}.json", {"bank": bank_landmarks, "frames": landmarks})
    return {"id": video.id, "speaker": video.speaker, "bank": bank, "frames": names}


def _points(landmarks: Tensor) -> list[list[float]]:
    return [[round(float(x), 3), round(float(y), 3)] for x, y in landmarks]


def _write_json(path: Path, contents: dict[str, Any]) -> None:
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(contents, ensure_ascii=False) + "\n", encoding="utf-8")
