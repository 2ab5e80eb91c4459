"""A tiny dataset of drawn arrays, written by the pipeline's own writer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.preparing.bank import choose_bank
from pipeline.preparing.k_map import k_codes, k_table
from pipeline.shards import FRAME_SIZE, FrameRow, VideoEntry, dataset_digest, merge_shards, write_shard

MakeDataset = Callable[..., Path]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tests compare bits, and share their cores with other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_dataset() -> MakeDataset:
    """`make_dataset(root, corpus="timit", train={"speaker": videos}, test=..., frames=7) -> root`."""
    return _make_dataset


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training speakers of two and three videos, two test speakers of two and one, seven frames each."""
    return _make_dataset(tmp_path_factory.mktemp("tiny") / "out")


def _make_dataset(
    root: Path,
    corpus: str = "timit",
    train: dict[str, int] | None = None,
    test: dict[str, int] | None = None,
    frames: int = 7,
) -> Path:
    splits = {"train": train or {"01M": 2, "02M": 3}, "test": {"08F": 2, "09F": 1} if test is None else test}
    shards = []
    for split, speakers in splits.items():
        for speaker, videos in speakers.items():
            path = root / "shards" / split / f"{speaker}.h5"
            parts = [_write_video(root / "work", speaker, number, frames) for number in range(videos)]
            merge_shards(path, parts)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            shards.append({"split": split, "path": path.relative_to(root).as_posix(), "sha256": sha256})
    digest = dataset_digest({shard["path"]: shard["sha256"] for shard in shards})
    contents = {
        "schema": "flnet-dataset/1",
        "digest": digest,
        "corpus": corpus,
        "config": {},
        "splits": [split for split, speakers in splits.items() if speakers],
        "shards": shards,
    }
    (root / "dataset.json").write_text(json.dumps(contents))
    return root


def _write_video(folder: Path, speaker: str, number: int, frames: int) -> Path:
    name = f"{speaker}/clip{number}.mp4"
    rng = np.random.default_rng(list(name.encode()))
    background = np.kron(rng.integers(60, 200, (7, 7, 3)), np.ones((32, 32, 1)))
    openness = rng.permutation(np.linspace(2, 40, frames))
    rows = [_draw_frame(background, i, float(opening), rng) for i, opening in enumerate(openness)]
    path = folder / f"{speaker}-{number}.h5"
    bank = tuple(int(row) for row in choose_bank(openness))
    write_shard(path, VideoEntry(name, speaker, "0" * 64, 25.0, 0, frames, bank), rows, k_table().levels)
    return path


def _draw_frame(background: np.ndarray, index: int, openness: float, rng: np.random.Generator) -> FrameRow:
    """Coloured blocks, a mouth that is as dark as it is open, and 68 points about the face."""
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.stack((112 + 60 * np.cos(angle), 112 + 70 * np.sin(angle)), axis=1)
    points[48:] = np.stack((112 + 25 * np.cos(angle[48:]), 150 + openness * np.sin(3 * angle[48:])), axis=1)
    points = (points + rng.normal(0, 2, 2)).astype(np.float32)
    image = background.copy()
    top, bottom = int(150 - openness / 2), int(150 + openness / 2)
    image[top : bottom + 1, 88:137] = 255 - 5 * openness
    pixels = image.astype(np.uint8)
    transform = np.eye(2, 3, dtype=np.float32)
    return FrameRow(pixels, points, k_codes(points, FRAME_SIZE), openness, index, index / 25, transform)
