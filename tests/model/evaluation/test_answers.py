"""Answers of networks and of others: who is shown the target, ready pictures, and the questions as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model.baseline_config import GanimationConfig, X2FaceConfig
from model.checkpoint import save_checkpoint
from model.config import ModelConfig, Size, TrainConfig
from model.evaluate import main
from model.evaluation.answers import NetworkAnswers, ReadyAnswers, frame_name
from model.evaluation.cost import gflop_of, parameters_of
from model.evaluation.protocol import evaluate
from model.network.condition import LandmarkStatistics
from model.network.ganimation import GanimationGenerator
from model.network.generator import Generator
from model.network.question import Network, Question
from model.network.x2face import X2Face
from model.setting import to_dict
from model.trained import InferenceSettings
from pipeline.errors import InputError
from pipeline.shards import ShardReader, open_dataset

SIZE = Size(32, 32)


def small(kind: str) -> Network:
    torch.manual_seed(0)
    if kind == "x2face":
        return X2Face(X2FaceConfig(32, 4)).eval()
    if kind == "ganimation":
        network = GanimationGenerator(GanimationConfig(32, 4))
        network.condition.fit(LandmarkStatistics(torch.full((68, 2), 0.5), 0.02))
        return network.eval()
    return Generator(ModelConfig(image_size=32, base_channels=4)).eval()


KINDS = pytest.mark.parametrize("kind", ["flnet", "ganimation", "x2face"])


class Watched(Network):
    """Notes what it is shown; its answer is the first bank image."""

    def __init__(self, *, sees_target: bool) -> None:
        super().__init__()
        self.config = ModelConfig(image_size=32, base_channels=4)
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.sees_target = sees_target
        self.asked: list[Question] = []

    def answer(self, question: Question) -> torch.Tensor:
        self.asked.append(question)
        return question.bank[:, 0]


def test_the_target_is_shown_to_those_alone_who_declare_it(tiny_dataset: Path) -> None:
    for sees in (False, True):
        network = Watched(sees_target=sees)
        found = evaluate(network, open_dataset(tiny_dataset), stride=3)
        assert found.sees_target is sees
        assert network.asked
        assert all((question.driving is not None) is sees for question in network.asked)
        assert all(question.bank.shape[1] == 5 for question in network.asked)


@KINDS
def test_a_hidden_target_changes_no_bit_of_the_answer(kind: str) -> None:
    """Other pixels in the target's place: X2Face's answer is another, all others' the same."""
    network = small(kind)
    random = torch.Generator().manual_seed(1)
    bank, one, other = (torch.rand(s, generator=random) * 2 - 1 for s in ((2, 5, 3, 32, 32), *[(2, 3, 32, 32)] * 2))
    landmarks = torch.rand(2, 6, 68, 2, generator=random) * 31
    asked = Question(bank, landmarks[:, :5], landmarks[:, 5], one)
    with torch.no_grad():
        first, second = (network.answer(asked._replace(driving=target)) for target in (one, other))
    assert torch.equal(first, second) is (kind != "x2face")


@KINDS
def test_every_network_is_measured_the_same_whatever_the_batches(tiny_dataset: Path, kind: str) -> None:
    network = small(kind)
    one, many = (evaluate(network, open_dataset(tiny_dataset), stride=2, batch_size=n) for n in (1, 4))
    assert one.l1 == pytest.approx(many.l1, rel=1e-4)
    assert one.overall.scores["trivial"] == pytest.approx(many.overall.scores["trivial"], rel=1e-6)


@KINDS
def test_every_network_takes_another_size(tiny_dataset: Path, kind: str) -> None:
    found = evaluate(NetworkAnswers(small(kind), InferenceSettings(Size(48, 64))), open_dataset(tiny_dataset), stride=4)
    assert found.image_size == (48, 64)


def test_what_one_network_knows_is_an_error_to_another() -> None:
    margin, source = InferenceSettings(warp_margin_px=30.0), InferenceSettings(source="nearest")
    assert margin.options_for(small("flnet")) == {"warp_margin_px": 30.0}
    assert source.options_for(small("ganimation")) == {"source": "nearest"}
    with pytest.raises(InputError, match="--warp-margin is nothing to a X2Face; leave it out"):
        margin.options_for(small("x2face"))
    with pytest.raises(InputError, match="--source is nothing to a Generator"):
        source.options_for(small("flnet"))


@KINDS
def test_costs_are_the_networks_own(kind: str) -> None:
    network = small(kind)
    assert parameters_of(network) == sum(value.numel() for value in network.parameters())
    assert gflop_of(network, SIZE) > 1e-3
    assert all(value.device.type == "cpu" for value in network.parameters())


def test_costs_at_the_papers_size() -> None:
    """5 sources of X2Face are five passes through its embedding network, at 256 pixels."""
    found = []
    for network_class, config in ((Generator, ModelConfig()), (GanimationGenerator, GanimationConfig())):
        with torch.device("meta"):
            network = network_class(config)  # type: ignore[arg-type]
        found.append(gflop_of(network, Size(224, 224)))
    assert found == pytest.approx([71.4, 59.8], abs=0.1)


# --- questions and ready pictures


def test_questions_as_files_hold_all_that_an_answer_needs(tiny_dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "questions"
    flags = ["--shards", str(tiny_dataset), "--write-questions", str(folder), "--image-size", "48"]
    assert main([*flags, "--stride", "2", "--device", "cpu"]) == 0
    contents = json.loads((folder / "questions.json").read_text())
    assert (contents["split"], contents["stride"], contents["image_size"]) == ("test", 2, "48x48")
    assert [video["id"] for video in contents["videos"]] == [f"08F/clip{i}.mp4" for i in (0, 1)] + ["09F/clip0.mp4"]
    dataset = open_dataset(tiny_dataset)
    for video, asked in zip(dataset.videos("test"), contents["videos"], strict=True):
        points = json.loads((folder / "landmarks" / f"{video.id}.json").read_text())
        assert list(points["frames"]) == asked["frames"]
        assert np.array(points["bank"]).shape == (5, 68, 2)
        for name in asked["frames"]:
            number = int(Path(name).stem)
            assert name == frame_name(video.id, number)
            with ShardReader(video.shard) as shard:
                rows = range(video.first_row, video.first_row + video.row_count)
                row = next(row for row in rows if shard.frame_index([row])[0] == number)
                wanted = (shard.landmarks([row])[0] + 0.5) * (48 / 224) - 0.5
            np.testing.assert_allclose(points["frames"][name], wanted, atol=1e-3)
            with Image.open(folder / "driving" / name) as picture:
                assert picture.size == (48, 48)
        assert all((folder / name).is_file() for name in asked["bank"])
        assert len(asked["bank"]) == 5


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A checkpoint of an FLNet as initialised."""
    config = TrainConfig(steps=1, model=ModelConfig(image_size=32, base_channels=4))
    payload: dict[str, Any] = {
        "step": 3, "config": to_dict(config), "generator": small("flnet").state_dict(), "dataset_digest": "d"
    }  # fmt: skip
    save_checkpoint(tmp_path / "ours", payload, keep=1)
    return tmp_path / "ours"


def test_ready_pictures_stand_in_the_same_table(
    tiny_dataset: Path, tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The true frames as answers are without a fault; and from a network's own pictures come the network's figures."""
    shards = ["--shards", str(tiny_dataset), "--device", "cpu", "--workers", "0", "--stride", "2"]
    questions = tmp_path / "questions"
    assert main([*shards, "--checkpoint", str(run), "--write-questions", str(questions)]) == 0
    answers = ["--answers", f"truth={questions / 'driving'}"]
    assert main([*shards, "--checkpoint", str(run), *answers]) == 0
    results = json.loads((run / "evaluation" / "test.json").read_text())
    truth = results["compared"]["truth"]
    assert truth["overall"]["scores"]["model"]["l1"] < 0.3, "8 bits"
    assert truth["answers"] == str(questions / "driving")
    assert truth["sees_target"] is None
    assert (results["sees_target"], results["network"], results["sources"]) == (False, "flnet", 5)
    assert results["batches_seen"] == 3 * 6
    table = capsys.readouterr().out
    assert "| truth | 32x32 | unknown |" in table
    assert main([*shards, *answers, "--image-size", "32", "--out", str(tmp_path / "alone")]) == 0
    alone = json.loads((tmp_path / "alone" / "test.json").read_text())
    assert alone["overall"] == truth["overall"]
    assert (tmp_path / "alone" / "test.png").is_file()


def test_pictures_of_another_size_are_brought_to_the_tables_and_that_is_said(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = ["--shards", str(tiny_dataset), "--device", "cpu", "--workers", "0", "--stride", "5"]
    assert main([*shards, "--image-size", "64", "--write-questions", str(tmp_path / "q")]) == 0
    answers = ["--answers", f"other={tmp_path / 'q' / 'driving'}", "--image-size", "32", "--out", str(tmp_path / "e")]
    assert main([*shards, *answers]) == 0
    assert "Pictures of other were brought to 32x32 from 64x64" in capsys.readouterr().out


def test_what_is_wrong_with_answers_is_one_line(
    tiny_dataset: Path, tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = ["--shards", str(tiny_dataset), "--device", "cpu", "--workers", "0", "--stride", "5"]
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.mkdir()
    (broken / "08F" / "clip0.mp4").mkdir(parents=True)
    for number in range(7):
        (broken / frame_name("08F/clip0.mp4", number)).write_bytes(b"no picture")
    for flags, says in (
        ([], "name somebody to be measured: --checkpoint or --answers, or give --write-questions"),
        (["--answers", "x"], "--answers must be NAME=FOLDER, got 'x'"),
        (["--answers", f"x={tmp_path / 'none'}"], "none: no such folder of answers"),
        (["--answers", f"x={empty}"], "there is no answer to this frame; --write-questions lists them all (with"),
        (["--answers", f"x={broken}"], "000000.png: cannot be read as a picture"),
        (["--answers", f"x={empty}", f"x={empty}"], "--answers: the name 'x' is taken; choose another"),
        (["--checkpoint", str(run), "--answers", f"ours={empty}"], "the name 'ours' is taken"),
        (["--checkpoint", str(run), "--source", "nearest"], "--source is nothing to a Generator; leave it out"),
    ):
        assert main([*shards, "--out", str(tmp_path / "out"), *flags]) == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert says in error
    assert not (tmp_path / "out").exists()


def test_ready_answers_want_nothing_of_the_machine() -> None:
    ready = ReadyAnswers(Path("x"), SIZE)
    assert (ready.device.type, ready.sees_target, ready.warp_margin_px) == ("cpu", None, None)
    assert NetworkAnswers(small("x2face"), InferenceSettings()).warp_margin_px is None
    assert NetworkAnswers(small("flnet"), InferenceSettings()).warp_margin_px == 40
