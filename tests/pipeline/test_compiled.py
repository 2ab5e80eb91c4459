"""Compiled functions work whatever has become of the place for their machine code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = """
from numba import types
from pipeline.compiled import compiled

@compiled(types.int64)
def double(x):
    return 2 * x

print(double(21))
"""


def run(folder: Path, cache: Path, before: str = "") -> str:
    (folder / "doubling.py").write_text(SOURCE.replace("@compiled", f"{before}@compiled"))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, str(folder / "doubling.py")]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_machine_code_is_kept_and_a_damaged_file_of_it_is_no_obstacle(tmp_path: Path, suffix: str) -> None:
    cache = tmp_path / "cache"
    assert run(tmp_path, cache) == "42\n"
    (kept,) = cache.rglob(f"*{suffix}")
    assert kept.stat().st_size
    kept.write_bytes(b"")
    assert run(tmp_path, cache) == "42\n"


def test_a_full_disk_is_no_obstacle(tmp_path: Path) -> None:
    full = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    assert run(tmp_path, tmp_path / "cache", full + "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n") == "42\n"


def test_no_place_at_all_is_no_obstacle() -> None:
    # Source that lies in no file has no place beside it, as one in a folder that cannot be written, for a user
    # without a home.
    scope: dict[str, object] = {}
    exec(SOURCE, scope)
    assert scope["double"](21) == 42  # type: ignore[operator]


def test_every_kind_of_processor_has_a_folder_of_its_own() -> None:
    command = "import numba, pipeline.compiled; print(numba.config.CACHE_DIR)"
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    told = subprocess.run(
        [sys.executable, "-c", command], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    assert Path(told.stdout.strip()).name.startswith("machine-code-")
