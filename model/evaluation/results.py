"""What an evaluation leaves behind: figures as JSON, tables as Markdown, and a picture of the extreme frames."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.data.examples import load_targets
from model.data.to_device import question_of
from model.evaluation.answers import Answerer, ReadyAnswers
from model.evaluation.cost import gflop_of, parameters_of
from model.evaluation.protocol import Evaluation, FrameScore, extremes, names_of
from model.evaluation.tables import speaker_table, table1
from model.evaluation.temporal import MOTION_ERROR
from model.networks import schedule_of
from model.pictures import Pixels, draw_grid, save_picture
from model.trained import Trained
from pipeline.files import atomic_write
from pipeline.shards import Dataset

EXAMPLES_EACH = 2
"""Best, median and worst frames in the picture, so many of each."""


def write_results(
    folder: Path,
    asked: Mapping[str, Answerer],
    trained: Mapping[str, Trained],
    found: Mapping[str, Evaluation],
    left_out: Sequence[str],
    data: Dataset,
) -> str:
    """Write `<split>.json`, `<split>.md` and `<split>.png` into a folder; whoever is first is the one evaluated.

    Args:
        asked, found: who was asked, by name, and what was measured of each.
        trained: those of them that are networks.
        left_out: what was not measured, a line each.

    Returns:
        The tables, as in `<split>.md`.
    """
    name, evaluation = next(iter(found.items()))
    shown = extremes(evaluation.frames, EXAMPLES_EACH)
    left_out = [*left_out, *_without_pairs(evaluation)]
    results = {
        **_origin(asked[name], trained.get(name)),
        "dataset_digest": data.digest,
        **_plain(evaluation),
        "left_out": left_out,
        "examples": [_example(kind, frame) for kind, frame in shown],
        "compared": {
            other: {**_origin(asked[other], trained.get(other)), **_plain(measured)}
            for other, measured in found.items()
            if other != name
        },
    }
    path = folder / f"{evaluation.split}.json"
    tables = table1(found) + "\n" + speaker_table(evaluation) + "".join(f"\n{line}\n" for line in left_out)
    write_text(path, json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    write_text(path.with_suffix(".md"), tables)
    save_picture(path.with_suffix(".png"), draw_extremes(asked[name], shown))
    return tables


def _origin(asked: Answerer, trained: Trained | None) -> dict[str, Any]:
    """Where answers come from, and what one costs."""
    if trained is None:
        return {"answers": str(asked.folder)} if isinstance(asked, ReadyAnswers) else {}
    config = trained.config
    return {
        "checkpoint": str(trained.checkpoint),
        "step": trained.step,
        "trained_on_digest": trained.dataset_digest,
        "network": config.network,
        "batches_seen": trained.step * len(schedule_of(config)),
        "batch_size": config.batch_size,
        "sources": trained.generator.sources,
        "parameters": parameters_of(trained.generator),
        "gflop_per_image": round(gflop_of(trained.generator, asked.size), 3),
    }


def _without_pairs(evaluation: Evaluation) -> list[str]:
    """Why there is no figure of consecutive frames, where there is none."""
    if MOTION_ERROR in evaluation.overall.scores["model"]:
        return []
    where = f"with --stride {evaluation.stride}" if evaluation.stride > 1 else "in this split"
    return [f"Motion error and flicker are left out: there are no consecutive frames {where}"]


def _plain(evaluation: Evaluation) -> dict[str, Any]:
    """What JSON holds of an evaluation: all but the single frames."""
    plain = {name: value for name, value in asdict(evaluation).items() if name != "frames"}
    return {**plain, "image_size": str(evaluation.image_size)}


def _example(kind: str, frame: FrameScore) -> dict[str, Any]:
    return {"kind": kind, "video": frame.group.video.id, "frame": frame.number, "l1": frame.l1}


def draw_extremes(asked: Answerer, shown: Sequence[tuple[str, FrameScore]]) -> Pixels:
    """The best, median and worst frames: what answers start from, what is made on the way, output, target."""
    groups = [frame.group for _, frame in shown]
    batch = load_targets(groups, asked.device, asked.size)
    question = question_of(batch, bool(asked.sees_target), names_of(groups))
    titles = [f"{kind}: L1 {frame.l1:.2f}, frame {frame.number} of {frame.group.video.id}" for kind, frame in shown]
    with asked.ready():
        return draw_grid({**asked.columns(question), "target": batch.target}, titles)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, complete or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")
