"""Ctrl-C: one line, a status of its own, nobody left behind, whenever it comes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PROGRESS = re.compile("note: |building: ")
REPOSITORY = Path(__file__).resolve().parents[2]


def interrupted(command: list[str], seconds: float, folder: Path) -> tuple[int, list[str], list[int]]:
    """Run a command as a terminal does, and press Ctrl-C: its status, what it said beside its progress, who is left."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    running = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(seconds)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=30)
    lines = [line for line in said.replace("\r", "\n").splitlines() if line.strip() and not PROGRESS.match(line)]
    deadline = time.monotonic() + 10
    while (left := session(running.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return running.returncode, lines, left


def session(number: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == number and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


@pytest.mark.parametrize("seconds", [0.7, 1.3, 2.0, 2.7])
def test_a_build_ends_at_once(seconds: float, sample_root: Path, tmp_path: Path) -> None:
    luigi = str(Path(sys.executable).with_name("luigi"))
    command = [luigi, "--module", "pipeline", "BuildTimit", "--workers", "2"]
    command += ["--corpus-root", str(sample_root), "--out", str(tmp_path / "out")]
    status, lines, left = interrupted(command, seconds, tmp_path)
    assert not left
    if status == 0:  # a quick machine, and the build was through
        assert (tmp_path / "out" / "dataset.json").is_file()
    else:
        assert status == 130
        assert lines == ["luigi: interrupted; finished work is kept, the same command goes on"]


def test_a_command_ends_while_its_modules_load(tmp_path: Path) -> None:
    status, lines, left = interrupted([sys.executable, "-m", "model.evaluate", "--help"], 0.4, tmp_path)
    # Python names the program once it has found the module.
    said = [["python: interrupted"], ["evaluate: interrupted"]]
    assert (status, lines, left) in [*((130, line, []) for line in said), (0, [], [])]


def test_a_second_time_ends_at_once(tmp_path: Path) -> None:
    """A command that takes its time to close its files."""
    program = """
import argparse, os, signal, time
from pipeline.cli import run
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background inherit that it is ignored
def main(args):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
raise SystemExit(run(argparse.ArgumentParser(prog="slow"), main, []))
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=15
    )
    assert ended.returncode == 130
    assert ended.stderr.split("\n")[1:] == ["-c: interrupted again, ended at once", ""]
