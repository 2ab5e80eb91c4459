"""Makefile, Dockerfile and environment.yml install one set of versions, and that set is complete."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([A-Za-z0-9_.]+)$")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = [line for line in text("constraints.txt").splitlines() if line and not line.startswith("#")]
    matches = [PIN.match(line) for line in lines]
    assert None not in matches
    return {normal(match[1]): match[2] for match in matches if match is not None}


def requirements() -> set[str]:
    """The names that pyproject.toml asks for, extras included."""
    names = "dependencies|dask|dev|docs|onnx"
    listed = re.findall(rf"^(?:{names}) = \[(.*?)\]$", text("pyproject.toml"), re.MULTILINE | re.DOTALL)
    assert len(listed) == 5
    return {normal(name) for part in listed for name in re.findall(r'"([A-Za-z0-9_.-]+)', part)}


def test_everything_asked_for_is_pinned(pins: dict[str, str]) -> None:
    assert requirements() <= pins.keys()


def test_what_is_installed_is_what_is_pinned(pins: dict[str, str]) -> None:
    for name, pinned in pins.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue  # an extra
        assert installed.split("+")[0] == pinned, name


def pip_arguments(words: str) -> list[str]:
    return sorted(word.strip("'") for word in words.split())


def test_make_docker_and_conda_install_alike() -> None:
    (made,) = re.findall(r"/pip install --quiet (.*)", text("Makefile"))
    conda = re.search(r"- pip:\n((?: +- .*\n?)+)", text("environment.yml"))
    assert conda is not None
    lines = re.findall(r"^ +- (.*)$", conda[1], re.MULTILINE)
    assert pip_arguments(" ".join(lines)) == pip_arguments(made)
    docker = text("Dockerfile")
    assert "make setup" in docker
    assert "pip install" not in docker  # nothing beside it


def test_no_version_is_said_twice() -> None:
    for name in ("Dockerfile", "environment.yml", "Makefile"):
        assert not re.search(r"[A-Za-z]==\d", text(name)), name


def test_pythons_are_among_the_supported() -> None:
    low, high = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', text("pyproject.toml"))[0]
    (conda,) = re.findall(r"- python=3\.(\d+)", text("environment.yml"))
    assert int(low) <= int(conda) < int(high)
    assert "FROM docker.io/library/debian:bookworm-slim" in text("Dockerfile")  # whose python3 is 3.11
    assert int(low) <= 11 < int(high)


def test_the_container_is_not_roots() -> None:
    lines = text("Dockerfile").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["flnet"]
    assert lines.index("USER flnet") < next(n for n, line in enumerate(lines) if line.startswith("COPY"))


@pytest.mark.parametrize("name", ["worker.sh", "build.sbatch", "train.sbatch", "experiments.sbatch"])
def test_the_clusters_scripts_are_bash(name: str) -> None:
    subprocess.run(["bash", "-n", str(ROOT / "cluster" / name)], check=True)
