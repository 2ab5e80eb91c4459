"""What the figures are of: one corpus or several side by side, each with the networks that were trained on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from model.data.batch import PreparedBatch
from model.data.examples import evaluation_split, load_groups, load_targets
from model.data.sampler import Group, fixed_groups
from model.data.to_device import question_of
from model.evaluation.answers import NetworkAnswers
from model.network.generator import GeneratorOutput
from model.network.question import evaluating
from model.trained import InferenceSettings, Trained, load_all
from pipeline.errors import DatasetError, InputError
from pipeline.shards import Dataset, open_dataset


@dataclass(frozen=True)
class Corpus:
    """One corpus of a figure.

    Attributes:
        name: its caption.
        dataset: where the frames come from.
        split: of it.
        networks: by the names of their runs; the first is that of Figures 2, 5 and 6.
        inference: how the networks are run.
        speakers: whom to show, in this order; none shows any.
    """

    name: str
    dataset: Dataset
    split: str
    networks: Mapping[str, Trained]
    inference: InferenceSettings
    speakers: tuple[str, ...] = ()

    @property
    def network(self) -> Trained:
        """The first network."""
        return next(iter(self.networks.values()))

    @cached_property
    def groups(self) -> list[Group]:
        """The test frames of evaluation's protocol, a group a video, by speaker where speakers are named.

        Raises:
            InputError: no such speaker in the split.
            DatasetError: no frame to show.
        """
        groups = fixed_groups(self.dataset.videos(self.split), self.dataset.bank_from)
        if not groups:
            raise DatasetError(f"{self.dataset.root}: the split '{self.split}' has no frame to show")
        known = sorted({group.video.speaker for group in groups})
        for speaker in self.speakers:
            if speaker not in known:
                raise InputError(
                    f"{self.dataset.root}: split '{self.split}' has no speaker {speaker}; it has {', '.join(known)}"
                )
        return [group for speaker in self.speakers or known for group in groups if group.video.speaker == speaker]

    @torch.no_grad()
    def run(self, network: Trained, groups: Sequence[Group]) -> tuple[PreparedBatch, GeneratorOutput]:
        """The groups' targets as an FLNet sees them, with the bank images that it uses, and what it makes.

        Raises:
            InputError: it is another network, without streams and masks.
        """
        generator = network.flnet
        batch = load_groups(groups, generator.config, network.device, self.inference.size_for(generator))
        return batch, generator(batch.bank, batch.field, self.inference.warp_margin_px)

    def answers(self, network: Trained, groups: Sequence[Group]) -> tuple[PreparedBatch, Tensor]:
        """The groups' targets with their banks, and what any network makes of them, (B, 3, H, W) in [-1, 1]."""
        asked = NetworkAnswers(network.generator, self.inference)
        batch = load_targets(groups, network.device, asked.size)
        with evaluating(network.generator):
            return batch, asked.answer(question_of(batch, asked.sees_target))


def open_corpora(
    shards: Sequence[str],
    checkpoints: Sequence[str],
    speakers: Sequence[str],
    split: str | None,
    inference: InferenceSettings,
    device: torch.device,
) -> list[Corpus]:
    """The corpora that the command's flags name, in the order of `--shards`.

    Args:
        shards, checkpoints, speakers: "NAME=VALUE" each, or plain values where there is one corpus.
        split: of all of them; None is "test", else "val".

    Raises:
        InputError: a flag without a name where there are several corpora, an unknown name, or a corpus without a
            checkpoint.
        DatasetError: a dataset cannot be opened, or has neither split.
    """
    folders: dict[str, str] = {}
    for word in shards:
        name, folder = split_name(word)
        if name in folders or (len(shards) > 1 and not name):
            raise InputError(f"--shards must be NAME=FOLDER, each name once, where there are several; got {word!r}")
        folders[name] = folder
    of_corpus = named("--checkpoint", checkpoints, list(folders))
    of_speaker = named("--speaker", speakers, list(folders))
    corpora = []
    for name, folder in folders.items():
        if not of_corpus[name]:
            raise InputError(f"--checkpoint names none for the corpus {name!r}; add {name}=RUN")
        dataset = open_dataset(Path(folder))
        chosen = split or evaluation_split(dataset)
        if chosen is None:
            raise DatasetError(f"{dataset.root}: neither a test nor a val split to show; name one with --split")
        networks = load_all([Path(path) for path in of_corpus[name]], device)
        caption = name or dataset.root.resolve().name
        corpora.append(Corpus(caption, dataset, chosen, networks, inference, tuple(of_speaker[name])))
    return corpora


def named(flag: str, words: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """A flag's values by corpus; of the only corpus also without its name.

    Raises:
        InputError: a value of none of the corpora.
    """
    found: dict[str, list[str]] = {name: [] for name in names}
    for word in words:
        name, value = split_name(word)
        if name not in found and len(names) == 1:
            name, value = names[0], word
        if name not in found:
            raise InputError(f"{flag} must be NAME=VALUE with a name of --shards ({', '.join(names)}), got {word!r}")
        found[name].append(value)
    return found


def split_name(word: str) -> tuple[str, str]:
    """`"timit=out/timit"` as name and value; the name is empty in a plain path, which may hold "=" itself."""
    name, sign, value = word.partition("=")
    return (name, value) if sign and name.isidentifier() and not Path(word).exists() else ("", word)
