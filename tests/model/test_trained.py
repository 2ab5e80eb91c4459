"""A generator from a checkpoint: only the one that its weights are for, and quickly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from model.checkpoint import save_checkpoint
from model.config import ModelConfig, TrainConfig
from model.network.generator import Generator
from model.setting import to_dict
from model.trained import load_trained
from pipeline.errors import InputError

CPU = torch.device("cpu")
SMALL = ModelConfig(image_size=32, base_channels=2)


def saved(run: Path, weights: dict[str, Any], claimed: ModelConfig = SMALL) -> Path:
    config = to_dict(TrainConfig(steps=1, model=claimed))
    payload = {"step": 1, "config": config, "generator": weights, "dataset_digest": "d"}
    return save_checkpoint(run, payload, keep=1)


def test_weights_come_back(tmp_path: Path) -> None:
    weights = Generator(SMALL).state_dict()
    found = load_trained(saved(tmp_path, weights), CPU).generator.state_dict()
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], value) for name, value in weights.items())


def test_a_network_larger_than_its_weights_takes_no_memory(tmp_path: Path) -> None:
    claimed = ModelConfig(image_size=32, base_channels=1024)
    path = saved(tmp_path, Generator(SMALL).state_dict(), claimed)
    with pytest.raises(InputError, match="is more than the file holds"):
        load_trained(path, CPU)
    larger = ModelConfig(image_size=32, base_channels=4)
    assert Generator(larger).config == larger, "networks are made as before"


def test_weights_of_another_type_are_not_converted(tmp_path: Path) -> None:
    weights = {name: value.double() for name, value in Generator(SMALL).state_dict().items()}
    with pytest.raises(InputError, match=r"must be torch\.float32, got torch\.float64"):
        load_trained(saved(tmp_path, weights), CPU)


def test_no_compiler_is_loaded(tmp_path: Path) -> None:
    """`torch._dynamo` and what it imports take two seconds."""
    path = saved(tmp_path, Generator(SMALL).state_dict())
    code = (
        "import sys, torch; from pathlib import Path; from model.trained import load_trained\n"
        "load_trained(Path(sys.argv[1]), torch.device('cpu')); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
