"""What the experiments consist of: rows of the tables, and the trainings that they measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.networks import PUBLISHED, STRONG

# FLNet's, "Ablation study": a bank of its first 1 or 3 images, and one stream of the two.
VARIATIONS = {
    "bank-1": ("--ablation", "bank=1"),
    "bank-3": ("--ablation", "bank=3"),
    "appearance": ("--ablation", "streams=appearance"),
    "warp": ("--ablation", "streams=warp"),
}


@dataclass(frozen=True)
class Training:
    """One way to train.

    Attributes:
        network, protocol: of `model.networks`.
        variation: one of `VARIATIONS`, one that the setup knows, or none.
    """

    network: str
    protocol: str = PUBLISHED
    variation: str = ""

    @property
    def name(self) -> str:
        """Of its run folders."""
        return "-".join(part for part in (self.network, self.protocol, self.variation) if part)

    @property
    def flags(self) -> tuple[str, ...]:
        """Of `model.train`; the setup adds those of its own variations."""
        chosen = ("--network", self.network, "--protocol", self.protocol)
        return (*chosen, *VARIATIONS.get(self.variation, ()))


@dataclass(frozen=True)
class Row:
    """One row of a table: a training, and what it is shown at test.

    Attributes:
        key: in files.
        title: for people.
        training: what it measures.
        answer: flags of `model.evaluate` that change what the network is given.
        method: what the paper's Table 1 calls it, where this is its row.
        short: what sentences call it; without one, its title.
    """

    key: str
    title: str
    training: Training
    answer: tuple[str, ...] = ()
    method: str = ""
    short: str = ""

    @property
    def name(self) -> str:
        """In sentences."""
        return self.short or self.title


_GANIMATION, _X2FACE = Training("ganimation"), Training("x2face")
_FLNET = Training("flnet")

TABLE1 = (
    Row("ganimation", "GANimation + landmarks, bank image 1", _GANIMATION, method="GANimation", short="GANimation"),
    Row(
        "ganimation-nearest",
        "… nearest of the 5 (same weights)",
        _GANIMATION,
        ("--source", "nearest"),
        short="GANimation, nearest",
    ),
    Row(
        "ganimation-strong",
        "… strong: L1 to the target, field of offsets, nearest of the 5",
        Training("ganimation", STRONG),
        short="GANimation, strong",
    ),
    Row("flnet-bank-1", "FLNet, bank of 1", Training("flnet", PUBLISHED, "bank-1")),
    Row("x2face", "X2Face, 5 sources", _X2FACE, method="X2Face", short="X2Face"),
    Row(
        "x2face-strong",
        "… strong: 5 weighted in training, identity start, Adam",
        Training("x2face", STRONG),
        short="X2Face, strong",
    ),
    Row("flnet", "FLNet", _FLNET, method="Ours"),
)
"""In the order of the table; a kind row stands below the published one."""

ABLATIONS = (
    Row("flnet-bank-1", "1B", Training("flnet", PUBLISHED, "bank-1")),
    Row("flnet-bank-3", "3B", Training("flnet", PUBLISHED, "bank-3")),
    Row("flnet-appearance", "A", Training("flnet", PUBLISHED, "appearance")),
    Row("flnet-warp", "W", Training("flnet", PUBLISHED, "warp")),
    Row("flnet", "A+W = 5B", _FLNET),
)
ROWS = {row.key: row for row in (*TABLE1, *ABLATIONS)}
TRAININGS = {row.training.name: row.training for row in ROWS.values()}


def varied_row(name: str) -> Row:
    """The row of a variation of FLNet that is not the paper's, and that a user has named."""
    return Row(f"flnet-{name}", name, Training("flnet", PUBLISHED, name))


# Of each pair the first is expected to have the smaller error.
TABLE1_CLAIMS = (("flnet", "x2face", "ganimation"),)
ABLATION_CLAIMS = (("flnet", "flnet-bank-3", "flnet-bank-1"), ("flnet", "flnet-appearance"), ("flnet", "flnet-warp"))

PRINTED = {
    "timit": {"GANimation": (10.86, 59.65), "X2Face": (8.31, 30.50), "Ours": (7.99, 17.07)},
    "faceforensics": {"GANimation": (16.19, 47.99), "X2Face": (11.05, 23.98), "Ours": (10.20, 20.62)},
}
"""The paper's Table 1: L1 and FID of each method, by the corpus that a dataset says it is."""


def chosen_rows(networks: Sequence[str], protocols: Sequence[str]) -> list[Row]:
    """The rows of Table 1 of some networks and protocols."""
    return [row for row in TABLE1 if row.training.network in networks and row.training.protocol in protocols]
