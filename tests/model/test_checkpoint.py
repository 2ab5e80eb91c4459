"""Checkpoints: atomic, the last K kept, broken ones skipped by name."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import zipfile
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
from model.sealed_file import save_sealed
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
    assert any(path.name.endswith(".part") for path in (tmp_path / "checkpoints").iterdir())
    found = load_latest(tmp_path)
    assert found is not None
    assert found[0] == checkpoint_path(tmp_path, 1)
    save_checkpoint(tmp_path, payload(3), keep=3)
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == [
        "step-00000001.pt",
        "step-00000003.pt",
    ]


def test_a_full_disk_costs_the_new_checkpoint_alone(tmp_path: Path) -> None:
    earlier = save_checkpoint(tmp_path, payload(1), keep=2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))  # an error of write(2), as a full disk is
    try:
        with pytest.raises(OSError, match="too large"):
            save_checkpoint(tmp_path, {**payload(2), "weights": torch.zeros(1 << 20)}, keep=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(earlier.parent.iterdir()) == [earlier]


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


@pytest.mark.parametrize("sealed", [True, False])
def test_no_flipped_bit_loads_other_weights(tmp_path: Path, sealed: bool) -> None:
    """With the seal every flip is found; in a file of before, the zip's own sums find those in what is loaded."""
    weights = torch.randn(3000)
    path = save_checkpoint(tmp_path, {"step": 1, "weights": weights}, keep=1)
    if not sealed:
        torch.save({"schema": 2, "step": 1, "weights": weights}, path)
    whole = path.read_bytes()
    dice = random.Random(0)
    found = 0
    for _ in range(200):
        place = dice.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << dice.randrange(8))]) + whole[place + 1 :])
        try:
            assert torch.equal(load_checkpoint(path)["weights"], weights)
        except InputError:
            found += 1
    assert found == 200 if sealed else found > 170


def test_any_program_reads_a_sealed_file(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, payload(1), keep=1)
    assert torch.equal(torch.load(path, weights_only=True)["weights"]["a"], torch.arange(4.0))
    with zipfile.ZipFile(path) as archive:
        assert archive.comment.startswith(b"flnet sha256 ")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_named(tmp_path: Path, number: float) -> None:
    path = save_checkpoint(tmp_path, {"step": 1, "generator": {"a": [torch.tensor([0.0, number])]}}, keep=1)
    with pytest.raises(InputError, match=r"step-00000001\.pt: generator\.a\.0 must be finite numbers"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "weight",
    [torch.zeros(3, device="meta"), torch.eye(3).to_sparse(), torch.zeros(1).expand(1 << 30)],
    ids=["without numbers", "sparse", "of a number that repeats"],
)
def test_what_has_not_all_its_numbers_is_named(tmp_path: Path, weight: torch.Tensor) -> None:
    path = save_checkpoint(tmp_path, {"step": 1, "generator": {"a": weight}}, keep=1)
    with pytest.raises(InputError, match=r"generator\.a must be finite numbers, all there"):
        load_checkpoint(path)


@pytest.mark.parametrize("wrong", [{"step": "1"}, {"step": 10**8}, {"dataset_digest": 7}])
def test_a_step_is_a_number_and_a_digest_text(tmp_path: Path, wrong: dict[str, object]) -> None:
    path = tmp_path / "a.pt"
    save_sealed({"schema": 2, "step": 1, **wrong}, path)
    with pytest.raises(InputError, match="step must be a whole number"):
        load_checkpoint(path)


def test_a_checkpoint_that_is_a_link_is_none_of_the_runs(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "other", payload(5), keep=1)
    save_checkpoint(tmp_path / "run", payload(3), keep=1)
    (tmp_path / "run" / "checkpoints" / "step-00000005.pt").symlink_to(path)
    assert [each.name for each in list_checkpoints(tmp_path / "run")] == ["step-00000003.pt"]


def test_a_file_that_swells_is_refused(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, {"step": 1, "weights": torch.zeros(1_000_000)}, keep=1)
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    assert packed.stat().st_size < 10_000
    with pytest.raises(InputError, match="must be a torch file of stored parts"):
        load_checkpoint(packed)


def test_laughter_ends(tmp_path: Path) -> None:
    """Lists of lists of lists, each twice in the next: little to store, and without end to walk through."""
    laugh: list[object] = ["ha"]
    for _ in range(60):
        laugh = [laugh, laugh]
    path = save_checkpoint(tmp_path, {"step": 1, "weights": laugh}, keep=1)
    assert load_checkpoint(path)["step"] == 1


def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "zero.pt").symlink_to("/dev/zero")
    for name in ("pipe.pt", "zero.pt"):
        with pytest.raises(InputError, match="must be a regular file"):
            load_checkpoint(tmp_path / name)
