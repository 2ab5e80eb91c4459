"""The settings of the network, its losses and a training run: checked when made, plain JSON when written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Literal, NamedTuple, TypeVar

from pipeline.errors import InputError

PAPER_IMAGE_SIZE = 224
GENERATOR_DOWNSAMPLING = 4
"""The generator halves its images twice, so sides are multiples of 4."""
DISCRIMINATOR_DOWNSAMPLING = 16
"""The discriminator halves them four times, so sides are multiples of 16 where it is trained."""
SMALLEST_SIDE = 32

Streams = Literal["both", "warp", "appearance"]
STREAMS: tuple[Streams, ...] = ("both", "warp", "appearance")
BANK_SIZES = (1, 3, 5)
Precision = Literal["auto", "fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("auto", "fp32", "bf16")
Initialisation = Literal["ganimation", "pytorch"]
Guidance = Literal["none", "landmarks"]
GUIDANCES: tuple[Guidance, ...] = ("none", "landmarks")
INITIALISATIONS: tuple[Initialisation, ...] = ("ganimation", "pytorch")


class Size(NamedTuple):
    """Height and width of images in pixels."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


def parse_size(text: str) -> Size:
    """`"64"` or `"96x128"` (height x width) as a size that the generator takes.

    Raises:
        InputError: no such words, or a side that is no multiple of 4 or below 32.
    """
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise InputError(f"--image-size must be a number or HEIGHTxWIDTH, got {text!r}")
    size = Size(int(sides[0]), int(sides[-1]))
    for side in size:
        _require(_suits_the_generator(side), "image_size", _SIDE_RULE, side)
    return size


@dataclass(frozen=True)
class ModelConfig:
    """The network ("Network Structure", "Implementation"); the defaults are the paper's.

    Attributes:
        image_size: side of the square images it is trained on in pixels, a multiple of 4, at least 32.
        base_channels: channels of the first convolution (64; the others are 2 and 4 times as many).
        bank_size: N, how many bank images the network sees: 5, or 3 or 1 for the ablation.
        streams: "both", or the one stream that the ablation keeps: "warp" (V = 1) or "appearance" (V = 0).
        warp_margin_px: M, the longest warp along x or y, in pixels of a 224-pixel image. A face in a smaller
            image moves by fewer pixels: M shrinks with the image, so that the same motion stays the same value of
            the warp field.
        initialisation: of the convolutions, see `model.network.spectral`.
        guide: "landmarks" lets M_w and W_w start from the landmarks' own answer (`model.network.guide`; not in the
            paper).
    """

    image_size: int = PAPER_IMAGE_SIZE
    base_channels: int = 64
    bank_size: int = 5
    streams: Streams = "both"
    warp_margin_px: float = 40.0
    initialisation: Initialisation = "ganimation"
    guide: Guidance = "none"

    def __post_init__(self) -> None:
        _require(_suits_the_generator(self.image_size), "image_size", _SIDE_RULE, self.image_size)
        _require(self.base_channels >= 1, "base_channels", "at least 1", self.base_channels)
        _require(self.bank_size in BANK_SIZES, "bank_size", f"one of {BANK_SIZES}", self.bank_size)
        _require(self.streams in STREAMS, "streams", f"one of {STREAMS}", self.streams)
        _require(self.warp_margin_px > 0, "warp_margin_px", "above 0", self.warp_margin_px)
        _require(
            self.initialisation in INITIALISATIONS, "initialisation", f"one of {INITIALISATIONS}", self.initialisation
        )

        _require(self.guide in GUIDANCES, "guide", f"one of {GUIDANCES}", self.guide)

    @property
    def size(self) -> Size:
        """Of the images it is trained on."""
        return Size(self.image_size, self.image_size)


@dataclass(frozen=True)
class LossWeights:
    """The λ of Eq. 17, in its order; a weight of 0 leaves its term out of the computation."""

    sparsity: float = 1.0
    tv: float = 1e-5
    reconstruction: float = 250.0
    perceptual: float = 1.0
    adversarial: float = 1.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            _require(value >= 0, name, "0 or more", value)


@dataclass(frozen=True)
class TrainConfig:
    """One training run; the defaults are the paper's where it states them.

    Attributes:
        steps: generator updates in all.
        batch_size: targets of one update, over all processes and accumulated parts together.
        frames_per_video: targets drawn from one video; a batch has `batch_size / frames_per_video` videos.
        learning_rate, betas: Adam's, of both networks.
        decay_share: share of the steps, at the end, over which the learning rate falls to 0 in a straight line.
        discriminator_steps: discriminator updates before each generator update.
        history_size: images held in the pool of generated images (`model.training.history`).
        accumulation_steps: parts that a process's share of the batch is cut into, to fit a smaller GPU.
        precision: "bf16" is autocast, "fp32" is not, "auto" is bf16 on a GPU that has it and fp32 elsewhere.
        compile: run both networks through `torch.compile`.
        augment: vary whole videos at random (`model.data.augment`; not in the paper).
        seed: of the weights, the batches and the history.
        checkpoint_every, picture_every, log_every: in generator updates.
        keep_checkpoints: how many of the latest checkpoints stay on disk.
    """

    steps: int
    batch_size: int = 16
    frames_per_video: int = 4
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    decay_share: float = 0.0
    discriminator_steps: int = 5
    history_size: int = 320
    accumulation_steps: int = 1
    precision: Precision = "auto"
    compile: bool = False
    augment: bool = False
    seed: int = 0
    checkpoint_every: int = 1000
    keep_checkpoints: int = 3
    picture_every: int = 1000
    log_every: int = 50
    model: ModelConfig = field(default_factory=ModelConfig)
    weights: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        for name in (
            "steps", "batch_size", "frames_per_video", "discriminator_steps", "accumulation_steps",
            "checkpoint_every", "keep_checkpoints", "picture_every", "log_every",
        ):  # fmt: skip
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _require(
            self.batch_size % self.frames_per_video == 0,
            "batch_size", f"a multiple of frames_per_video = {self.frames_per_video}", self.batch_size,
        )  # fmt: skip
        _require(self.learning_rate > 0, "learning_rate", "above 0", self.learning_rate)
        _require(0 <= self.decay_share <= 1, "decay_share", "between 0 and 1", self.decay_share)
        _require(all(0 <= beta < 1 for beta in self.betas), "betas", "two numbers in [0, 1)", self.betas)
        _require(self.history_size >= 0, "history_size", "0 (no history) or more", self.history_size)
        _require(self.precision in PRECISIONS, "precision", f"one of {PRECISIONS}", self.precision)
        if self.weights.adversarial > 0:
            _require(
                self.model.image_size % DISCRIMINATOR_DOWNSAMPLING == 0,
                "image_size", f"a multiple of {DISCRIMINATOR_DOWNSAMPLING} with the adversarial loss",
                self.model.image_size,
            )  # fmt: skip


Config = TypeVar("Config", ModelConfig, LossWeights, TrainConfig)


def to_dict(config: ModelConfig | LossWeights | TrainConfig) -> dict[str, Any]:
    """The settings as what JSON and a `weights_only` checkpoint can hold (tuples become lists)."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()}


def from_dict(kind: type[Config], values: Mapping[str, Any], origin: str = "config") -> Config:
    """The inverse of `to_dict`.

    Args:
        kind: the class to make.
        values: its settings; those of a nested class as a mapping of their own.
        origin: names the file or the section in messages.

    Raises:
        InputError: if a setting is unknown or has no value, or a value is out of range.
    """
    known = {f.name: f for f in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(f"{origin}: unknown setting {', '.join(unknown)}; known are {', '.join(known)}")
    without_default = {n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    missing = sorted(without_default - set(values))
    if missing:
        raise InputError(f"{origin}: setting {', '.join(missing)} is missing")
    return kind(**{name: _restore(known[name].type, v, f"{origin}: {name}") for name, v in values.items()})


NESTED: dict[str, type[Any]] = {"ModelConfig": ModelConfig, "LossWeights": LossWeights}


def _restore(annotation: Any, value: Any, origin: str) -> Any:
    """`value` as JSON gave it, checked against and turned into what a field's annotation (a string) says."""
    if annotation in NESTED:
        if not isinstance(value, Mapping):
            raise InputError(f"{origin} must be a mapping of settings, got {value!r}")
        return from_dict(NESTED[annotation], value, origin)
    if annotation == "tuple[float, float]":
        if not (isinstance(value, Sequence) and len(value) == 2 and all(map(_is_number, value))):
            raise InputError(f"{origin} must be two numbers, got {value!r}")
        return tuple(value)
    fits, description = {
        "int": (isinstance(value, int) and not isinstance(value, bool), "a whole number"),
        "float": (_is_number(value), "a number"),
        "bool": (isinstance(value, bool), "true or false"),
    }.get(annotation, (isinstance(value, str), "a word"))
    if not fits:
        raise InputError(f"{origin} must be {description}, got {value!r}")
    return value


_SIDE_RULE = f"a multiple of {GENERATOR_DOWNSAMPLING}, at least {SMALLEST_SIDE}"


def _suits_the_generator(side: int) -> bool:
    return side >= SMALLEST_SIDE and side % GENERATOR_DOWNSAMPLING == 0


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _require(holds: bool, name: str, rule: str, got: object) -> None:
    if not holds:
        raise InputError(f"{name} must be {rule}, got {got}")
