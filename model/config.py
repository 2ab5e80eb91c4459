"""The settings of FLNet, its losses and a training run: checked when made, plain JSON when written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from model.setting import Rule, above, at_least, between, check, one_of, require, setting
from pipeline.errors import InputError

PAPER_IMAGE_SIZE = 224
GENERATOR_DOWNSAMPLING = 4
"""The generator halves its images twice, so sides are multiples of 4."""
DISCRIMINATOR_DOWNSAMPLING = 16
"""The discriminator halves them four times, so sides are multiples of 16 where it is trained."""
SMALLEST_SIDE = 32
LARGEST_SIDE = 4096
BANK_SIZES = (1, 3, 5)

Streams = Literal["both", "warp", "appearance"]
Precision = Literal["auto", "fp32", "bf16"]
Initialisation = Literal["ganimation", "pytorch"]
Guidance = Literal["none", "landmarks"]
Decay = Literal["line", "tenth"]

GENERATOR_SIDE = Rule(
    lambda side: SMALLEST_SIDE <= side <= LARGEST_SIDE and side % GENERATOR_DOWNSAMPLING == 0,
    f"a multiple of {GENERATOR_DOWNSAMPLING} from {SMALLEST_SIDE} to {LARGEST_SIDE}",
)
DISCRIMINATOR_SIDE = Rule(
    lambda side: side % DISCRIMINATOR_DOWNSAMPLING == 0,
    f"a multiple of {DISCRIMINATOR_DOWNSAMPLING} with the adversarial loss",
)
BETAS = Rule(lambda betas: all(0 <= beta < 1 for beta in betas), "two numbers in [0, 1)")


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
        require(GENERATOR_SIDE, "image_size", side)
    return size


@dataclass(frozen=True)
class NetworkConfig:
    """What all networks have; `bank_size` bank images come with each target."""

    image_size: int = setting(
        PAPER_IMAGE_SIZE,
        GENERATOR_SIDE,
        "side of the images, by default the dataset's; frames, landmarks, K and warp margin are brought to it together",
        metavar="PX",
    )
    base_channels: int = setting(
        64,
        between(1, 1024),
        "channels of the first convolution; others have 2 and 4 times as many, or more",
        metavar="C",
    )
    bank_size: int = setting(5, one_of(BANK_SIZES))

    def __post_init__(self) -> None:
        check(self)

    @property
    def size(self) -> Size:
        """Of the images it is trained on."""
        return Size(self.image_size, self.image_size)

    def check_losses(self, weights: Any) -> None:
        """Raises `InputError` where losses of these weights cannot train the network."""


@dataclass(frozen=True)
class ModelConfig(NetworkConfig):
    """FLNet ("Network Structure", "Implementation"); the defaults are the paper's.

    `bank_size` (N) and `streams` are what the ablations change: a bank of 3 or 1, "warp" (V = 1) or "appearance"
    (V = 0). `warp_margin_px` is M in pixels of a 224-pixel image: a face in a smaller image moves by fewer pixels, and
    the same motion stays the same value of the warp field.
    """

    bank_size: int = setting(5, one_of(BANK_SIZES), ablation="bank=1|3|5")
    streams: Streams = setting("both", ablation="streams=warp|appearance|both")
    warp_margin_px: float = setting(
        40.0, above(0), "longest warp along x or y, in pixels of a 224-pixel image", flag="--warp-margin", metavar="PX"
    )
    initialisation: Initialisation = setting(
        "ganimation", help="of the convolutions: GANimation's N(0, 0.02), or PyTorch's own"
    )
    guide: Guidance = setting(
        "none", help="landmarks: masks and warps start from what the landmarks say by themselves (not in the paper)"
    )

    def check_losses(self, weights: LossWeights) -> None:
        if weights.adversarial > 0:
            require(DISCRIMINATOR_SIDE, "image_size", self.image_size)


@dataclass(frozen=True)
class LossWeights:
    """The λ of Eq. 17, in its order, and one of ours; a weight of 0 leaves its term out of the computation."""

    sparsity: float = setting(1.0, at_least(0), "λ_SV", flag="--sparsity-weight", metavar="W")
    tv: float = setting(1e-5, at_least(0), "λ_TV", flag="--tv-weight", metavar="W")
    reconstruction: float = setting(250.0, at_least(0), "λ_rec", flag="--reconstruction-weight", metavar="W")
    perceptual: float = setting(
        1.0, at_least(0), "λ_p; 0 needs no VGG16 weights", flag="--perceptual-weight", metavar="W"
    )
    adversarial: float = setting(
        1.0, at_least(0), "λ_adv; 0 trains no discriminator", flag="--adversarial-weight", metavar="W"
    )
    appearance: float = setting(
        0.0,
        at_least(0),
        "of L_rec on I_a, as Eq. 12 is on I_w, so that I_a is an image before V takes from it (not in the paper)",
        flag="--appearance-weight",
        metavar="W",
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class TrainConfig:
    """One training run; the defaults are the paper's where it states them.

    Steps are updates of the generator. `frames_per_video` targets are drawn from one video, so that a batch has
    `batch_size / frames_per_video` videos (the paper: 16 frames from 4 videos). `model` and `weights` are those of the
    `network`: see `model.networks`.
    """

    network: str = setting("flnet")
    steps: int = setting(100_000, at_least(1), "generator steps in all; the paper gives no number", metavar="N")
    batch_size: int = setting(
        16,
        at_least(1),
        "targets a step over all processes and parts, 4 of a video, or the most that divide it",
        metavar="N",
    )
    frames_per_video: int = setting(4, at_least(1))
    learning_rate: float = setting(1e-4, above(0), "of generator and discriminator alike", metavar="RATE")
    betas: tuple[float, float] = setting((0.5, 0.999), BETAS)
    decay_share: float = setting(
        0.0,
        between(0, 1),
        "of the steps, at the end, over which the learning rate falls",
        metavar="SHARE",
    )
    decay: Decay = setting("line", help="how it falls: to 0 in a straight line, or to a tenth at once")
    discriminator_steps: int = setting(
        5,
        at_least(1),
        "discriminator updates before each generator update; 0: as --adversarial-weight 0",
        metavar="N",
    )
    history_size: int = setting(
        320,
        at_least(0),
        "earlier generated images that the discriminator is shown again; 0: none",
        metavar="IMAGES",
    )
    accumulation_steps: int = setting(
        1,
        at_least(1),
        "parts that each process's share of a batch is cut into, to fit a smaller GPU",
        flag="--accumulate",
        metavar="N",
    )
    precision: Precision = setting("auto", help="auto: bf16 on a GPU that has it, fp32 elsewhere")
    compile: bool = setting(False)
    augment: bool = setting(
        False, help="mirror and tint whole videos at random, for corpora of few people (not in the paper)"
    )
    seed: int = setting(0, help="of the weights, the choice of frames and the history", metavar="N")
    checkpoint_every: int = setting(1000, at_least(1), "steps; and at the end", metavar="STEPS")
    keep_checkpoints: int = setting(3, at_least(1), "how many of the latest stay on disk", metavar="K")
    picture_every: int = setting(1000, at_least(1), "steps between picture grids; and at the end", metavar="STEPS")
    log_every: int = setting(10, at_least(1), "steps that a row of metrics.csv is the mean of", metavar="STEPS")
    model: Any = field(default_factory=ModelConfig)
    weights: Any = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        check(self)
        whole_videos = Rule(
            lambda size: size % self.frames_per_video == 0, f"a multiple of frames_per_video = {self.frames_per_video}"
        )
        require(whole_videos, "batch_size", self.batch_size)
        self.model.check_losses(self.weights)
