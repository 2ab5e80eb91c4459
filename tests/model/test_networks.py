"""The registry: what it names exists, protocols apply, old checkpoints are FLNet's, flags of others are refused."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from model.animate import main as animate
from model.baseline_config import X2FaceConfig, X2FaceWeights
from model.checkpoint import save_checkpoint
from model.config import TrainConfig
from model.export import main as export
from model.figures import main as draw
from model.network.question import Network
from model.network.x2face import X2Face
from model.networks import NETWORKS, kind_of, load_class, protocol_name, protocol_of, read_config, schedule_of
from model.setting import to_dict
from model.train import build_parser, config_from, main
from model.training.recipes.recipe import Recipe
from pipeline.errors import InputError

CPU = torch.device("cpu")


def config_of(*words: str) -> TrainConfig:
    """The settings that a command line gives."""
    network = words[words.index("--network") + 1] if "--network" in words else "flnet"
    return config_from(build_parser(network).parse_args(["--shards", "x", *words]), CPU)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_can_be_made_in_every_protocol(name: str) -> None:
    kind = kind_of(name)
    assert issubclass(load_class(kind.generator), Network)
    assert issubclass(load_class(kind.recipe), Recipe)
    for protocol in kind.protocols:
        config = config_of("--network", name, "--protocol", protocol)
        assert read_config(to_dict(config)) == config
        assert config.network == name
        assert isinstance(config.model, kind.config)


def test_protocols_are_the_published_settings() -> None:
    published = config_of("--network", "x2face")
    assert (published.learning_rate, published.decay, published.model.optimizer) == (1e-3, "tenth", "sgd")
    assert (published.model.sources, published.model.identity_start) == (1, False)
    strong = config_of("--network", "x2face", "--protocol", "strong")
    assert (strong.learning_rate, strong.betas, strong.model.optimizer) == (1e-4, (0.5, 0.999), "adam")
    assert (strong.model.sources, strong.model.identity_start) == (5, True)
    published = config_of("--network", "ganimation")
    assert (published.learning_rate, published.decay, published.decay_share) == (1e-4, "line", 1 / 3)
    assert (published.model.condition_form, published.model.source, published.weights.reconstruction) == (
        "tiles", "first", 0
    )  # fmt: skip
    strong = config_of("--network", "ganimation", "--protocol", "strong")
    assert (strong.model.condition_form, strong.model.source, strong.weights.reconstruction) == (
        "field",
        "nearest",
        100,
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_runs_protocol_is_known_by_its_network_and_losses(name: str) -> None:
    for protocol in kind_of(name).protocols:
        words = ("--network", name, "--protocol", protocol, "--image-size", "32", "--learning-rate", "0.01")
        assert protocol_name(config_of(*words)) == protocol
    if name != "flnet":
        own = {"ganimation": ("--condition", "field"), "x2face": ("--sources", "5")}[name]
        assert protocol_name(config_of("--network", name, *own)) == ""


def test_a_flag_goes_before_the_protocol() -> None:
    words = [
        "--network",
        "x2face",
        "--protocol",
        "strong",
        "--learning-rate",
        "0.01",
        "--sources",
        "1",
        "--no-identity-start",
    ]
    config = config_of(*words)
    assert (config.learning_rate, config.model.sources, config.model.identity_start) == (0.01, 1, False)
    assert config.model.optimizer == "adam"


def test_the_schedule_is_five_and_one_or_one_alone() -> None:
    six = ("discriminator",) * 5 + ("generator",)
    assert schedule_of(config_of()) == schedule_of(config_of("--network", "ganimation")) == six
    assert schedule_of(config_of("--network", "x2face")) == ("generator",)
    for words in (("--adversarial-weight", "0"), ("--discriminator-steps", "0")):
        assert schedule_of(config_of(*words)) == ("generator",)


def test_equal_batches_are_more_steps_where_a_step_takes_fewer() -> None:
    flags = ("--batches", "601")
    assert config_of(*flags).steps == config_of("--network", "ganimation", *flags).steps == 100
    assert config_of("--network", "x2face", *flags).steps == config_of("--adversarial-weight", "0", *flags).steps == 601
    for words, message in (
        (("--batches", "5"), "--batches must be at least 6, what one step takes, got 5"),
        (("--batches", "60", "--steps", "10"), "--steps and --batches are two ways to say the same"),
    ):
        with pytest.raises(InputError, match=message):
            config_of(*words)


def test_a_run_from_before_there_were_other_networks_is_flnets() -> None:
    old: dict[str, Any] = to_dict(TrainConfig(steps=7))
    del old["network"], old["decay"]
    assert read_config(old) == TrainConfig(steps=7)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"network": "fomm"}, "network must be one of flnet, ganimation, x2face, got 'fomm'"),
        ({"network": "x2face", "model": {"bank": 1}}, "run.json: model: unknown setting bank"),
        ({"network": "x2face", "weights": {"tv": 1}}, "run.json: weights: unknown setting tv"),
    ],
)
def test_bad_settings_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_config(values, "run.json")
    assert str(caught.value).startswith(message)


def test_a_protocol_that_a_network_has_not() -> None:
    with pytest.raises(InputError, match="--protocol of flnet must be one of published, got 'strong'"):
        protocol_of("flnet", "strong")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--network x2face --guide landmarks", "--guide is a flag of FLNet, not of X2Face"),
        ("--network x2face --ablation bank=1", "--ablation is a flag of FLNet, not of X2Face"),
        ("--network x2face --discriminator-steps 3", "--discriminator-steps is a flag of FLNet, not of X2Face"),
        ("--network ganimation --history-size 0", "--history-size is a flag of FLNet, not of GANimation"),
        ("--network ganimation --vgg-weights f", "--vgg-weights is a flag of FLNet, not of GANimation"),
        ("--sources 5", "--sources is a flag of X2Face, not of FLNet"),
        ("--pairs any", "--pairs is a flag of GANimation, not of FLNet"),
        ("--network fomm", "there is no 'fomm'; there are flnet, ganimation, x2face"),
    ],
)
def test_a_flag_of_another_network_is_an_error(capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--shards", "x", *words.split()])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_help_shows_a_networks_flags_and_a_protocols_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--network", "x2face", "--protocol", "strong", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "averaged at test, or 5, weighted (default 5)" in told
    assert "--guide" not in told
    assert "--history-size" not in told


def test_planning_needs_no_torch() -> None:
    code = "import sys, model.networks as n; n.schedule_of(n.TrainConfig()); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_commands_that_need_streams_say_so(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = TrainConfig(network="x2face", steps=1, model=X2FaceConfig(32, 4), weights=X2FaceWeights())
    state = X2Face(config.model).state_dict()
    payload = {"step": 1, "config": to_dict(config), "generator": state, "dataset_digest": "d"}
    run = str(save_checkpoint(tmp_path / "run", payload, keep=1))
    figures = ["--shards", str(tiny_dataset), "--checkpoint", run, "--out", str(tmp_path / "figures"), "--only"]
    for command in (
        partial(export, ["--checkpoint", run, "--out", str(tmp_path / "x.pt2")]),
        partial(animate, ["--checkpoint", run, "--source", str(tiny_dataset), "--driver", __file__, "--out", "x.mp4"]),
        partial(draw, [*figures, "5"]),
    ):
        assert command() == 1
        error = capsys.readouterr().err.splitlines()[-1]
        assert "this needs a network with a bank of streams (flnet), got x2face" in error
    assert draw([*figures, "2"]) == 0, "what needs but answers is drawn of any network"
