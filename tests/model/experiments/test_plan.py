"""What the experiments consist of, and that their commands are ones that `model.train` and `model.evaluate` take."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.evaluate import build_parser as evaluate_parser
from model.experiments.plan import ABLATIONS, PRINTED, ROWS, TABLE1, TRAININGS, chosen_rows
from model.experiments.setup import Corpus, Setup
from model.networks import NETWORKS
from model.train import build_parser, config_from

SETUP = Setup(
    steps=50, image_size=64, base_channels=8, batch_size=4, corpora={"timit": Corpus("out", "d", "timit", "test")}
)


def test_rows_stand_in_the_papers_order_kind_ones_below_the_published() -> None:
    assert [row.key for row in TABLE1] == [
        "ganimation", "ganimation-nearest", "ganimation-strong", "flnet-bank-1", "x2face", "x2face-strong", "flnet"
    ]  # fmt: skip
    assert [row.method for row in TABLE1 if row.method] == ["GANimation", "X2Face", "Ours"] == list(PRINTED["timit"])
    assert [row.title for row in ABLATIONS] == ["1B", "3B", "A", "W", "A+W = 5B"]
    assert {row.training.network for row in ROWS.values()} == set(NETWORKS)


def test_networks_and_protocols_choose_rows() -> None:
    assert [row.key for row in chosen_rows(["x2face", "flnet"], ["published"])] == ["flnet-bank-1", "x2face", "flnet"]
    assert [row.key for row in chosen_rows(["flnet"], ["strong"])] == []


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_is_a_command_of_equal_batches(name: str) -> None:
    training = TRAININGS[name]
    words = SETUP.train_command("timit", training, 3, Path("folder"))
    args = build_parser(training.network, training.protocol).parse_args([*words, "--device", "cpu"])
    config = config_from(args, torch.device("cpu"))
    assert config.steps * (1 if training.network == "x2face" else 6) == SETUP.batches == 300
    assert (config.seed, config.model.image_size, config.model.base_channels, config.batch_size) == (3, 64, 8, 4)
    assert config.network == training.network
    assert args.resume
    assert (config.model.bank_size != 5) is training.variation.startswith("bank")


@pytest.mark.parametrize("key", ROWS)
def test_every_row_is_measured_by_a_command(key: str) -> None:
    words = SETUP.evaluate_command("timit", ROWS[key], Path("step.pt"), Path("out"))
    args = evaluate_parser().parse_args(words)
    assert (args.split, args.stride, args.checkpoint) == ("test", 1, Path("step.pt"))
    assert args.source == ("nearest" if key == "ganimation-nearest" else None)


def test_flags_of_one_network_go_to_it_alone() -> None:
    setup = Setup(
        steps=1, image_size=64, base_channels=8, batch_size=4, train_flags=("--augment",),
        network_flags={"flnet": ("--guide", "landmarks")}, corpora=SETUP.corpora,
    )  # fmt: skip
    flnet, other = (setup.train_command("timit", TRAININGS[n], 0, Path()) for n in ("flnet-published", "x2face-strong"))
    assert flnet[-3:] == ["--augment", "--guide", "landmarks"]
    assert other[-1] == "--augment"
    assert "--guide" not in other
