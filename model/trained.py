"""A trained generator from a checkpoint, for evaluation and animation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from model.checkpoint import load_checkpoint, resolve_checkpoint
from model.config import TrainConfig
from model.network.generator import Generator
from model.setting import from_dict
from pipeline.errors import InputError


@dataclass(frozen=True)
class Trained:
    """A generator ready to use, and where it comes from.

    Attributes:
        generator: in evaluation mode, on the device, without gradients.
        config: the training run's settings; `config.model` are the network's.
        checkpoint: the file it was read from.
        step: generator updates it has had.
        dataset_digest: of the dataset it was trained on.
    """

    generator: Generator
    config: TrainConfig
    checkpoint: Path
    step: int
    dataset_digest: str


def load_trained(checkpoint: Path, device: torch.device) -> Trained:
    """Read a generator from a checkpoint file, or from the newest sound checkpoint of a run folder.

    Raises:
        InputError: no such file, not a readable checkpoint, or weights of another network than its settings say.
    """
    path = resolve_checkpoint(checkpoint)
    payload = load_checkpoint(path)
    missing = {"config", "generator", "step", "dataset_digest"} - payload.keys()
    if missing:
        raise InputError(f"{path}: not a training run's checkpoint, it lacks {', '.join(sorted(missing))}")
    config = from_dict(TrainConfig, payload["config"], str(path))
    generator = Generator(config.model)
    try:
        generator.load_state_dict(payload["generator"])
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: the weights do not fit the checkpoint's own settings ({reason})") from error
    generator = generator.to(device).eval().requires_grad_(False)
    return Trained(generator, config, path, int(payload["step"]), str(payload["dataset_digest"]))
