"""Commands as children: alone in their folder, told to save when stopped, and not left behind by a kill."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from model.experiments.child import FLNET, last_words, locked, run_command

# Stands for a training: it says that it is there, and on SIGTERM takes a moment to save.
CHILD = """
import signal, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
def save(*_):
    time.sleep(0.5)
    (folder / "saved").touch()
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
(folder / "begun").touch()
time.sleep(60)
"""
PARENT = """
import sys
from pathlib import Path
from model.experiments.child import locked, run_command
folder = Path(sys.argv[1])
with locked(folder / "lock") as lock:
    print(run_command(["-m", "child", str(folder)], folder / "log", 1, lock))
"""


@pytest.fixture
def parent(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that runs the child, once both are there."""
    (tmp_path / "child.py").write_text(CHILD)
    paths = os.pathsep.join((str(tmp_path), os.getcwd(), os.environ.get("PYTHONPATH", "")))  # noqa: PTH109
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], env={**os.environ, "PYTHONPATH": paths}, start_new_session=True
    )
    wait_for(tmp_path / "begun")
    return process


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def test_programs_are_ours_whatever_the_current_folder_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("model", "pipeline", "flnet"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(99)")
    monkeypatch.chdir(tmp_path)
    assert run_command([*FLNET, "check", "nowhere"], tmp_path / "log", 1) == 1
    assert last_words(tmp_path / "log").startswith("flnet check: nowhere/dataset.json: no finished dataset here")


def is_locked(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_lets_the_child_save_and_then_ends_the_parent(
    parent: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    os.killpg(parent.pid, number)  # the whole group, as Slurm and Ctrl-C send it
    parent.wait(30)
    assert parent.returncode == -number
    assert (tmp_path / "saved").exists()
    assert not is_locked(tmp_path / "lock")


def test_a_killed_parent_takes_its_child_along_which_saves_under_the_lock(
    parent: subprocess.Popen[str], tmp_path: Path
) -> None:
    (child,) = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait(30)
    assert is_locked(tmp_path / "lock"), "the child is still at it"
    with locked(tmp_path / "lock"):
        assert (tmp_path / "saved").exists(), "whoever comes next has waited for it"
    assert not psutil.wait_procs([child], timeout=30)[1]


def test_the_status_and_the_last_words_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run_command([*FLNET, "train", "--shards", str(tmp_path / "none")], log, 1) == 1
    assert last_words(log) == (
        f"flnet train: {tmp_path}/none/dataset.json: no finished dataset here; build one first, or finish "
        "the build that is there"
    )
    assert log.read_text().startswith("$ ")
    log.write_text("$ command\n")
    assert last_words(log) == "it said nothing"
