"""Trained generators from checkpoints, and how they are run: for evaluation, animation, figures and export."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from model.baseline_config import SourceChoice
from model.checkpoint import load_checkpoint, resolve_checkpoint
from model.config import Size, TrainConfig, parse_size
from model.network.generator import Generator
from model.network.question import Network
from model.networks import checkpoint_config, kind_of, load_class
from pipeline.errors import InputError

WIDEST_MARGIN = 1000
REGISTERED = 2  # times a parameter is given to a module: once more by spectral normalisation, of the same numbers


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

    generator: Network
    config: TrainConfig
    checkpoint: Path
    step: int
    dataset_digest: str

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        return next(self.generator.parameters()).device

    @property
    def flnet(self) -> Generator:
        """The generator, where it has a bank of streams.

        Raises:
            InputError: it is another network.
        """
        if not isinstance(self.generator, Generator):
            raise InputError(
                f"{self.checkpoint}: this needs a network with a bank of streams ({TrainConfig.network}), got "
                f"{self.config.network}"
            )
        return self.generator


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
    try:
        config = checkpoint_config(payload, path)
        make = load_class(kind_of(config.network).generator)
        weights = payload["generator"]
        with _room_for(weights):
            generator: Network = make(config.model)
        _check_types(generator.state_dict(), weights)
        generator.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: the weights do not fit the checkpoint's own settings ({reason})") from error
    generator = generator.to(device).eval().requires_grad_(False)
    return Trained(generator, config, path, int(payload["step"]), str(payload["dataset_digest"]))


@contextmanager
def _room_for(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """No network made within has many more numbers than its weights in the file, which nobody wrote for that network.

    Each parameter is looked at when its module is given it: it has an address by then, and no memory. (Made on the
    meta device, a network shows its shapes as well, but to fill them PyTorch loads its whole compiler, two seconds.)

    Raises:
        ValueError: the network is larger.
    """
    left = REGISTERED * sum(value.numel() for value in weights.values())

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal left
        left -= parameter.numel()
        if left < 0:
            raise ValueError(f"{type(module).__name__}.{name} of {tuple(parameter.shape)} is more than the file holds")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _check_types(wanted: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """`load_state_dict` would convert what it is given, and itself says what is missing.

    Raises:
        ValueError: a weight has another type than the network's.
    """
    for name, value in wanted.items():
        if name in weights and weights[name].dtype != value.dtype:
            raise ValueError(f"{name} must be {value.dtype}, got {weights[name].dtype}")


def load_all(checkpoints: Sequence[Path], device: torch.device) -> dict[str, Trained]:
    """Networks by the names of their run folders (or files), told apart by step or number where those agree.

    Raises:
        InputError: a checkpoint cannot be read.
    """
    found: dict[str, Trained] = {}
    for path in checkpoints:
        trained = load_trained(path, device)
        file = trained.checkpoint
        name = file.parent.parent.resolve().name if file.parent.name == "checkpoints" else file.stem
        if name in found:
            name = f"{name} step {trained.step}"
        found[name if name not in found else f"{name} ({len(found) + 1})"] = trained
    return found


@dataclass(frozen=True)
class InferenceSettings:
    """How a trained network is run; None is as in training. The paper leaves both to change ("Network Structure").

    Attributes:
        size: of the images; the network is fully convolutional ("Implementation").
        warp_margin_px: M, in pixels of a 224-pixel image. It scales the warp and nothing else.
        source: GANimation's identity image, the first of the bank or the nearest.
    """

    size: Size | None = None
    warp_margin_px: float | None = None
    source: SourceChoice | None = None

    def __post_init__(self) -> None:
        if self.warp_margin_px is not None and not 0 < self.warp_margin_px < WIDEST_MARGIN:
            raise InputError(f"--warp-margin must be above 0 and below {WIDEST_MARGIN}, got {self.warp_margin_px:g}")

    def size_for(self, network: Network) -> Size:
        """The size of the images that a network is given."""
        size: Size = self.size or network.config.size
        return size

    def margin_for(self, generator: Generator) -> float:
        """M that a generator warps with, in pixels of a 224-pixel image."""
        return self.warp_margin_px or generator.config.warp_margin_px

    def options_for(self, network: Network) -> dict[str, Any]:
        """The further arguments of a network's `answer` and `columns`.

        Raises:
            InputError: the network does not know one of them.
        """
        options = {"warp_margin_px": self.warp_margin_px, "source": self.source}
        given = {name: value for name, value in options.items() if value is not None}
        for name in given:
            if name not in network.options:
                flag = name.removesuffix("_px").replace("_", "-")
                raise InputError(f"--{flag} is nothing to a {type(network).__name__}; leave it out")
        return given


def add_inference_flags(add: Callable[..., object], any_size: bool = False) -> None:
    """The flags of `InferenceSettings`, given to an `add_argument`; `inference_settings` reads them.

    Args:
        add: the method of a parser or of a group of it.
        any_size: without the flag the command is for all sizes, not for that of the training.
    """
    add("--image-size", metavar="PX",
        help="size of the images, 64 or 96x128 (height x width): sides of at least 32 that 4 divides "
        f"(default: {'any' if any_size else 'as in training'})")  # fmt: skip
    add("--warp-margin", type=float, metavar="PX",
        help="another warp margin than the training's, in pixels of a 224-pixel image: it scales the warp and "
        "nothing else")  # fmt: skip


def add_source_flag(add: Callable[..., object]) -> None:
    """Another flag of `InferenceSettings`, for commands that take any network."""
    add("--source", choices=get_args(SourceChoice),
        help="GANimation: another identity image than the training's settings say, bank image 1 or that of nearest "
        "landmarks")  # fmt: skip


def inference_settings(args: argparse.Namespace) -> InferenceSettings:
    """What the flags of `add_inference_flags` say.

    Raises:
        InputError: a size that no generator takes, or a margin out of its range.
    """
    size = None if args.image_size is None else parse_size(args.image_size)
    return InferenceSettings(size, args.warp_margin, getattr(args, "source", None))
