"""docs/formats.md: its lines, run in a folder as the page has it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.export import ExportSettings, export_dataset

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = (REPOSITORY / "docs/formats.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
FOLDERS = {
    "WebDataset": ("webdataset", "tars"),
    "Clips": ("clips", "clips"),
    "Hugging Face": ("huggingface", "tables"),
}
LIBRARIES = {"WebDataset": ["webdataset"], "Clips": [], "Hugging Face": ["pyarrow", "datasets"]}


def printed(section: str, folder: Path) -> list[str]:
    """The lines that a section's code prints; five lines of code, as the page promises."""
    assert len(re.findall(r"^.*\S", BLOCKS[section], re.MULTILINE)) <= 5
    command = [sys.executable, "-W", "ignore", "-c", BLOCKS[section]]
    environment = {"PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1", "HOME": str(folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("section", FOLDERS)
def test_how_to_read_an_export(section: str, drawn: Path, tmp_path: Path) -> None:
    for library in LIBRARIES[section]:
        if importlib.util.find_spec(library) is None:
            pytest.skip("wants the libraries: pip install --constraint constraints.txt '.[export]' datasets")
    name, folder = FOLDERS[section]
    export_dataset(drawn, tmp_path / folder, ExportSettings(name))
    lines = printed(section, tmp_path)
    assert len(lines) == (1 if section == "Hugging Face" else 4)
    assert all("(224, 224, 3)" in line and "68, 2)" in line for line in lines)


def test_how_to_read_without_one(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn, tmp_path / "out")
    lines = printed("PyTorch, without an export", tmp_path)
    assert len(lines) == 15  # sixty frames by four
    assert all("torch.Size([4, 3, 224, 224])" in line for line in lines)


def test_every_block_is_run() -> None:
    assert BLOCKS.keys() == {*FOLDERS, "PyTorch, without an export"}
    assert PAGE.count("```python") == len(BLOCKS)
