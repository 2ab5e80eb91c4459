"""What docs/packages.md says of the packages that this project depends on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PLANTED = "import pathlib\npathlib.Path('was-run').touch()\n"
COMMANDS = """
import sys
sys.path.append(sys.argv[1])
import model.animate, model.evaluate, model.export, model.figures, model.train
import pipeline.__main__, pipeline.check, pipeline.report, pipeline.sample, pipeline.tasks
from pathlib import Path
import numpy
from model.animation.encoder import clip_writer
with clip_writer(Path("clip.mp4"), 25, None, {}) as encoder:
    encoder.write(numpy.zeros((32, 32, 3), numpy.uint8))
assert "past.builtins" in sys.modules, "ffmpeg-python no longer needs future: the page is out of date"
assert not {"future.standard_library", "future.moves.test", "test"} & set(sys.modules)
"""


def run(code: str, folder: Path) -> None:
    """Python in a folder, which is first on the path, as with `python -m`."""
    command = [sys.executable, "-c", code, str(ROOT)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_test_py_in_the_folder_is_not_run(tmp_path: Path) -> None:
    """CVE-2025-50817 of `future`, which ffmpeg-python asks for."""
    (tmp_path / "test.py").write_text(PLANTED)
    run(COMMANDS, tmp_path)
    assert (tmp_path / "clip.mp4").stat().st_size > 0
    assert not (tmp_path / "was-run").exists()
    run("from future import standard_library; standard_library.install_aliases()", tmp_path)
    assert not (tmp_path / "was-run").exists(), "on Python 3 the function returns before its import"
    run("import test", tmp_path)
    assert (tmp_path / "was-run").exists(), "the trap works"


def test_the_versions_of_python_are_the_same_everywhere() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (low, beyond) = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', project)[0]
    high = int(beyond) - 1
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"(3, {low}) <= v <= (3, {high}) else" in makefile
    assert f"Python 3.{low} to 3.{high} is needed" in makefile
    assert f'target-version = "py3{low}"' in project
    assert f'python_version = "3.{low}"' in project
    named = re.findall(r"^## Python (.*)$", (ROOT / "docs" / "packages.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(minor) for minor in re.findall(r"3\.(\d+)", named[0])] == list(range(int(low), high + 1))
