"""The settings of the two networks that the paper compares FLNet with; the defaults are as they were published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.config import NetworkConfig
from model.setting import at_least, check, one_of, setting

ConditionForm = Literal["tiles", "field"]
Pairs = Literal["speaker", "any"]
SourceChoice = Literal["first", "nearest"]
Optimiser = Literal["sgd", "adam"]


@dataclass(frozen=True)
class GanimationConfig(NetworkConfig):
    """GANimation (Pumarola et al. 2018) with "the AU label replaced by target landmarks" ("Baseline Methods").

    `condition_form`: the landmarks repeated over all pixels, as the AUs were, or as FLNet's field of offsets. `pairs`:
    whose landmarks are desired in training, those of the batch's target (the same speaker), or of its next video.
    `source`: which of the five bank images is the identity image at test; in training it is drawn.
    """

    condition_form: ConditionForm = setting(
        "tiles",
        help="the landmarks: 136 numbers repeated over all pixels, or FLNet's field of offsets",
        flag="--condition",
    )
    pairs: Pairs = setting("speaker", help="desired landmarks in training: of the target, or of the batch's next video")
    source: SourceChoice = setting("first", help="identity image at test: bank image 1, or that of nearest landmarks")


@dataclass(frozen=True)
class GanimationWeights:
    """λ of GANimation's losses (`model.network.ganimation_losses`); `reconstruction` is not in its paper."""

    adversarial: float = setting(1.0, at_least(0), "λ_I", flag="--adversarial-weight", metavar="W")
    gradient_penalty: float = setting(10.0, at_least(0), "λ_gp", flag="--gradient-penalty-weight", metavar="W")
    condition: float = setting(160.0, at_least(0), "λ_y", flag="--condition-weight", metavar="W")
    identity: float = setting(10.0, at_least(0), "λ_idt", flag="--identity-weight", metavar="W")
    attention: float = setting(0.1, at_least(0), "λ_A", flag="--attention-weight", metavar="W")
    tv: float = setting(2.5e-4, at_least(0), "λ_TV", flag="--tv-weight", metavar="W")
    reconstruction: float = setting(
        0.0, at_least(0), "λ_rec, L1 to the target; none as published", flag="--reconstruction-weight", metavar="W"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class X2FaceConfig(NetworkConfig):
    """X2Face (Wiles et al. 2018), stage I, which is what its authors released.

    `sources`: bank images that a training target is made from. One trains no confidence, so that at test the five are
    plainly averaged; five train it, and at test weigh by it. `identity_start`: both networks begin by leaving pixels
    where they are, where Xavier's weights begin by throwing them half a face about.
    """

    sources: int = setting(
        1,
        one_of((1, 5)),
        "bank images a training target is made from: 1, averaged at test, or 5, weighted",
        metavar="N",
    )
    identity_start: bool = setting(False, help="both networks begin by leaving pixels where they are")
    optimizer: Optimiser = setting("sgd", help="sgd (momentum 0.9), or Adam")


@dataclass(frozen=True)
class X2FaceWeights:
    """X2Face's one loss has no weight."""
