"""Several corpora by name, one without: who belongs to whom, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.checkpoint import save_checkpoint
from model.config import LossWeights, ModelConfig, Size, TrainConfig
from model.drawing.corpora import Corpus, named, open_corpora, split_name
from model.network.generator import Generator
from model.setting import to_dict
from model.trained import InferenceSettings
from pipeline.errors import DatasetError, InputError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network as initialised."""
    config = TrainConfig(steps=1, model=ModelConfig(image_size=32, base_channels=2), weights=LossWeights(adversarial=0))
    state = Generator(config.model).state_dict()
    payload = {"step": 1, "config": to_dict(config), "generator": state, "dataset_digest": "d"}
    return str(save_checkpoint(tmp_path_factory.mktemp("run"), payload, keep=1))


def opened(shards: list[str], checkpoints: list[str], speakers: list[str], split: str | None = None) -> list[Corpus]:
    return open_corpora(shards, checkpoints, speakers, split, InferenceSettings(Size(32, 48)), torch.device("cpu"))


def test_a_name_stands_before_the_sign_unless_the_path_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert split_name("timit=out/timit") == ("timit", "out/timit")
    assert split_name("out/a=b") == ("", "out/a=b")
    assert split_name("plain") == ("", "plain")
    Path("a=b").mkdir()
    assert split_name("a=b") == ("", "a=b")


def test_values_go_to_their_corpora() -> None:
    assert named("--speaker", ["a=1", "b=2", "a=3"], ["a", "b"]) == {"a": ["1", "3"], "b": ["2"]}
    assert named("--speaker", ["x", "y"], [""]) == {"": ["x", "y"]}
    assert named("--speaker", ["a=x", "y"], ["a"]) == {"a": ["x", "y"]}, "the only corpus needs no name"
    with pytest.raises(InputError, match=r"--speaker must be NAME=VALUE with a name of --shards \(a, b\), got 'x'"):
        named("--speaker", ["x"], ["a", "b"])


def test_two_corpora_have_their_own_networks_and_speakers(
    tiny_dataset: Path, make_dataset: object, tmp_path: Path, run: str
) -> None:
    other = make_dataset(tmp_path / "ff", corpus="faceforensics", test={"000": 1, "001": 1})  # type: ignore[operator]
    shards = [f"timit={tiny_dataset}", f"ff={other}"]
    checkpoints = [f"ff={run}", f"timit={run}", f"timit={run}"]
    first, second = opened(shards, checkpoints, ["timit=09F"])
    assert (first.name, second.name) == ("timit", "ff")
    assert (len(first.networks), len(second.networks)) == (2, 1)
    assert {group.video.speaker for group in first.groups} == {"09F"}
    assert [group.video.speaker for group in second.groups] == ["000", "001"]
    assert all(group.bank_video == group.video for group in second.groups), "FaceForensics' bank is of the same video"
    batch, out = first.run(first.network, first.groups[:1])
    assert batch.target.shape[-2:] == out.output.shape[-2:] == (32, 48)


def test_what_does_not_fit_is_one_line(tiny_dataset: Path, make_dataset: object, tmp_path: Path, run: str) -> None:
    here = str(tiny_dataset)
    two = [f"a={here}", f"b={here}"]
    with pytest.raises(InputError, match="--shards must be NAME=FOLDER, each name once, where there are several"):
        opened([here, f"b={here}"], [run], [])
    with pytest.raises(InputError, match="each name once"):
        opened([f"a={here}", f"a={here}"], [run], [])
    with pytest.raises(InputError, match="--checkpoint names none for the corpus 'b'; add b=RUN"):
        opened(two, [f"a={run}"], [])
    with pytest.raises(InputError, match="--checkpoint must be NAME=VALUE"):
        opened(two, [f"c={run}"], [])
    (corpus,) = opened([here], [run], ["01M"])
    assert corpus.name == "out", "the name of its folder"
    with pytest.raises(InputError, match="split 'test' has no speaker 01M; it has 08F, 09F"):
        _ = corpus.groups
    untested = make_dataset(tmp_path / "untested", test={})  # type: ignore[operator]
    with pytest.raises(DatasetError, match="neither a test nor a val split to show; name one with --split"):
        opened([str(untested)], [run], [])
    (trained_on,) = opened([str(untested)], [run], [], "train")
    assert {group.video.speaker for group in trained_on.groups} == {"01M", "02M"}
