"""What an evaluation leaves behind: figures as JSON, tables as Markdown, and a picture of the extreme frames."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from model.evaluation.protocol import Evaluation, FrameScore, extremes
from model.evaluation.tables import speaker_table, table1
from model.evaluation.temporal import MOTION_ERROR
from model.pictures import Pixels, draw_grid, example_columns, save_picture
from model.trained import InferenceSettings, Trained
from model.training.progress_pictures import load_groups
from pipeline.files import atomic_write
from pipeline.shards import Dataset

EXAMPLES_EACH = 2
"""Best, median and worst frames in the picture, so many of each."""


def write_results(
    folder: Path,
    trained: Mapping[str, Trained],
    found: Mapping[str, Evaluation],
    left_out: Sequence[str],
    data: Dataset,
    inference: InferenceSettings,
) -> str:
    """Write `<split>.json`, `<split>.md` and `<split>.png` into a folder; the first network is the one evaluated.

    Args:
        trained, found: the networks by name, and what was measured of each.
        left_out: what was not measured, a line each.
        inference: how the networks were run.

    Returns:
        The tables, as in `<split>.md`.
    """
    name, evaluation = next(iter(found.items()))
    network = trained[name]
    shown = extremes(evaluation.frames, EXAMPLES_EACH)
    left_out = [*left_out, *_without_pairs(evaluation)]
    results = {
        "checkpoint": str(network.checkpoint),
        "step": network.step,
        "trained_on_digest": network.dataset_digest,
        "dataset_digest": data.digest,
        **_plain(evaluation),
        "left_out": left_out,
        "examples": [_example(kind, frame) for kind, frame in shown],
        "compared": {
            other: {"checkpoint": str(trained[other].checkpoint), "step": trained[other].step, **_plain(measured)}
            for other, measured in found.items()
            if other != name
        },
    }
    path = folder / f"{evaluation.split}.json"
    tables = table1(found) + "\n" + speaker_table(evaluation) + "".join(f"\n{line}\n" for line in left_out)
    write_text(path, json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    write_text(path.with_suffix(".md"), tables)
    save_picture(path.with_suffix(".png"), draw_extremes(network, shown, inference))
    return tables


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


@torch.no_grad()
def draw_extremes(trained: Trained, shown: Sequence[tuple[str, FrameScore]], inference: InferenceSettings) -> Pixels:
    """The best, median and worst frames: bank, target, both streams, merge mask, output; (H, W, 3) uint8."""
    generator = trained.generator
    groups = [frame.group for _, frame in shown]
    batch = load_groups(groups, generator.config, trained.device, inference.size_for(generator))
    out = generator(batch.bank, batch.field, inference.warp_margin_px)
    titles = [f"{kind}: L1 {frame.l1:.2f}, frame {frame.number} of {frame.group.video.id}" for kind, frame in shown]
    return draw_grid(example_columns(batch, out), titles)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, complete or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")
