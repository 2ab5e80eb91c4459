"""What all runs of an experiment have in common, written into its folder so that nothing else is mixed with them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from model.config import TrainConfig
from model.experiments.plan import ROWS, VARIATIONS, Row, Training, varied_row
from model.networks import schedule_of
from pipeline.errors import DatasetError, InputError
from pipeline.files import atomic_write
from pipeline.shards import Dataset, open_dataset

SETUP_FILE = "experiment.json"
SPLITS = ("test", "val")
BATCHES_A_STEP = len(schedule_of(TrainConfig()))
"""`--steps` are FLNet's, published; whoever takes fewer batches a step gets more steps."""


@dataclass(frozen=True)
class Corpus:
    """One dataset of an experiment.

    Attributes:
        shards: its folder.
        digest: of its content.
        corpus: what its build says it is: "timit", "faceforensics", …
        split: that is measured.
        size: its splits in numbers, as far as the dataset tells.
    """

    shards: str
    digest: str
    corpus: str
    split: str
    size: Any = None


@dataclass(frozen=True)
class Setup:
    """The settings that results depend on, but for networks, protocols and seeds.

    Attributes:
        steps: FLNet's; all others draw as many batches.
        image_size, base_channels, batch_size: of `model.train`.
        train_flags: further ones, for all networks.
        network_flags: further ones, by network.
        stride: every how many-th test frame is measured.
        evaluate_flags: of `model.evaluate`.
        corpora: by name.
        variations: of FLNet, which a user has added to the ablations: flags of `model.train`, by name.
    """

    steps: int
    image_size: int
    base_channels: int
    batch_size: int
    train_flags: tuple[str, ...] = ()
    network_flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stride: int = 1
    evaluate_flags: tuple[str, ...] = ()
    corpora: Mapping[str, Corpus] = field(default_factory=dict)
    variations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> dict[str, Row]:
        """All rows that tables may have, by key."""
        return {**ROWS, **{row.key: row for row in map(varied_row, self.variations)}}

    @cached_property
    def trainings(self) -> dict[str, Training]:
        """All trainings that rows measure, by name."""
        return {row.training.name: row.training for row in self.rows.values()}

    @property
    def batches(self) -> int:
        """That every training draws."""
        return self.steps * BATCHES_A_STEP

    def train_command(self, corpus: str, training: Training, seed: int, folder: Path) -> list[str]:
        """The arguments of `model.train`."""
        sizes = {
            "--image-size": self.image_size,
            "--base-channels": self.base_channels,
            "--batch-size": self.batch_size,
        }
        return [
            *("--shards", self.corpora[corpus].shards, "--out", str(folder), "--resume"),
            *training.flags,
            *("--batches", str(self.batches), "--seed", str(seed)),
            *(word for flag, value in sizes.items() for word in (flag, str(value))),
            *self.train_flags,
            *self.network_flags.get(training.network, ()),
            *self.variations.get(training.variation, ()),
        ]

    def evaluate_command(self, corpus: str, row: Row, checkpoint: Path, folder: Path) -> list[str]:
        """The arguments of `model.evaluate`."""
        of = self.corpora[corpus]
        return [
            *("--shards", of.shards, "--checkpoint", str(checkpoint), "--out", str(folder), "--split", of.split),
            *("--stride", str(self.stride)),
            *row.answer,
            *self.evaluate_flags,
        ]


def open_corpora(words: str) -> dict[str, Corpus]:
    """The datasets of `--datasets`.

    Args:
        words: "NAME=FOLDER", several with commas between.

    Raises:
        InputError: no name, or one twice.
        DatasetError: a dataset cannot be opened, or lacks a training split, or a test and a val split.
    """
    found: dict[str, Corpus] = {}
    for word in filter(None, words.split(",")):
        name, sign, folder = word.strip().partition("=")
        if not sign or not name.isidentifier() or name in found:
            raise InputError(f"--datasets must be NAME=FOLDER[,NAME=FOLDER…], each name a word and once; got {word!r}")
        found[name] = _described(open_dataset(folder))
    if not found:
        raise InputError("name the datasets with --datasets NAME=FOLDER[,NAME=FOLDER…]")
    return found


def _described(dataset: Dataset) -> Corpus:
    split = next((split for split in SPLITS if split in dataset.splits), None)
    if split is None or "train" not in dataset.splits:
        raise DatasetError(
            f"{dataset.root}: has {', '.join(dataset.splits)} alone, and a comparison needs people to train on and "
            "others to measure: build it of more speakers or videos"
        )
    splits = dataset.contents["splits"]
    size = splits if isinstance(splits, dict) else None
    return Corpus(str(dataset.root), dataset.digest, dataset.corpus, split, size)


def check_variations(variations: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The flags of each variation, in words.

    Raises:
        InputError: a name that is a row's of the paper already, or cannot name a folder.
    """
    for name in variations:
        if name in VARIATIONS or re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) is None:
            raise InputError(
                f"--variations: {name!r} must be small letters, digits and hyphens, and none of {', '.join(VARIATIONS)}"
            )
    return {name: tuple(shlex.split(flags)) for name, flags in variations.items()}


def claim(out: Path, setup: Setup) -> Setup:
    """Write down the setup of a folder, or hold it against what the runs in there were made with.

    Returns:
        The setup, with the corpora that are there already as well.

    Raises:
        InputError: it differs.
    """
    path = out / SETUP_FILE
    if not path.is_file():
        _write(path, setup, first_wins=True)
    there = load_setup(out)
    mine, theirs = plain_setup(setup), plain_setup(there)
    for name in mine.keys() - {"corpora", "variations"}:
        if mine[name] != theirs[name]:
            raise InputError(
                f"{path}: the runs here have {name} {theirs[name]!r}, not {mine[name]!r}; give another --out"
            )
    for name, corpus in setup.corpora.items():
        known = there.corpora.get(name)
        if known is not None and (known.digest, known.split) != (corpus.digest, corpus.split):
            raise InputError(
                f"{path}: {name} was another dataset ({known.digest[:12]}…, now {corpus.digest[:12]}…); give another "
                "--out"
            )
    for name, flags in setup.variations.items():
        if name in there.variations and there.variations[name] != flags:
            raise InputError(
                f"{path}: the variation {name} was {shlex.join(there.variations[name])!r}, not {shlex.join(flags)!r}; "
                "give it another name"
            )
    corpora = {**there.corpora, **setup.corpora}
    variations = {**there.variations, **setup.variations}
    merged = Setup(**{**_fields(there), "corpora": corpora, "variations": variations})
    if merged != there:
        _write(path, merged, first_wins=False)
    return merged


def load_setup(out: Path) -> Setup:
    """The setup of a folder that has one."""
    contents = json.loads((out / SETUP_FILE).read_text(encoding="utf-8"))
    tuples = {name: tuple(contents[name]) for name in ("train_flags", "evaluate_flags")}
    flags = {
        kind: {name: tuple(words) for name, words in contents.get(kind, {}).items()}
        for kind in ("network_flags", "variations")
    }
    corpora = {name: Corpus(**values) for name, values in contents["corpora"].items()}
    return Setup(**{**contents, **tuples, **flags, "corpora": corpora})


def _write(path: Path, setup: Setup, *, first_wins: bool) -> None:
    with atomic_write(path, first_wins=first_wins) as partial:
        partial.write_text(json.dumps(plain_setup(setup), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def plain_setup(setup: Setup) -> dict[str, Any]:
    """As JSON holds it."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(setup)))
    return plain


def _fields(setup: Setup) -> dict[str, Any]:
    return {name: getattr(setup, name) for name in setup.__dataclass_fields__}
