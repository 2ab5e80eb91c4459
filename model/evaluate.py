"""`python -m model.evaluate --shards out/ --checkpoint …`: figures of a trained network on the test split."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from tqdm import tqdm

from model.baseline import copied_bank_image
from model.config import ModelConfig
from model.data import Batch, BatchDataset, batches
from model.distributed import choose_device
from model.examples import draw_examples, evaluation_split, example_batch
from model.generator import Generator
from model.inference import Trained, load_trained
from model.metrics import Examined, L1Metric, Metric, Scores
from model.pictures import save_picture
from model.prepare import prepare_batch
from model.sampler import Group, bank_choice, fixed_groups
from pipeline.cli import run
from pipeline.errors import DatasetError
from pipeline.shards import Dataset, open_dataset

STORED_BANK = 5
FIGURES = {"l1": "L1", "mouth_l1": "mouth L1", "eyes_l1": "eyes L1"}
ANSWERS = {"model": "FLNet", "trivial": "copied"}


@dataclass(frozen=True)
class SpeakerScores:
    """The figures of one speaker's frames, or of all."""

    frames: int
    scores: Scores


@dataclass(frozen=True)
class Evaluation:
    """What was measured: `overall.scores["model"]["l1"]` is the L1 of the paper's Table 1.

    Attributes:
        split: the dataset's split.
        image_size: side of the images that were compared, in pixels: the network's own.
        stride: every how many-th frame was taken.
        overall: every frame counts alike.
        speakers: by name.
    """

    split: str
    image_size: int
    stride: int
    overall: SpeakerScores
    speakers: dict[str, SpeakerScores]

    @property
    def l1(self) -> float:
        """Mean absolute difference of the network's images, 0-255."""
        return self.overall.scores["model"]["l1"]

    @property
    def trivial_l1(self) -> float:
        """The same of the bank image of nearest mouth openness, copied."""
        return self.overall.scores["trivial"]["l1"]


def make_metrics() -> list[Metric]:
    """Everything that is measured; figures of a further metric stand beside these in JSON and table."""
    return [L1Metric()]


def evaluate_l1(
    generator: Generator,
    dataset: Dataset,
    device: torch.device,
    *,
    split: str | None = None,
    stride: int = 1,
    batch_size: int = 16,
    workers: int = 0,
    warp_margin_px: float | None = None,
    progress: bool = False,
) -> Evaluation:
    """Measure a generator on a split, beside the trivial answer (which always has the stored bank of five).

    The protocol is fixed: the frames in order, each video's bank as `fixed_groups` chooses it.

    Args:
        generator: on `device`; `generator.config` says the image size.
        dataset: any; that of the training for its own test split.
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
    metrics = make_metrics()
    frames: dict[str, int] = {}
    loaded = batches(BatchDataset(_Plan(groups)), 0, len(groups), workers=workers)
    shown = tqdm(zip(groups, loaded, strict=True), "evaluating", len(groups), disable=not progress)
    was_training = generator.training
    generator.eval()
    try:
        for group, batch in shown:
            examined = _examine(generator, batch, group.video.speaker, device, warp_margin_px)
            for metric in metrics:
                metric.update(examined)
            frames[examined.speaker] = frames.get(examined.speaker, 0) + len(examined.target)
    finally:
        generator.train(was_training)
    speakers = {name: SpeakerScores(count, _merged(metrics, name)) for name, count in sorted(frames.items())}
    overall = SpeakerScores(sum(frames.values()), _merged(metrics, None))
    return Evaluation(split, generator.config.image_size, stride, overall, speakers)


@torch.no_grad()
def _examine(
    generator: Generator, batch: Batch, speaker: str, device: torch.device, warp_margin_px: float | None
) -> Examined:
    margin = generator.config.warp_margin_px if warp_margin_px is None else warp_margin_px
    config: ModelConfig = replace(generator.config, bank_size=STORED_BANK)
    prepared = prepare_batch(batch, device, config)
    choice = list(bank_choice(generator.config.bank_size))
    margin_px = replace(config, warp_margin_px=margin).margin_px
    out = generator(prepared.bank[:, choice], prepared.field[:, choice], margin_px)
    trivial = copied_bank_image(prepared.bank, batch.target_openness, batch.bank_openness[batch.group])
    answers = {"model": (out.output + 1) * 127.5, "trivial": (trivial + 1) * 127.5}
    return Examined((prepared.target + 1) * 127.5, answers, prepared.target_landmarks, speaker)


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


def markdown_table(evaluation: Evaluation) -> str:
    """The evaluation as a Markdown table: a row per speaker, then all; the network beside the trivial answer."""
    figures = list(evaluation.overall.scores["model"])
    header = ["speaker", "frames"]
    header += [f"{FIGURES.get(figure, figure)} {ANSWERS[answer]}" for figure in figures for answer in ANSWERS]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for name, row in [*evaluation.speakers.items(), ("all", evaluation.overall)]:
        values = [row.scores.get(answer, {}).get(figure) for figure in figures for answer in ANSWERS]
        lines.append([name, str(row.frames), *("" if value is None else f"{value:.2f}" for value in values)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write_results(folder: Path, evaluation: Evaluation, trained: Trained, dataset: Dataset) -> None:
    """Write `<split>.json`, `<split>.md` and, with the fixed examples, `<split>.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    results = {
        "checkpoint": str(trained.checkpoint),
        "step": trained.step,
        "trained_on_digest": trained.dataset_digest,
        "dataset_digest": dataset.digest,
        **asdict(evaluation),
    }
    path = folder / f"{evaluation.split}.json"
    path.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(markdown_table(evaluation), encoding="utf-8")
    device = next(trained.generator.parameters()).device
    examples = example_batch(dataset, trained.config.model, device, evaluation.split)
    save_picture(path.with_suffix(".png"), draw_examples(trained.generator, examples))


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m model.evaluate",
        description="Measure a trained FLNet on the test split, beside the trivial answer: the bank image of nearest "
        "mouth openness, copied. L1 is in 0-255 units, at the network's image size.",
    )
    add = parser.add_argument
    add("--shards", type=Path, required=True, help="the dataset's folder (it holds dataset.json)")
    add("--checkpoint", type=Path, required=True, help="a .pt file, or a run folder: its newest checkpoint")
    add("--out", type=Path, help="folder for the results (default: evaluation/ beside the run's checkpoints/)")
    add("--split", help="default: test, else val")
    add("--stride", type=int, default=1, help="take every how many-th frame of a video (default 1: all)")
    add("--batch-size", type=int, default=16, help="frames at once (default 16)")
    add("--warp-margin", type=float, metavar="PX", help="another warp margin than the training's, at 224 pixels")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    add("--workers", type=int, default=1, help="loader processes (default 1)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run(build_parser(), _evaluate, argv)


def _evaluate(args: argparse.Namespace) -> int:
    device = choose_device(args.device)
    dataset = open_dataset(args.shards)
    trained = load_trained(args.checkpoint, device)
    evaluation = evaluate_l1(
        trained.generator,
        dataset,
        device,
        split=args.split,
        stride=args.stride,
        batch_size=args.batch_size,
        workers=args.workers,
        warp_margin_px=args.warp_margin,
        progress=True,
    )
    folder = args.out or trained.checkpoint.parent.parent / "evaluation"
    write_results(folder, evaluation, trained, dataset)
    print(markdown_table(evaluation), end="")
    print(f"{folder}: {evaluation.split}.json, .md and .png are here")
    return 0


if __name__ == "__main__":
    sys.exit(main())
