"""The paper's figures and Table 1: what stands where, and that the pictures are the network's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.checkpoint import save_checkpoint
from model.config import ModelConfig, TrainConfig
from model.data.examples import load_groups
from model.evaluation.protocol import evaluate
from model.figures import choose_groups, figure2, figure4, figure5, main, stacked
from model.network.generator import Generator
from model.pictures import to_pixels
from model.setting import to_dict
from model.trained import Trained, load_trained
from pipeline.errors import InputError
from pipeline.shards import Dataset, ShardReader, open_dataset

CPU = torch.device("cpu")


@pytest.fixture
def networks(tmp_path: Path) -> dict[str, Trained]:
    """One with the full bank, one with a single image and of another size."""
    found = {}
    for name, settings in (("five", {"image_size": 112}), ("one", {"image_size": 48, "bank_size": 1})):
        torch.manual_seed(0)
        config = TrainConfig(steps=1, model=ModelConfig(base_channels=2, **settings))
        state = Generator(config.model).state_dict()
        payload = {"step": 1, "config": to_dict(config), "generator": state, "dataset_digest": "d"}
        found[name] = load_trained(save_checkpoint(tmp_path / name, payload, keep=1), CPU)
    return found


@pytest.fixture
def dataset(tiny_dataset: Path) -> Dataset:
    return open_dataset(tiny_dataset)


def test_speakers_and_frames_are_chosen_by_openness(dataset: Dataset) -> None:
    groups = choose_groups(dataset, "test", None, 3)
    assert [group.video.speaker for group in groups] == ["08F", "09F"]
    with ShardReader(groups[0].video.shard) as shard:
        openness = shard.mouth_openness(groups[0].target_rows)
        everything = shard.mouth_openness(slice(groups[0].video.first_row, groups[0].video.first_row + 7))
    assert openness.tolist() == np.sort(everything)[[0, 3, 6]].tolist()
    assert [g.video.speaker for g in choose_groups(dataset, "test", ["09F"], 3)] == ["09F"]
    with pytest.raises(InputError, match="split 'test' has no speaker 01M; it has 08F, 09F"):
        choose_groups(dataset, "test", ["01M"], 3)


def test_figure_2_shows_bank_driver_and_output(networks: dict[str, Trained], dataset: Dataset) -> None:
    """Cells of 112 pixels are not resized, so the pictures must be in the figure pixel for pixel."""
    groups = choose_groups(dataset, "test", ["08F"], 5)
    picture = figure2(networks["five"], groups)
    batch = load_groups(groups, networks["five"].config.model, CPU)
    out = networks["five"].generator(batch.bank, batch.field).output
    for row, images in enumerate((batch.bank[0], batch.target, out)):
        top, left = row * 138 + 22, 4 + 3 * 116
        assert np.array_equal(picture[top : top + 112, left : left + 112], to_pixels(images)[3])


def test_figure_4_shows_truth_copies_and_networks(networks: dict[str, Trained], dataset: Dataset) -> None:
    groups = choose_groups(dataset, "test", None, 2)
    picture = figure4(networks, groups)
    rows = sum(len(group.target_rows) for group in groups)
    assert picture.shape == (22 + rows * (112 + 4 + 22) + 4, 5 * 116 + 4, 3)
    batch = load_groups(groups, networks["five"].config.model, CPU)
    distances = (batch.bank_landmarks - batch.target_landmarks[:, None]).norm(dim=-1).mean(-1)
    second = 22 + 4 + 138
    copied = picture[second : second + 112, 4 + 2 * 116 : 4 + 2 * 116 + 112]
    assert np.array_equal(copied, to_pixels(batch.bank[1, distances[1].argmin()][None])[0])
    output = picture[second : second + 112, 4 + 3 * 116 : 4 + 3 * 116 + 112]
    assert np.array_equal(output, to_pixels(networks["five"].generator(batch.bank, batch.field).output)[1])


def test_figure_5_shows_every_mask(networks: dict[str, Trained], dataset: Dataset) -> None:
    groups = choose_groups(dataset, "test", ["08F"], 2)
    picture = figure5(networks["five"], groups)
    assert picture.shape == (2 * 280, 8 * 116 + 4, 3)
    assert figure5(networks["one"], groups).shape == (2 * 280, 4 * 116 + 4, 3), "a bank of one"
    batch = load_groups(groups, networks["five"].config.model, CPU)
    masks = networks["five"].generator(batch.bank, batch.field).selection_masks[1, 2, 0].detach().numpy()
    cell = picture[280 + 138 + 22 : 280 + 138 + 22 + 112, 4 + 3 * 116 : 4 + 3 * 116 + 112, 0]
    assert np.array_equal(cell, np.rint(masks * 255).astype(np.uint8))


def test_blocks_of_different_width_are_stacked_on_white() -> None:
    picture = stacked([np.zeros((2, 3, 3), np.uint8), np.zeros((1, 5, 3), np.uint8)])
    assert picture[..., 0].tolist() == [[0, 0, 0, 255, 255], [0, 0, 0, 255, 255], [0] * 5]


def test_the_command_makes_all_or_some(
    networks: dict[str, Trained], dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures"
    checkpoints = [str(network.checkpoint) for network in networks.values()]
    arguments = ["--shards", str(dataset.root), "--checkpoint", *checkpoints, "--device", "cpu", "--stride", "3"]
    assert main([*arguments, "--out", str(out), "--workers", "0", "--no-fid", "--no-lpips"]) == 0
    made = {path.name for path in out.iterdir()}
    assert made == {"figure2.png", "figure4.png", "figure5.png", "table1.md", "table1.json"}
    printed = capsys.readouterr().out
    assert (out / "table1.md").read_text() in printed
    assert "left out" not in printed
    measured = json.loads((out / "table1.json").read_text())["networks"]
    expected = evaluate(networks["one"].generator, dataset, CPU, stride=3)
    assert measured["one"]["scores"]["model"]["l1"] == pytest.approx(expected.l1)
    with Image.open(out / "figure2.png") as picture:
        assert picture.width == 5 * 116 + 4
    some = tmp_path / "some"
    assert main([*arguments, "--out", str(some), "--only", "5", "--split", "train", "--speaker", "01M"]) == 0
    assert [path.name for path in some.iterdir()] == ["figure5.png"]
    assert main([*arguments, "--out", str(some), "--split", "none"]) == 1
    assert "there is no split 'none'" in capsys.readouterr().err
