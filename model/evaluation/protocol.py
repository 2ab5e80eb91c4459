"""The evaluation protocol: every test frame in order, each answer to it measured, per speaker and over all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from model.config import Size
from model.data.batch import Batch
from model.data.examples import evaluation_split
from model.data.loader import BatchDataset, batches
from model.data.sampler import Group, fixed_groups
from model.data.to_device import prepare_batch, question_of
from model.evaluation.answers import Answerer, NetworkAnswers, frame_name
from model.evaluation.copied_answers import copied_bank_image
from model.evaluation.metrics import AnsweredBatch, FrameMetric, Metric, Scores, l1_figures
from model.network.nearest import nearest_landmarks
from model.network.question import Network
from model.pictures import require_finite
from model.pixels import to_levels
from model.trained import InferenceSettings
from pipeline import log
from pipeline.errors import DatasetError
from pipeline.shards import Dataset, ShardPool, ShardReader, Video


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
        image_size: height and width of the images that were compared, in pixels.
        warp_margin_px: M that the network warped with, in pixels of a 224-pixel image; None where there is no warp.
        sees_target: whether the network was shown the target images; None where nobody knows.
        stride: every how many-th frame was taken.
        overall: every frame counts alike.
        speakers: by name.
        frames: every frame's own score, in order.
    """

    split: str
    image_size: Size
    warp_margin_px: float | None
    sees_target: bool | None
    stride: int
    overall: SpeakerScores
    speakers: dict[str, SpeakerScores]
    frames: tuple[FrameScore, ...] = field(default=(), repr=False)

    @property
    def l1(self) -> float:
        """Mean absolute difference of the network's images, 0-255."""
        return self.overall.scores["model"]["l1"]


def evaluate(
    network: Network | Answerer,
    dataset: Dataset,
    *,
    metrics: Sequence[Metric] | None = None,
    split: str | None = None,
    stride: int = 1,
    batch_size: int = 16,
    workers: int = 0,
    progress: bool = False,
) -> Evaluation:
    """Measure a network on a split, beside the trivial answers (which always have the stored bank of five).

    The protocol is fixed: the frames in order, each video's bank as `fixed_groups` chooses it.

    Args:
        network: on the device to compute on, run as in training; or who else has answers (`NetworkAnswers` runs it in
            another way).
        dataset: any; that of the training for its own test split.
        metrics: fresh ones (`model.evaluation.selection`); None measures L1 alone.
        split: "test", else "val", where None.
        stride: every how many-th frame of a video.
        batch_size: frames at once; changes nothing but speed.

    Raises:
        DatasetError: no such split, or no frame in it.
    """
    split, whole = split_groups(dataset, split, stride)
    groups = cut(whole, batch_size)
    metrics = [FrameMetric(l1_figures)] if metrics is None else metrics
    asked = NetworkAnswers(network, InferenceSettings()) if isinstance(network, Network) else network
    counts: dict[str, int] = {}
    frames: list[FrameScore] = []
    # A batch is of one video: what follows frame upon frame (`temporal`) comes in order.
    with asked.ready():
        loading = batches(BatchDataset(_Plan(groups)), 0, len(groups), workers=workers)
        with closing(loading) as loaded, closing(ShardPool()) as pool:
            for group, batch in log.progress(
                zip(groups, loaded, strict=True), "evaluating", unit="batches", total=len(groups), disable=not progress
            ):
                # The source's numbers, by which ready pictures are named and frames follow each other.
                numbers = pool.reader(group.video.shard).frame_index(group.target_rows)
                answered = _ask(asked, batch, group.video, torch.from_numpy(numbers).long())
                for metric in metrics:
                    metric.update(answered)
                frames += _frame_scores(group, answered)
                counts[answered.speaker] = counts.get(answered.speaker, 0) + len(answered.target)
    speakers = {name: SpeakerScores(count, _merged(metrics, name)) for name, count in sorted(counts.items())}
    overall = SpeakerScores(sum(counts.values()), _merged(metrics, None))
    return Evaluation(
        split, asked.size, asked.warp_margin_px, asked.sees_target, stride, overall, speakers, tuple(frames)
    )


def split_groups(dataset: Dataset, split: str | None, stride: int) -> tuple[str, list[Group]]:
    """The split ("test", else "val", where None), and its frames: a group a video.

    Raises:
        DatasetError: no such split, or no frame in it.
    """
    split = split or evaluation_split(dataset)
    if split is None:
        raise DatasetError(f"{dataset.root}: neither a test nor a val split to evaluate on; name one with --split")
    groups = fixed_groups(dataset.videos(split), dataset.bank_from, stride=stride)
    if not groups:
        raise DatasetError(f"{dataset.root}: the split '{split}' has no frame to evaluate on")
    return split, groups


def names_of(groups: Sequence[Group]) -> tuple[str, ...]:
    """The names of the groups' frames in the answers of others (`model.evaluation.answers.frame_name`)."""
    names = []
    for group in groups:
        with ShardReader(group.video.shard) as shard:
            names += [frame_name(group.video.id, number) for number in shard.frame_index(group.target_rows).tolist()]
    return tuple(names)


def _ask(asked: Answerer, batch: Batch, video: Video, frame_index: Tensor) -> AnsweredBatch:
    device = asked.device
    prepared = prepare_batch(batch, device, asked.size)
    names = tuple(frame_name(video.id, number) for number in frame_index.tolist())
    question = question_of(prepared, bool(asked.sees_target), names)
    # In pixels of the stored images, so that the same image is the nearest at every size.
    nearest = nearest_landmarks(batch.target_landmarks, batch.bank_landmarks[batch.group]).to(device)
    images = {
        "model": require_finite(asked.answer(question)),
        "trivial": copied_bank_image(prepared.bank, batch.target_openness, batch.bank_openness[batch.group]),
        "landmarks": prepared.bank[torch.arange(len(nearest), device=device), nearest],
    }
    answers = {name: to_levels(image) for name, image in images.items()}
    target, landmarks = to_levels(prepared.target), prepared.target_landmarks
    return AnsweredBatch(target, answers, landmarks, video.speaker, video.id, frame_index)


def _frame_scores(group: Group, answered: AnsweredBatch) -> list[FrameScore]:
    values = l1_figures(answered.answers["model"], answered)["l1"].tolist()
    return [
        FrameScore(replace(group, target_rows=(row,)), l1) for row, l1 in zip(group.target_rows, values, strict=True)
    ]


class _Plan:
    """A list of groups as a plan of batches of one group each (a class: worker processes unpickle it)."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = groups

    def __call__(self, index: int) -> Sequence[Group]:
        return self.groups[index : index + 1]


def cut(groups: Sequence[Group], size: int) -> list[Group]:
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
