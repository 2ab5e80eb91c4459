"""The wheel: what is in it, and the commands from it, in an empty environment and an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("manifests", "model", "pipeline")
FILES = ("flnet.py",)
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.pyc")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built without the network from a copy (a build leaves folders behind)."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=NOT_SOURCE)
    for name in (*FILES, "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    flags = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--wheel-dir", str(out)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *flags, str(source)], check=True, timeout=300)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel, and sees the packages that this one has."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    purelib = sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)})
    flags = ["--no-deps", "--no-index", "--quiet", "--target", purelib]
    subprocess.run([sys.executable, "-m", "pip", "install", *flags, str(wheel)], check=True, timeout=300)
    # A folder named in a .pth is searched last, and its own .pth files, the clone's among them, are not read.
    (Path(purelib) / "installed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    there = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == there | set(FILES)


def test_builds_and_checks_from_an_empty_folder(python: Path, tmp_path: Path) -> None:
    home = str(python.parents[1])

    def run(*words: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LUIGI"))}
        command = [str(python), *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = run("-c", "import manifests, model, pipeline; print(manifests.__file__, model.__file__, pipeline.__file__)")
    assert all(Path(file).is_relative_to(python.parents[1]) for file in where.split())
    corpus = ["--speakers", "2", "--clips", "1", "--seconds", "1.5", "--workers", "1"]
    built = run("-m", "luigi", "--module", "pipeline", "BuildSample", "--out", "out", *corpus)
    (digest,) = re.findall(r"digest (\w{64})", built)
    assert run("-m", "pipeline", "check", "out").split() == [digest]
    run("-m", "pipeline", "report", "out")
    assert (tmp_path / "out" / "report" / "index.html").is_file()
    assert "--shards" in run("-m", "model.train", "--help")
    # `flnet`, where the user's own modules have the names of ours, down to the trainings of an experiment.
    for name in ("model.py", "pipeline.py", "flnet.py"):
        (tmp_path / name).write_text("raise SystemExit('the user's own')\n", encoding="utf-8")
    flnet = sysconfig.get_path("purelib", vars={"base": home, "platbase": home}) + "/bin/flnet"
    again = run(flnet, "build", "sample", "--config", "out/run.toml", "--out", "again")
    assert f"digest {digest}" in again
    assert run(flnet, "check", "again").split() == [digest]
    small = ["--image-size", "32", "--base-channels", "4", "--steps", "1", "--device", "cpu"]
    run(flnet, "train", "--shards", "out", "--out", "run", "--preset", "cpu", *small)
    assert (tmp_path / "run" / "checkpoints" / "step-00000001.pt").is_file()
