"""The import contract (.importlinter) is red when it is broken: each of its rules by an import that it forbids."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BREACHES = {
    "pipeline": ("pipeline/shards/schema.py", "import pipeline.building.plan"),
    "model": ("model/data/sampler.py", "from model.training.step import Trainer"),
    "torch": ("pipeline/geometry.py", "import torch"),
    "datasets": ("model/data/loader.py", "import h5py"),
    "network": ("model/network/warp.py", "from pipeline.shards import ShardReader"),
    "door": ("model/experiments/child.py", "import flnet"),
    "luigi": ("pipeline/report/gather.py", "import luigi"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both packages and the contract, to be spoilt."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("pipeline", "model"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", root)
    return root


def broken(root: Path) -> set[str]:
    """The names of the contracts that the code in a folder breaks."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    names = set(re.findall(r"^(.*) BROKEN", done.stdout, re.MULTILINE))
    assert done.returncode == bool(names), done.stdout + done.stderr
    return names


def named(contract: str) -> str:
    text = (ROOT / ".importlinter").read_text(encoding="utf-8")
    found = re.search(rf"^\[importlinter:contract:{contract}\]\nname = (.*)$", text, re.MULTILINE)
    assert found is not None
    return found[1]


def test_every_contract_is_tried(copy: Path) -> None:
    text = (ROOT / ".importlinter").read_text(encoding="utf-8")
    assert re.findall(r"^\[importlinter:contract:(\w+)\]$", text, re.MULTILINE) == list(BREACHES)
    assert broken(copy) == set()


@pytest.mark.parametrize("contract", BREACHES)
def test_a_forbidden_import_breaks_its_contract(contract: str, copy: Path) -> None:
    name, line = BREACHES[contract]
    file = copy / name
    sound = file.read_text(encoding="utf-8")
    file.write_text(f"{sound}\n{line}\n", encoding="utf-8")
    try:
        assert named(contract) in broken(copy)
    finally:
        file.write_text(sound, encoding="utf-8")


def test_a_module_that_nobody_has_placed_breaks_the_contract(copy: Path) -> None:
    stray = copy / "model" / "stray.py"
    stray.write_text("", encoding="utf-8")
    try:
        assert broken(copy) == {named("model")}
    finally:
        stray.unlink()
