"""The paper's figures and Table 1: what stands where, and that the pictures are the network's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.checkpoint import save_checkpoint
from model.config import LossWeights, ModelConfig, Size, TrainConfig
from model.drawing.ablation import ablation_block, columns_of, label, missing_columns
from model.drawing.choice import look_at
from model.drawing.corpora import Corpus
from model.drawing.failures import failures_block
from model.drawing.masks import masks_block
from model.drawing.panel import CAPTION_PX, RESULT_COLOUR, TRUTH_COLOUR
from model.drawing.results import results_block
from model.evaluation.protocol import evaluate
from model.figures import main
from model.network.generator import Generator
from model.pictures import to_greys, to_pixels
from model.setting import to_dict
from model.trained import InferenceSettings, Trained, load_trained
from pipeline.shards import open_dataset

CPU = torch.device("cpu")
CELL = 160  # pictures of this size are not resized, so they stand in a figure pixel for pixel
PITCH = CELL + 6
KINDS = {
    "full": {},
    "one": {"bank_size": 1},
    "three": {"bank_size": 3},
    "warp": {"streams": "warp"},
    "look": {"streams": "appearance"},
}


def save_network(folder: Path, **settings: object) -> Path:
    """A network as initialised; returns its checkpoint."""
    torch.manual_seed(0)
    model = ModelConfig(**{"image_size": CELL, "base_channels": 2, **settings})  # type: ignore[arg-type]
    config = TrainConfig(steps=1, model=model, weights=LossWeights(adversarial=0))
    state = Generator(config.model).state_dict()
    return save_checkpoint(
        folder, {"step": 1, "config": to_dict(config), "generator": state, "dataset_digest": "d"}, keep=1
    )


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    """The five of the ablation."""
    root = tmp_path_factory.mktemp("runs")
    return {name: load_trained(save_network(root / name, **settings), CPU) for name, settings in KINDS.items()}


def corpus_of(networks: dict[str, Trained], root: Path, speakers: Sequence[str] = ()) -> Corpus:
    return Corpus("tiny", open_dataset(root), "test", networks, InferenceSettings(), tuple(speakers))


def cell_at(picture: np.ndarray, top: int, column: int) -> np.ndarray:
    """The picture in a block's row that begins at `top`."""
    left = 6 + column * PITCH
    return picture[top : top + CELL, left : left + CELL]


def test_figure_2_has_the_truth_over_the_result(networks: dict[str, Trained], tiny_dataset: Path) -> None:
    corpus = corpus_of(networks, tiny_dataset, ["08F"])
    picture = results_block(corpus)
    assert picture.shape == (CAPTION_PX + 6 + 2 * PITCH, 6 + 5 * PITCH, 3)
    group = corpus.groups[0]
    batch, out = corpus.run(networks["full"], [group])
    truths, results = to_pixels(batch.target), to_pixels(out.output)
    for column in range(5):
        truth = cell_at(picture, CAPTION_PX + 6, column)
        (place,) = (i for i, image in enumerate(truths) if np.array_equal(image, truth))
        result = cell_at(picture, CAPTION_PX + 6 + PITCH, column).astype(int)
        assert np.abs(result - results[place]).max() <= 1, "rounding may differ with the batch"
    assert results_block(corpus_of(networks, tiny_dataset)).shape[0] == 2 * picture.shape[0], "both speakers"


def test_columns_of_figure_4_are_labelled_by_their_settings(networks: dict[str, Trained]) -> None:
    assert [label(networks[name].config.model) for name in KINDS] == ["A+W", "1B", "3B", "W", "A"]
    columns = columns_of(dict(reversed(networks.items())))
    assert list(columns) == ["1B", "3B", "5B", "A", "W", "A+W"], "the paper's order"
    assert columns["5B"] is columns["A+W"] is networks["full"]
    assert columns["W"] is networks["warp"]
    twice = columns_of({"first": networks["one"], "second": networks["one"]})
    assert list(twice) == ["1B", "second"]
    assert missing_columns({"first": networks["one"]}) == ["3B", "5B", "A", "W", "A+W"]
    assert missing_columns(networks) == []
    assert label(ModelConfig(bank_size=3, streams="warp")) == "W 3B"
    assert label(ModelConfig(guide="landmarks")) == "A+W guided", "not in the published one's column"


def test_figure_4_shows_the_truth_and_every_network_with_its_mouth(
    networks: dict[str, Trained], tiny_dataset: Path
) -> None:
    corpus = corpus_of(networks, tiny_dataset, ["08F"])
    picture = ablation_block(corpus)
    assert picture.shape[1] == 6 + 7 * PITCH
    top = CAPTION_PX + 6 + 22
    shown = [cell_at(picture, top, column) for column in range(7)]
    red = [(image == RESULT_COLOUR).all(-1).sum() for image in shown]
    assert all(count >= 4 * 2 * 64 - 16 for count in red), "a square of two pixels in each"
    assert np.array_equal(shown[3], shown[6]), "5B and A+W are one network"
    assert not np.array_equal(shown[1], shown[2])
    # The full network's own picture is around the close-up.
    differs = []
    for group in corpus.groups:
        _, out = corpus.run(networks["full"], [group])
        differs += [(np.abs(image.astype(int) - shown[6]) > 1).any(-1).mean() for image in to_pixels(out.output)]
    assert min(differs) <= 0.4**2


def test_figure_5_has_the_bank_over_the_masks_and_boxes(networks: dict[str, Trained], tiny_dataset: Path) -> None:
    corpus = corpus_of(networks, tiny_dataset)
    seen = look_at(corpus, 99)
    picture = masks_block(corpus, seen)
    height = CAPTION_PX + 6 + 2 * (22 + PITCH)
    assert picture.shape == (4 * height, 6 + 6 * PITCH, 3)
    best = max(seen, key=lambda frame: frame.decision)
    batch, out = corpus.run(networks["full"], [best.group])
    top = next(
        start + CAPTION_PX + 6 + 22
        for start in range(0, 4 * height, height)
        if np.array_equal(cell_at(picture, start + CAPTION_PX + 6 + 22, 0), to_pixels(batch.target)[0])
    )
    for place in range(5):
        assert np.array_equal(cell_at(picture, top, 1 + place), to_pixels(batch.bank[0])[place])
        mask = to_greys(out.selection_masks[0, place, 0])
        assert np.array_equal(cell_at(picture, top + PITCH + 22, 1 + place)[..., 0], mask)
    assert np.array_equal(cell_at(picture, top + PITCH + 22, 0), to_pixels(out.output)[0])
    assert (picture[top - 1, 6 : 6 + CELL] == TRUTH_COLOUR).all()
    assert (picture[top + PITCH + 21, 6 : 6 + CELL] == RESULT_COLOUR).all()


def test_figure_6_begins_with_the_worst_mouth(networks: dict[str, Trained], tiny_dataset: Path) -> None:
    corpus = corpus_of(networks, tiny_dataset)
    seen = look_at(corpus, 99)
    picture = failures_block(corpus, seen)
    row = CAPTION_PX + 6 + 22 + PITCH
    assert picture.shape == (2 * row, 6 + 6 * PITCH, 3)
    worst = max(seen, key=lambda frame: frame.mouth_l1)
    batch, out = corpus.run(networks["full"], [worst.group])
    for column, images in enumerate((batch.target, out.output)):
        shown = cell_at(picture, CAPTION_PX + 6 + 22, column).astype(int)
        assert (np.abs(shown - to_pixels(images)[0]) > 1).any(-1).mean() <= 0.4**2, "all but the close-up"
        assert (shown == RESULT_COLOUR).all(-1).any()
        assert not (cell_at(picture, row + CAPTION_PX + 6 + 22, column) == RESULT_COLOUR).all(-1).any()


def test_the_command_draws_two_corpora_side_by_side(
    tiny_dataset: Path, make_dataset: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"image_size": 32}
    runs = {name: save_network(tmp_path / name, **small, **settings) for name, settings in KINDS.items()}
    other = make_dataset(tmp_path / "ff", corpus="faceforensics", test={"000": 1, "001": 1})  # type: ignore[operator]
    out = tmp_path / "figures"
    arguments = [
        "--shards",
        f"timit={tiny_dataset}",
        f"ff={other}",
        "--device",
        "cpu",
        "--workers",
        "0",
        "--out",
        str(out),
    ]
    arguments += ["--stride", "3", "--no-fid", "--no-lpips", "--candidates", "9"]
    arguments += ["--checkpoint", *(f"timit={run}" for run in runs.values()), f"ff={runs['full']}", f"ff={runs['one']}"]
    assert main(arguments) == 0
    made = {path.name for path in out.iterdir()}
    assert made == {"figure2.png", "figure4.png", "figure5.png", "figure6.png", "table1.md", "table1.json"}
    told = capsys.readouterr()
    assert "figure4.png: no network of ff for 3B, A, W" in told.err
    assert "no network of timit" not in told.err
    assert (out / "table1.md").read_text() in told.out
    widths = {}
    for name in made - {"table1.md", "table1.json"}:
        with Image.open(out / name) as picture:
            widths[name] = picture.width
    assert widths == {
        "figure2.png": 6 + 5 * PITCH + 28 + 6 + 2 * PITCH,  # the second's videos have two frames outside their banks
        "figure4.png": 6 + 7 * PITCH + 28 + 6 + 4 * PITCH,
        "figure5.png": 2 * (6 + 6 * PITCH) + 28,
        "figure6.png": 2 * (6 + 6 * PITCH) + 28,
    }
    measured = json.loads((out / "table1.json").read_text())["corpora"]
    assert {name: list(corpus["networks"]) for name, corpus in measured.items()} == {
        "timit": list(KINDS),
        "ff": ["full", "one"],
    }
    expected = evaluate(load_trained(runs["one"], CPU).generator, open_dataset(tiny_dataset), stride=3)
    assert measured["timit"]["networks"]["one"]["scores"]["model"]["l1"] == pytest.approx(expected.l1)


def test_one_corpus_needs_no_name(
    networks: dict[str, Trained], tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = {name: str(network.checkpoint) for name, network in networks.items()}
    arguments = ["--shards", str(tiny_dataset), "--device", "cpu", "--out", str(tmp_path)]
    flags = ["--split", "train", "--speaker", "01M", "--image-size", "32x64", "--warp-margin", "80"]
    assert main([*arguments, "--checkpoint", checkpoint["full"], "--only", "2", *flags]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["figure2.png"]
    with Image.open(tmp_path / "figure2.png") as picture:
        assert picture.size == (6 + 5 * (2 * CELL + 6), CAPTION_PX + 6 + 2 * PITCH)
    for extra, says in (
        (["--checkpoint", checkpoint["look"], "--only", "5"], "streams=appearance has none"),
        (["--checkpoint", checkpoint["full"], "--split", "none"], "there is no split 'none'"),
        (["--checkpoint", checkpoint["full"], "--candidates", "0"], "--candidates must be at least 1, got 0"),
        (["--checkpoint", checkpoint["full"], "--warp-margin", "0"], "--warp-margin must be above 0"),
    ):
        assert main([*arguments, *extra]) == 1
        error = capsys.readouterr().err
        assert says in error


def test_the_warp_margin_reaches_the_figures(networks: dict[str, Trained], tiny_dataset: Path) -> None:
    usual = corpus_of(networks, tiny_dataset)
    wide = Corpus("tiny", usual.dataset, "test", networks, InferenceSettings(Size(64, 32), 80.0))
    batch, out = wide.run(networks["full"], wide.groups[:1])
    again = networks["full"].generator(batch.bank, batch.field, 80.0)
    assert batch.target.shape[-2:] == (64, 32)
    assert torch.equal(out.output, again.output)
    assert not torch.equal(out.output, networks["full"].generator(batch.bank, batch.field).output)
