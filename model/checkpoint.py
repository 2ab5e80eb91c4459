"""Checkpoints on disk: written atomically, the last K kept, the newest sound one found by listing."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.sealed_file import EARLIER, load_sealed, save_sealed
from pipeline import log
from pipeline.errors import InputError
from pipeline.files import UNFINISHED, atomic_write, drop_own_file, walk_own
from pipeline.rules import between, short

CHECKPOINT_SCHEMA = 2
_OLDER = {1: "it has landmark offsets in units of the warp margin and a loss without Eqs. 9 and 12; train it again"}
FOLDER = "checkpoints"  # of a run's folder, beside its settings:
CONFIG_FILE = "config.json"
_STEP = between(0, 10**8 - 1)  # as names of files have room for
_NAME = re.compile(r"step-(\d{8})\.pt")


def checkpoint_path(run_folder: Path, step: int) -> Path:
    """Where the checkpoint taken after `step` generator steps lies."""
    return run_folder / FOLDER / f"step-{step:08d}.pt"


def list_checkpoints(run_folder: Path) -> list[Path]:
    """The run's checkpoint files, newest first. Partial files are never among them, nor links, which lead elsewhere."""
    folder = run_folder / FOLDER
    if not folder.is_dir():
        return []
    named = (path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    return sorted((path for path in named if not path.is_symlink()), reverse=True)


def save_checkpoint(run_folder: Path, payload: dict[str, Any], keep: int) -> Path:
    """Write `payload` (tensors and plain types; "step" names the file) and delete all but the newest `keep`.

    The file appears at its final name only when all its bytes are on disk, so a kill at any moment leaves
    the earlier checkpoints as they were.
    """
    if keep < 1:
        raise InputError(f"--keep-checkpoints must be at least 1, got {keep}")
    final = checkpoint_path(run_folder, int(payload["step"]))
    final.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(final) as temporary:
        save_sealed({"schema": CHECKPOINT_SCHEMA, **payload}, temporary)
    _sync_folder(final.parent)
    _remove_old(run_folder, keep)
    return final


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read one checkpoint onto the CPU; nothing in the file can run code (`model.sealed_file`).

    Raises:
        InputError: the file is missing, damaged, not a checkpoint, of another schema, or holds what is no number.
    """
    try:
        payload = load_sealed(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such checkpoint; give a file that a run wrote under {FOLDER}/") from error
    schema = payload.get("schema") if isinstance(payload, dict) else None
    if type(schema) is int and schema in _OLDER:
        raise InputError(f"{path}: a checkpoint of an older version of this program: {_OLDER[schema]}")
    if type(schema) is not int or schema != CHECKPOINT_SCHEMA:  # a tensor compares number by number
        raise InputError(f"{path}: checkpoint schema must be {CHECKPOINT_SCHEMA}, got {short(schema)}")
    name = _not_finite(payload, [], set())
    if name is not None:
        raise InputError(f"{path}: {name} must be finite numbers, all there, got NaN, infinity or less; {EARLIER}")
    step, digest = payload.get("step", 0), payload.get("dataset_digest", "")
    if not _STEP.holds(step) or not isinstance(digest, str):
        raise InputError(
            f"{path}: step must be {_STEP.words} and dataset_digest text, got {short(step)}, {short(digest)}"
        )
    return dict(payload)


def _not_finite(value: Any, names: list[str], seen: set[int]) -> str | None:
    """The name of the first tensor, or number, that is not finite, or has not all its numbers in the file.

    Each part is looked at once, however often it is referred to.
    """
    if isinstance(value, Tensor):
        sound = _is_stored(value) and (not value.is_floating_point() or bool(torch.isfinite(value).all()))
        return None if sound else ".".join(names)
    if isinstance(value, float):
        return None if math.isfinite(value) else ".".join(names)
    if not isinstance(value, (Mapping, list, tuple)) or id(value) in seen:
        return None
    seen.add(id(value))
    parts = value.items() if isinstance(value, Mapping) else enumerate(value)
    return next((found for key, part in parts if (found := _not_finite(part, [*names, f"{key!s:.80}"], seen))), None)


def _is_stored(value: Tensor) -> bool:
    """Whether a tensor is a plain one with a place for each of its numbers: no shape alone, none that repeats a few."""
    plain = value.device.type == "cpu" and value.layout == torch.strided and not value.is_quantized
    return plain and value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def load_latest(run_folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that can be read, or None where the run has none.

    A broken file is skipped with a line on stderr that names it: a disk that filled up costs
    `--checkpoint-every` steps, not the run.
    """
    for path in list_checkpoints(run_folder):
        try:
            return path, load_checkpoint(path)
        except InputError as error:
            log.warn(f"skipped {error}")
    return None


def resolve_checkpoint(path: Path) -> Path:
    """A checkpoint file from what a user names: the file itself, or a run folder (its newest sound checkpoint).

    Raises:
        InputError: neither.
    """
    if not path.is_dir():
        return path
    latest = load_latest(path)
    if latest is None:
        raise InputError(f"{path}: no readable checkpoint in {FOLDER}/; name a run folder or a .pt file")
    return latest[0]


def _remove_old(run_folder: Path, keep: int) -> None:
    for path in list_checkpoints(run_folder)[keep:]:
        drop_own_file(run_folder, path)
    for leftover in walk_own(run_folder / FOLDER):
        if UNFINISHED.fullmatch(leftover.name):
            drop_own_file(run_folder, leftover)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, not just the file's bytes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
