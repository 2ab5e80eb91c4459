"""Checkpoints on disk: written atomically, the last K kept, the newest sound one found by listing."""

from __future__ import annotations

import os
import pickle
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import InputError

CHECKPOINT_SCHEMA = 2
_OLDER = {1: "it has landmark offsets in units of the warp margin and a loss without Eqs. 9 and 12; train it again"}
FOLDER = "checkpoints"  # of a run, and beside it:
CONFIG_FILE = "config.json"
_NAME = re.compile(r"step-(\d{8})\.pt")
_PARTIAL = ".partial"
# What torch.load raises for a file that is cut short, empty, not a zip archive, or holds more than plain types.
_BROKEN = (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, ValueError, KeyError)


def checkpoint_path(run_folder: Path, step: int) -> Path:
    """Where the checkpoint taken after `step` generator steps lies."""
    return run_folder / FOLDER / f"step-{step:08d}.pt"


def list_checkpoints(run_folder: Path) -> list[Path]:
    """The run's checkpoint files, newest first. Partial files are never among them."""
    folder = run_folder / FOLDER
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), reverse=True)


def save_checkpoint(run_folder: Path, payload: dict[str, Any], keep: int) -> Path:
    """Write `payload` (tensors and plain types; "step" names the file) and delete all but the newest `keep`.

    The file appears at its final name only when all its bytes are on disk, so a kill at any moment leaves
    the earlier checkpoints as they were.
    """
    if keep < 1:
        raise InputError(f"--keep-checkpoints must be at least 1, got {keep}")
    final = checkpoint_path(run_folder, int(payload["step"]))
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f"{final.name}{_PARTIAL}")
    with partial.open("wb") as stream:
        torch.save({"schema": CHECKPOINT_SCHEMA, **payload}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(final)
    _sync_folder(final.parent)
    _remove_old(run_folder, keep)
    return final


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read one checkpoint onto the CPU, with `weights_only=True`: nothing in the file can run code.

    Raises:
        InputError: the file is missing, cut short, not a checkpoint, or of another schema.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; give a file that a run wrote under {FOLDER}/")
    try:
        payload = torch.load(path, map_location="cpu", weights_only=True)
    except _BROKEN as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not a readable checkpoint ({reason}); use an earlier one") from error
    schema = payload.get("schema") if isinstance(payload, dict) else None
    if schema in _OLDER:
        raise InputError(f"{path}: a checkpoint of an older version of this program: {_OLDER[schema]}")
    if schema != CHECKPOINT_SCHEMA:
        raise InputError(f"{path}: checkpoint schema must be {CHECKPOINT_SCHEMA}, got {schema}")
    return dict(payload)


def load_latest(run_folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that can be read, or None where the run has none.

    A broken file is skipped with a line on stderr that names it: a disk that filled up costs
    `--checkpoint-every` steps, not the run.
    """
    for path in list_checkpoints(run_folder):
        try:
            return path, load_checkpoint(path)
        except InputError as error:
            print(f"warning: skipped {error}", file=sys.stderr)
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
        path.unlink()
    for leftover in (run_folder / FOLDER).glob(f"*{_PARTIAL}"):
        leftover.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, not just the file's bytes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
