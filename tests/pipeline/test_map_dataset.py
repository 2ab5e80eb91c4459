"""FlnetDataset: what the shards hold, in a fixed order, in any process, without Luigi or torch."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import FlnetDataset
from pipeline.errors import DatasetError
from pipeline.shards import ShardReader


def test_items_are_the_rows_of_the_shards(drawn: Path) -> None:
    dataset = FlnetDataset(drawn, "train", with_bank=True, with_k=True)
    assert len(dataset) == sum(video.row_count for video in dataset.videos)
    number = 0
    for video in dataset.videos:
        with ShardReader(video.shard) as reader:
            for row in (video.first_row, video.first_row + video.row_count - 1):
                item = dataset[number + row - video.first_row]
                assert np.array_equal(item["image"].transpose(1, 2, 0), reader.frames([row])[0])
                assert np.array_equal(item["landmarks"], reader.landmarks([row])[0])
                assert item["k"].shape == (224, 224)
                assert np.array_equal(item["k"], reader.k_levels[reader.k_codes([row])[0]])
                assert np.array_equal(item["bank"].transpose(0, 2, 3, 1), reader.frames(video.bank))
                assert np.array_equal(item["bank_landmarks"], reader.landmarks(video.bank))
                assert (item["video"], item["speaker"]) == (video.id, video.speaker)
                assert item["frame_index"] == reader.frame_index([row])[0]
                assert item["seconds"] == reader.pts_seconds([row])[0]
                assert item["mouth_openness"] == reader.mouth_openness([row])[0]
        number += video.row_count
    assert dataset[-1]["video"] == dataset.videos[-1].id
    for beyond in (number, -number - 1):
        with pytest.raises(IndexError, match="index must be in"):
            dataset[beyond]
    with pytest.raises(DatasetError, match="there is no split 'val'"):
        FlnetDataset(drawn, "val")


def mean_of(item: dict[str, object]) -> float:
    return float(np.mean(item["image"]))  # type: ignore[arg-type]


def test_pickled_and_in_the_workers_of_a_loader_it_is_the_same(drawn: Path) -> None:
    from torch.utils.data import DataLoader

    dataset = FlnetDataset(drawn, "test")
    copy = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(copy[3]["image"], dataset[3]["image"])
    batches = list(DataLoader(copy, batch_size=4, num_workers=2))  # type: ignore[arg-type]
    assert sum(len(batch["image"]) for batch in batches) == len(dataset)
    assert batches[0]["image"].shape == (4, 3, 224, 224)
    rows = [row for batch in batches for row in batch["image"].numpy()]
    assert all(np.array_equal(row, dataset[number]["image"]) for number, row in enumerate(rows))
    assert FlnetDataset(drawn, "test", transform=mean_of)[0] == dataset[0]["image"].mean()


def test_it_needs_neither_luigi_nor_torch() -> None:
    code = "import sys; from pipeline import FlnetDataset; print({'luigi', 'torch', 'dlib', 'pandas'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"


def test_whoever_comes_from_luigi_finds_its_tasks() -> None:
    code = "import luigi, pipeline; from luigi.task_register import Register; print(Register.task_names())"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert "BuildTimit" in done.stdout, done.stderr
    with pytest.raises(ImportError, match="BuildNothing"):
        from pipeline import BuildNothing  # type: ignore[attr-defined] # noqa: F401
