"""The evaluation protocol: every test frame in order, each answer to it measured, per speaker and over all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import torch
from tqdm import tqdm

from model.data.batch import Batch
from model.data.examples import evaluation_split
from model.data.loader import BatchDataset, batches
from model.data.sampler import Group, bank_choice, fixed_groups
from model.data.to_device import prepare_batch
from model.evaluation.copied_answers import copied_bank_image, nearest_landmarks
from model.evaluation.metrics import Examined, FrameMetric, Metric, Scores, l1_figures
from model.network.generator import Generator
from pipeline.errors import DatasetError
from pipeline.shards import Dataset

STORED_BANK = 5


@dataclass(frozen=True)
class SpeakerScores:
    """The figures of one speaker's frames, or of all."""

    frames: int
    scores: Scores


@dataclass(frozen=True)
class FrameScore:
    """How one frame fared.

    Attributes:
        group: the frame alone, and the bank that it was made from.
        l1: of the network's image, 0-255.
    """

    group: Group
    l1: float

    @property
    def number(self) -> int:
        """Its place among the video's frames in the dataset, from 0."""
        return self.group.target_rows[0] - self.group.video.first_row


@dataclass(frozen=True)
class Evaluation:
    """What was measured: `overall.scores["model"]["l1"]` is the L1 of the paper's Table 1.

    Attributes:
        split: the dataset's split.
        image_size: side of the images that were compared, in pixels: the network's own.
        stride: every how many-th frame was taken.
        overall: every frame counts alike.
        speakers: by name.
        frames: every frame's own score, in order.
    """

    split: str
    image_size: int
    stride: int
    overall: SpeakerScores
    speakers: dict[str, SpeakerScores]
    frames: tuple[FrameScore, ...] = field(default=(), repr=False)

    @property
    def l1(self) -> float:
        """Mean absolute difference of the network's images, 0-255."""
        return self.overall.scores["model"]["l1"]

    @property
    def trivial_l1(self) -> float:
        """The same of the bank image of nearest mouth openness, copied."""
        return self.overall.scores["trivial"]["l1"]


def evaluate(
    generator: Generator,
    dataset: Dataset,
    device: torch.device,
    *,
    metrics: Sequence[Metric] | None = None,
    split: str | None = None,
    stride: int = 1,
    batch_size: int = 16,
    workers: int = 0,
    warp_margin_px: float | None = None,
    progress: bool = False,
) -> Evaluation:
    """Measure a generator on a split, beside the trivial answers (which always have the stored bank of five).

    The protocol is fixed: the frames in order, each video's bank as `fixed_groups` chooses it.

    Args:
        generator: on `device`; `generator.config` says the image size.
        dataset: any; that of the training for its own test split.
        metrics: fresh ones (`model.evaluation.selection`); None measures L1 alone.
        split: "test", else "val", where None.
        stride: every how many-th frame of a video.
        batch_size: frames at once; changes nothing but speed.
        warp_margin_px: another M, in pixels of a 224-pixel image.

    Raises:
        DatasetError: no such split, or no frame in it.
    """
    split = split or evaluation_split(dataset)
    if split is None:
        raise DatasetError(f"{dataset.root}: neither a test nor a val split to evaluate on; name one with --split")
    groups = _cut(fixed_groups(dataset.videos(split), dataset.corpus, stride=stride), batch_size)
    if not groups:
        raise DatasetError(f"{dataset.root}: the split '{split}' has no frame to evaluate on")
    metrics = [FrameMetric(l1_figures)] if metrics is None else metrics
    counts: dict[str, int] = {}
    frames: list[FrameScore] = []
    was_training = generator.training
    generator.eval()
    try:
        with closing(batches(BatchDataset(_Plan(groups)), 0, len(groups), workers=workers)) as loaded:
            for group, batch in tqdm(zip(groups, loaded, strict=True), "evaluating", len(groups), disable=not progress):
                examined = _examine(generator, batch, group.video.speaker, device, warp_margin_px)
                for metric in metrics:
                    metric.update(examined)
                frames += _frame_scores(group, examined)
                counts[examined.speaker] = counts.get(examined.speaker, 0) + len(examined.target)
    finally:
        generator.train(was_training)
    speakers = {name: SpeakerScores(count, _merged(metrics, name)) for name, count in sorted(counts.items())}
    overall = SpeakerScores(sum(counts.values()), _merged(metrics, None))
    return Evaluation(split, generator.config.image_size, stride, overall, speakers, tuple(frames))


@torch.no_grad()
def _examine(
    generator: Generator, batch: Batch, speaker: str, device: torch.device, warp_margin_px: float | None
) -> Examined:
    prepared = prepare_batch(batch, device, generator.config.size)
    choice = list(bank_choice(generator.config.bank_size))
    out = generator(prepared.bank[:, choice], prepared.field[:, choice], warp_margin_px)
    nearest = nearest_landmarks(prepared.target_landmarks, prepared.bank_landmarks)
    images = {
        "model": out.output,
        "trivial": copied_bank_image(prepared.bank, batch.target_openness, batch.bank_openness[batch.group]),
        "landmarks": prepared.bank[torch.arange(len(nearest), device=device), nearest],
    }
    answers = {name: (image + 1) * 127.5 for name, image in images.items()}
    return Examined((prepared.target + 1) * 127.5, answers, prepared.target_landmarks, speaker)


def _frame_scores(group: Group, examined: Examined) -> list[FrameScore]:
    values = l1_figures(examined.answers["model"], examined)["l1"].tolist()
    return [
        FrameScore(replace(group, target_rows=(row,)), l1) for row, l1 in zip(group.target_rows, values, strict=True)
    ]


class _Plan:
    """A list of groups as a plan of batches of one group each (a class: worker processes unpickle it)."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = groups

    def __call__(self, index: int) -> Sequence[Group]:
        return self.groups[index : index + 1]


def _cut(groups: Sequence[Group], size: int) -> list[Group]:
    """Groups of at most `size` targets."""
    return [
        replace(group, target_rows=group.target_rows[start : start + size])
        for group in groups
        for start in range(0, len(group.target_rows), size)
    ]


def _merged(metrics: Sequence[Metric], speaker: str | None) -> Scores:
    merged: Scores = {}
    for metric in metrics:
        for answer, figures in metric.scores(speaker).items():
            merged.setdefault(answer, {}).update(figures)
    return merged


def extremes(frames: Sequence[FrameScore], each: int) -> list[tuple[str, FrameScore]]:
    """Up to `each` of the best, median and worst frames by L1, best first, every frame once at most.

    Returns:
        ("best" | "median" | "worst", frame) in rising L1.
    """
    order = sorted(frames, key=lambda frame: frame.l1)  # stable: equal ones stay in order
    each = min(each, len(order) // 3) or 1
    start = max(0, (len(order) - each) // 2)
    places = dict.fromkeys(range(max(0, len(order) - each), len(order)), "worst")
    places |= dict.fromkeys(range(start, min(start + each, len(order))), "median")
    places |= dict.fromkeys(range(min(each, len(order))), "best")
    return [(places[place], order[place]) for place in sorted(places)]
