"""A few hostile inputs, chosen by a seed: none crashes a command, hangs it, or reaches what is another's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CASES, MUTATIONS = 12, "0.004"
SEED = os.environ.get("HOSTILE_SEED", "0")  # another one looks at others; benchmarks/hostile.py has them all


def ran(command: list[str], folder: Path) -> str:
    """What a benchmark says, in a process without anybody else's threads."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder)}
    ended = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"  # the seed stands in it
    return ended.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux, whose kernel tells who reads which file")
def test_hostile_inputs_are_refused_or_harmless(tmp_path: Path) -> None:
    said = ran([str(REPOSITORY / "benchmarks" / "hostile.py"), "--cases", str(CASES), "--seed", SEED], tmp_path)
    assert f"| all | {CASES} |" in said


def test_changed_bytes_are_refused_or_read(tmp_path: Path) -> None:
    said = ran([str(REPOSITORY / "benchmarks" / "fuzz.py"), "--share", MUTATIONS], tmp_path)
    assert "| metadata of shards | 20 |" in said
