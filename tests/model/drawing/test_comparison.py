"""Figure 3: whose column is whose, which frames it shows, and that the pictures are the networks' answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model.baseline_config import GanimationConfig, GanimationWeights, X2FaceConfig, X2FaceWeights
from model.checkpoint import save_checkpoint
from model.config import LossWeights, ModelConfig, Size, TrainConfig
from model.drawing.comparison import chosen_frames, columns_of, comparison_block, with_details
from model.drawing.corpora import Corpus
from model.drawing.panel import CAPTION_PX
from model.figures import main
from model.networks import kind_of, load_class
from model.pictures import to_pixels
from model.setting import to_dict
from model.trained import InferenceSettings, Trained, load_trained
from pipeline.shards import ShardReader, open_dataset

CPU = torch.device("cpu")
CELL = 160  # pictures of this size are not resized, so they stand in a figure pixel for pixel


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    """One of each kind, as initialised."""
    root = tmp_path_factory.mktemp("runs")
    kinds: dict[str, tuple[Any, Any]] = {
        "ganimation": (GanimationConfig(CELL, 2), GanimationWeights()),
        "x2face": (X2FaceConfig(CELL, 2), X2FaceWeights()),
        "flnet": (ModelConfig(CELL, 2), LossWeights(adversarial=0)),
    }
    found = {}
    for name, (model, weights) in kinds.items():
        torch.manual_seed(0)
        config = TrainConfig(network=name, steps=1, model=model, weights=weights)
        state = load_class(kind_of(name).generator)(model).state_dict()
        payload = {"step": 1, "config": to_dict(config), "generator": state, "dataset_digest": "d"}
        found[f"{name}-run"] = load_trained(save_checkpoint(root / f"{name}-run", payload, keep=1), CPU)
    return found


def corpus_of(networks: dict[str, Trained], root: Path) -> Corpus:
    return Corpus("tiny", open_dataset(root), "test", networks, InferenceSettings())


def test_columns_are_kinds_then_protocols_then_runs(networks: dict[str, Trained]) -> None:
    assert list(columns_of(networks)) == ["GANimation", "X2Face", "FLNet"]
    published = networks["x2face-run"]
    model = replace(published.config.model, sources=5, identity_start=True, optimizer="adam")
    strong = replace(published, config=replace(published.config, model=model))
    assert list(columns_of({**networks, "other": strong})) == [
        "GANimation", "X2Face, published", "FLNet", "X2Face, strong"
    ]  # fmt: skip
    assert list(columns_of({**networks, "other": published})) == ["GANimation", "x2face-run", "FLNet", "other"]


def test_the_widest_mouths_are_shown_first(networks: dict[str, Trained], tiny_dataset: Path) -> None:
    corpus = corpus_of(networks, tiny_dataset)
    frames = chosen_frames(corpus)
    assert list(frames) == ["open mouth 1", "open mouth 2", "shut eyes", "median mouth"]
    speakers = [frame.group.video.speaker for frame in frames.values()]
    assert set(speakers[:2]) == {"08F", "09F"}
    first = frames["open mouth 1"].group
    whole = next(group for group in corpus.groups if group.video == first.video)
    with ShardReader(first.video.shard) as shard:
        points = shard.landmarks(whole.target_rows)
        shown = shard.landmarks(first.target_rows)[0]
    assert np.hypot(*(shown[51] - shown[57])) == pytest.approx(np.hypot(*(points[:, 51] - points[:, 57]).T).max())


def test_the_figure_holds_every_answer_and_the_truth(networks: dict[str, Trained], tiny_dataset: Path) -> None:
    corpus = corpus_of(networks, tiny_dataset)
    picture = comparison_block(corpus)
    groups = [frame.group for frame in chosen_frames(corpus).values()]
    height = CELL + 2 * (6 + 64)
    assert picture.shape == (CAPTION_PX + 6 + 22 + 4 * (height + 6), 6 + 4 * (CELL + 6), 3)
    for column, network in enumerate([*networks.values(), None]):
        batch, made = corpus.answers(network or networks["flnet-run"], groups)
        wanted = to_pixels(made if network else batch.target)
        for row in range(4):
            top = CAPTION_PX + 6 + 22 + row * (height + 6)
            shown = picture[top : top + CELL, 6 + column * (CELL + 6) :][:, :CELL]
            assert np.array_equal(shown, wanted[row]), (column, row)


def test_close_ups_show_mouth_and_eyes() -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    points = np.zeros((68, 2), np.float32)
    points[36:48] = np.stack([np.linspace(60, 140, 12), np.full(12, 70)], 1)
    points[48:68] = np.stack([np.linspace(80, 120, 20), np.linspace(140, 150, 20)], 1)
    picture[60:80, 60:140] = (0, 255, 0)  # the eyes
    picture[140:150, 80:120] = (255, 0, 0)  # the mouth
    drawn = with_details(picture, points, Size(200, 200))
    assert drawn.shape == (372, 200, 3)
    assert np.array_equal(drawn[:200], picture)
    mouth, eyes = drawn[206:286].astype(int), drawn[292:].astype(int)
    assert (mouth[40, 100] == (255, 0, 0)).all()
    assert mouth[..., 1].max() == 0
    assert (eyes[40, 100] == (0, 255, 0)).all()
    assert eyes[..., 0].max() == 0


def test_close_ups_stay_inside_small_pictures() -> None:
    picture = np.full((32, 48, 3), 7, np.uint8)
    points = np.full((68, 2), 31.0, np.float32)
    points[36:48] = [[-5, -5], [60, 40]] * 6
    drawn = with_details(picture, points, Size(160, 240))
    assert drawn.shape == (160 + 2 * (6 + 96), 240, 3)
    assert set(drawn.flatten().tolist()) == {7, 255}


def test_the_command_draws_two_corpora_side_by_side(
    networks: dict[str, Trained], tiny_dataset: Path, make_dataset: Any, tmp_path: Path
) -> None:
    other = make_dataset(tmp_path / "ff", corpus="faceforensics", test={"000": 1, "001": 1})
    runs = [f"{name}={network.checkpoint}" for name in ("timit", "ff") for network in networks.values()]
    shards = ["--shards", f"timit={tiny_dataset}", f"ff={other}"]
    arguments = [*shards, "--checkpoint", *runs, "--only", "3", "--out", str(tmp_path), "--device", "cpu"]
    assert main(arguments) == 0
    with Image.open(tmp_path / "figure3.png") as figure:
        assert figure.width > 2 * 4 * CELL
