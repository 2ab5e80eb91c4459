"""Skips are said, and fail the run in CI unless they are for want of a GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_passes():
    pass

@pytest.mark.skipif(True, reason="{reason}")
@pytest.mark.parametrize("number", [1, 2])
def test_skips(number):
    pass
"""
HARP = "no harp on the PATH: apt-get install harp"


@pytest.mark.parametrize(
    ("reason", "ci", "status"),
    [(HARP, "true", 1), (HARP, "", 0), ("no GPU: this torch sees none", "true", 0)],
)
def test_skips_in_ci_fail_the_run_but_for_a_gpu(reason: str, ci: str, status: int, tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_some.py").write_text(TESTS.format(reason=reason), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "CI": ci}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == status, done.stdout
    assert f"2 skipped: {reason}" in done.stdout
    assert "1 passed, 2 skipped" in done.stdout
    assert (f"yet: {reason}" in done.stdout) == bool(status)
