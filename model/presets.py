"""Whole sets of settings by a name: `--preset`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAPER = "paper"

PRESETS: Mapping[str, Mapping[str, Any]] = {
    PAPER: {},
    "small": {"image_size": 112, "base_channels": 32, "batch_size": 8, "steps": 20_000, "decay_share": 0.5},
    "cpu": {
        "image_size": 64,
        "base_channels": 16,
        "batch_size": 4,
        "steps": 2000,
        "learning_rate": 1e-3,
        "decay_share": 0.5,
        "guide": "landmarks",
        "appearance_weight": 250.0,
        "perceptual_weight": 0.0,
        "adversarial_weight": 0.0,
        "checkpoint_every": 500,
        "picture_every": 500,
    },
}
"""Flags by their keys in a file of settings, where they are not the defaults; a network takes those that it has."""

PRESETS_HELP = (
    "many settings at once, each of which its own flag changes. paper: the defaults, for a GPU; small: half that "
    "size, for a modest one; cpu: a network of 64 pixels whose masks start from the landmarks, minutes on a CPU "
    "(default paper)"
)
