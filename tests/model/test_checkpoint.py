"""Checkpoints: atomic, the last K kept, broken ones skipped by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.checkpoint import (
    checkpoint_path,
    list_checkpoints,
    load_checkpoint,
    load_latest,
    resolve_checkpoint,
    save_checkpoint,
)
from pipeline.errors import InputError


def payload(step: int) -> dict[str, object]:
    return {"step": step, "weights": {"a": torch.arange(4.0)}, "config": {"betas": [0.5, 0.999]}}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, payload(7), keep=3)
    loaded = load_checkpoint(path)
    assert path == checkpoint_path(tmp_path, 7)
    assert torch.equal(loaded["weights"]["a"], torch.arange(4.0))
    assert loaded["config"] == {"betas": [0.5, 0.999]}


def test_only_the_last_ones_stay(tmp_path: Path) -> None:
    for step in (1, 2, 3, 12):
        save_checkpoint(tmp_path, payload(step), keep=2)
    assert list_checkpoints(tmp_path) == [checkpoint_path(tmp_path, 12), checkpoint_path(tmp_path, 3)]


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "other"])
def test_a_broken_checkpoint_is_skipped_and_named(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path, payload(1), keep=3)
    broken = save_checkpoint(tmp_path, payload(2), keep=3)
    if damage == "other":
        torch.save({"weights": torch.zeros(1)}, broken)
    else:
        broken.write_bytes({"empty": b"", "cut": broken.read_bytes()[:900], "text": b"hello"}[damage])
    found = load_latest(tmp_path)
    assert found is not None
    assert found[0] == checkpoint_path(tmp_path, 1)
    warning = capsys.readouterr().err
    assert "step-00000002.pt" in warning
    assert warning.count("\n") == 1


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, 1)
    path.parent.mkdir()
    torch.save({"schema": 1, "step": 1, "evil": Path("x")}, path)
    with pytest.raises(InputError, match="not a readable checkpoint"):
        load_checkpoint(path)


def test_killed_while_writing_keeps_the_previous_one(tmp_path: Path) -> None:
    """A process that dies of SIGKILL when part of the new file is on disk."""
    save_checkpoint(tmp_path, payload(1), keep=3)
    program = f"""
import os, signal, torch
from pathlib import Path
from model.checkpoint import save_checkpoint
whole = torch.save
def die_halfway(value, stream):
    whole(value, stream)
    stream.flush()
    stream.truncate(stream.tell() // 2)
    os.kill(os.getpid(), signal.SIGKILL)
torch.save = die_halfway
save_checkpoint(Path({str(tmp_path)!r}), {{"step": 2, "weights": torch.zeros(1000)}}, keep=1)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == -9
    assert any(path.name.endswith(".partial") for path in (tmp_path / "checkpoints").iterdir())
    found = load_latest(tmp_path)
    assert found is not None
    assert found[0] == checkpoint_path(tmp_path, 1)
    save_checkpoint(tmp_path, payload(3), keep=3)
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == [
        "step-00000001.pt",
        "step-00000003.pt",
    ]


def test_a_run_folder_stands_for_its_newest_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no readable checkpoint"):
        resolve_checkpoint(tmp_path)
    save_checkpoint(tmp_path, payload(4), keep=1)
    assert resolve_checkpoint(tmp_path) == checkpoint_path(tmp_path, 4)
    with pytest.raises(InputError, match="no such checkpoint"):
        load_checkpoint(resolve_checkpoint(tmp_path / "missing.pt"))


def test_a_checkpoint_of_another_loss_says_what_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save({"schema": 1, "step": 1}, path)
    with pytest.raises(InputError, match=r"old\.pt: .*older version.*landmark offsets in units of the warp margin"):
        load_checkpoint(path)
    torch.save({"schema": [1], "step": 1}, path)
    with pytest.raises(InputError, match=r"schema must be 2, got \[1\]"):
        load_checkpoint(path)
