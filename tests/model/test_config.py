"""Settings: the paper's defaults, scaling, round trips through JSON, and errors that name the setting."""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest

from model.config import LossWeights, ModelConfig, TrainConfig, parse_size
from model.networks import read_config
from model.setting import add_flags, given, to_dict
from pipeline.errors import InputError


def test_defaults_are_the_papers() -> None:
    config = TrainConfig(steps=1)
    assert (config.batch_size, config.frames_per_video, config.discriminator_steps) == (16, 4, 5)
    assert (config.learning_rate, config.betas) == (1e-4, (0.5, 0.999))
    assert tuple(to_dict(config.weights).values()) == (1.0, 1e-5, 250.0, 1.0, 1.0, 0.0)
    assert (config.model.image_size, config.model.base_channels, config.model.bank_size) == (224, 64, 5)


@pytest.mark.parametrize(("text", "size"), [("64", (64, 64)), ("96x128", (96, 128)), ("100X36", (100, 36))])
def test_sizes_are_height_by_width(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [("large", "must be a number or HEIGHTxWIDTH, got 'large'"), ("1x2x3", "got '1x2x3'"), ("64x90", "got 90"),
     ("28", "a multiple of 4 from 32 to 4096, got 28")],
)  # fmt: skip
def test_sizes_that_the_network_does_not_take(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_size(text)


def test_only_the_discriminator_needs_sixteen() -> None:
    model = ModelConfig(image_size=100)
    assert TrainConfig(steps=1, model=model, weights=LossWeights(adversarial=0)).model.image_size == 100
    with pytest.raises(InputError, match="image_size must be a multiple of 16 with the adversarial loss, got 100"):
        TrainConfig(steps=1, model=model)


def test_settings_survive_json() -> None:
    config = TrainConfig(
        steps=7, betas=(0.1, 0.2), model=ModelConfig(64, 8, 3, "warp"), weights=LossWeights(perceptual=0)
    )
    assert read_config(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stepz": 3}, "run.json: unknown setting stepz"),
        ({"model": {"size": 3}}, "run.json: model: unknown setting size"),
        ({"model": 3}, "run.json: model must be a mapping of settings, got 3"),
        ({"batch_size": "many"}, "run.json: batch_size must be a whole number, got 'many'"),
        ({"batch_size": True}, "run.json: batch_size must be a whole number, got True"),
        ({"compile": 1}, "run.json: compile must be true or false, got 1"),
        ({"betas": [0.5]}, "run.json: betas must be two numbers, got [0.5]"),
        ({"learning_rate": None}, "run.json: learning_rate must be a number, got None"),
        ({"precision": "fp8"}, "precision must be one of ('auto', 'fp32', 'bf16'), got fp8"),
    ],
)
def test_a_bad_setting_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_config({"steps": 1, **change}, origin="run.json")
    assert str(caught.value).startswith(message)


def test_a_setting_that_is_absent_has_its_default() -> None:
    assert read_config({"steps": 3}) == TrainConfig(steps=3)


def test_every_flag_is_a_settings_own_and_what_is_not_given_is_not_there() -> None:
    parser = argparse.ArgumentParser()
    for kind in (TrainConfig, ModelConfig, LossWeights):
        add_flags(parser, kind)
    words = "--steps 7 --warp-margin 30 --augment --perceptual-weight 0 --initialisation pytorch --no-augment"
    args = parser.parse_args(words.split())
    assert given(args, TrainConfig) == {"steps": 7, "augment": False}
    assert given(args, ModelConfig) == {"warp_margin_px": 30.0, "initialisation": "pytorch"}
    assert given(args, LossWeights) == {"perceptual": 0.0}
    told = " ".join(parser.format_help().split())
    assert "λ_TV (default 1e-05)" in told
    assert "the dataset's; frames, landmarks, K and warp margin are brought to it together (default 224)" in told


@pytest.mark.parametrize(
    "change",
    [
        {"image_size": 90},
        {"image_size": 16},
        {"initialisation": "xavier"},
        {"bank_size": 2},
        {"streams": "all"},
        {"warp_margin_px": 0.0},
    ],
)
def test_a_network_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(change))} must be"):
        ModelConfig(**change)


def test_a_batch_holds_whole_videos() -> None:
    with pytest.raises(InputError, match="batch_size must be a multiple of frames_per_video = 4, got 6"):
        TrainConfig(steps=1, batch_size=6)


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(InputError, match="tv must be at least 0, got -1"):
        LossWeights(tv=-1)
