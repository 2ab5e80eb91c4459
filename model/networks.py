"""The networks that can be trained, by name: nothing else in the program knows their names.

Torch is not loaded here, so that who only plans experiments need not wait for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.baseline_config import GanimationConfig, GanimationWeights, X2FaceConfig, X2FaceWeights
from model.config import LossWeights, ModelConfig, TrainConfig
from model.setting import from_dict
from pipeline.errors import InputError

GENERATOR, DISCRIMINATOR = "generator", "discriminator"
PUBLISHED, STRONG = "published", "strong"


@dataclass(frozen=True)
class Protocol:
    """Settings that a network is trained with, where they are not the defaults.

    Attributes:
        training: of `TrainConfig`.
        model: of the network's configuration.
        weights: of its losses.
    """

    training: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A kind of network.

    Attributes:
        title: for people.
        config, weights: the classes of its settings and of its losses' weights.
        generator, recipe: "module:class" of the network that makes images, and of how it is trained.
        has_critic: whether a run of some settings trains a discriminator.
        protocols: by name; "published" is what its authors did, "strong" its strongest honest version.
        unused: settings of a training run that mean nothing to it.
        critic_can_rest: whether it can be trained without its discriminator.
    """

    title: str
    config: type[Any]
    weights: type[Any]
    generator: str
    recipe: str
    has_critic: Callable[[TrainConfig], bool]
    protocols: Mapping[str, Protocol]
    unused: frozenset[str] = frozenset()
    critic_can_rest: bool = False


_LAST_THIRD = 1 / 3

NETWORKS: Mapping[str, Kind] = {
    "flnet": Kind(
        title="FLNet",
        config=ModelConfig,
        weights=LossWeights,
        generator="model.network.generator:Generator",
        recipe="model.training.recipes.flnet:FlnetRecipe",
        has_critic=lambda config: bool(config.weights.adversarial > 0),
        protocols={PUBLISHED: Protocol()},
        critic_can_rest=True,
    ),
    "ganimation": Kind(
        title="GANimation",
        config=GanimationConfig,
        weights=GanimationWeights,
        generator="model.network.ganimation:GanimationGenerator",
        recipe="model.training.recipes.ganimation:GanimationRecipe",
        has_critic=lambda _: True,
        protocols={
            PUBLISHED: Protocol({"decay_share": _LAST_THIRD}),
            STRONG: Protocol(
                {"decay_share": _LAST_THIRD},
                {"condition_form": "field", "source": "nearest"},
                {"reconstruction": 100.0},
            ),
        },
        unused=frozenset({"history_size"}),
    ),
    "x2face": Kind(
        title="X2Face",
        config=X2FaceConfig,
        weights=X2FaceWeights,
        generator="model.network.x2face:X2Face",
        recipe="model.training.recipes.x2face:X2FaceRecipe",
        has_critic=lambda _: False,
        protocols={
            PUBLISHED: Protocol({"learning_rate": 1e-3, "decay_share": _LAST_THIRD, "decay": "tenth"}),
            STRONG: Protocol(
                {"decay_share": _LAST_THIRD, "decay": "tenth"},
                {"sources": 5, "identity_start": True, "optimizer": "adam"},
            ),
        },
        unused=frozenset({"history_size", "discriminator_steps"}),
    ),
}


def kind_of(name: str) -> Kind:
    """The kind of that name.

    Raises:
        InputError: there is none.
    """
    if name not in NETWORKS:
        raise InputError(f"network must be one of {', '.join(NETWORKS)}, got {name!r}")
    return NETWORKS[name]


def protocol_of(network: str, name: str) -> Protocol:
    """The settings of a protocol.

    Raises:
        InputError: there is no such network, or it has no such protocol.
    """
    kind = kind_of(network)
    if name not in kind.protocols:
        raise InputError(f"--protocol of {network} must be one of {', '.join(kind.protocols)}, got {name!r}")
    return kind.protocols[name]


def protocol_name(config: TrainConfig) -> str:
    """The protocol that a run's network and losses are of, or nothing where they are of none."""
    kind = kind_of(config.network)
    parts = (("model", config.model, kind.config()), ("weights", config.weights, kind.weights()))
    for name, protocol in kind.protocols.items():
        if all(
            getattr(own, setting) == getattr(protocol, part).get(setting, getattr(default, setting))
            for part, own, default in parts
            for each in kind.protocols.values()
            for setting in getattr(each, part)
        ):
            return name
    return ""


def schedule_of(config: TrainConfig) -> tuple[str, ...]:
    """Which network each batch of a step updates: the discriminator some times, then the generator once."""
    critic = config.discriminator_steps if kind_of(config.network).has_critic(config) else 0
    return (*(DISCRIMINATOR,) * critic, GENERATOR)


def read_config(values: Mapping[str, Any], origin: str = "config") -> TrainConfig:
    """The settings of a run from JSON or a checkpoint; one from before there were other networks is FLNet's.

    Raises:
        InputError: an unknown network or setting, or a value of another type or out of range; `origin` is named.
    """
    kind = kind_of(str(values.get("network", TrainConfig.network)))
    return from_dict(TrainConfig, values, origin, {"model": kind.config, "weights": kind.weights})


def checkpoint_config(payload: Mapping[str, Any], path: Path) -> TrainConfig:
    """The settings that a checkpoint holds, whoever wrote it.

    Raises:
        InputError: they are no settings; names the file.
    """
    try:
        return read_config(payload["config"], str(path))
    except (TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path}: its settings cannot be read ({error}); use an earlier one") from error


def load_class(place: str) -> Any:
    """The class at "module:class"."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
