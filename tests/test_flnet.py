"""`flnet` as a user meets it: what it teaches, what it says of a word that there is not, and what it does not load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import flnet

ROOT = Path(__file__).resolve().parents[1]
FLNET = (str(ROOT / "flnet.py"),)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The status, and what was said on the stream that belongs to it."""
    try:
        status = flnet.main(list(words))
    except SystemExit as end:
        status = int(end.code or 0)
    out, err = capsys.readouterr()
    return status, err if status else out


def run(
    *words: str, cwd: Path, program: tuple[str, ...] = (str(ROOT / "flnet.py"),)
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, *program, *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("words", [(), ("--help",), ("help",)])
def test_without_a_command_it_teaches_them_all(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    status, text = said(capsys, *words)
    assert status == 0
    assert all(f"\n  {name} " in text for name in ("build", *flnet.COMMANDS))
    assert max(map(len, text.splitlines())) <= 120
    taught = [line.split()[1] for line in text.splitlines() if line.startswith("  flnet ")]
    assert set(taught) <= {"build", *flnet.COMMANDS}


def test_every_kind_of_corpus_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = said(capsys, "build")
    assert status == 0
    assert all(f"\n  {name} " in text for name in flnet.BUILDS)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["biuld"], "flnet: there is no command 'biuld'; did you mean build?"),
        (["build", "Timitt"], "flnet build: there is no kind of corpus 'Timitt'; did you mean timit?"),
        (["build", "avi"], "flnet build: there is no kind of corpus 'avi'; there are folder, table, timit, "),
        (["build", "timit", "--corpus-rot", "x"], "flnet build timit: there is no flag --corpus-rot; did you mean "
         "--corpus-root?"),
        (["build", "timit", "--crop-centre=nos"], "flnet build timit: argument --crop-centre: there is no 'nos'; did "
         "you mean nose?"),
        (["build", "timit", "--jobs=a"], "flnet build timit: argument --jobs: must be a whole number, got 'a'"),
        (["train", "--shards", "x", "--image-sise", "64"], "flnet train: there is no flag --image-sise; did you mean "
         "--image-size?"),
        (["train", "--preset", "gpu"], "flnet train: argument --preset: there is no 'gpu'; did you mean cpu?"),
        (["train", "--resume", "nowhere"], "flnet train: nowhere: there is no run.toml of a run that could go on;"),
        (["train", "--config", "nowhere"], "flnet train: nowhere: no such file of settings; check --config"),
        (["export-datasets"], "flnet: there is no command 'export-datasets'; did you mean export-dataset?"),
        (["export-dataset", "out", "--format", "tars"], "flnet export-dataset: argument --format: there is no 'tars'"),
        (["merge", "--out", "both"], "flnet merge: the following arguments are required: DATASET"),
        (["diff", "a"], "flnet diff: the following arguments are required: after"),
        (["demo", "--stesp", "3"], "flnet demo: there is no flag --stesp; did you mean --steps?"),
        (["check"], "flnet check: the following arguments are required: dataset"),
        (["evaluate"], "flnet evaluate: the following arguments are required: --shards"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_one_line_with_the_nearest(
    capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    status, error = said(capsys, *words)
    assert status == 2
    assert error.startswith(line)
    assert error.count("\n") == 1


def test_a_build_ends_with_luigis_own_status(tmp_path: Path) -> None:
    luigi = ("-m", "luigi", "--module", "pipeline")
    by_luigi = run("BuildTimit", cwd=ROOT, program=luigi)
    by_flnet = run("build", "timit", cwd=tmp_path)
    assert (by_luigi.returncode, by_flnet.returncode) == (40, 40)
    message = "BuildTimit needs the corpus: name its folder with --corpus-root\n"
    assert (by_luigi.stderr, by_flnet.stderr) == (f"ERROR: {message}", f"flnet build timit: {message}")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["BuildTimt"], "luigi: there is no task BuildTimt; did you mean BuildTimit?\n"),
        (["BuildTimit", "--corpus-rot", "x"], "luigi: there is no flag --corpus-rot; did you mean --corpus-root? "),
    ],
)
def test_luigis_own_command_names_the_nearest_word_too(words: list[str], line: str) -> None:
    failed = run(*words, cwd=ROOT, program=("-m", "luigi", "--module", "pipeline"))
    assert failed.returncode != 0
    assert failed.stderr.startswith(line)
    assert failed.stderr.count("\n") == 1


@pytest.mark.parametrize("program", [FLNET, ("-m", "flnet")])
def test_a_users_own_modules_are_not_taken_for_ours(program: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("model", "pipeline"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(99)")
    (tmp_path / "flnet.py").symlink_to(ROOT / "flnet.py")  # what `-m` finds in the current folder
    helped = run("build", "folder", "--help", cwd=tmp_path, program=program)
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "--speaker-pattern" in helped.stdout


def test_builds_and_help_load_no_torch(tmp_path: Path) -> None:
    program = """
import sys, flnet
for words in ([], ["build"], ["build", "folder", "--help"], ["table1", "--help"], ["check", "--help"]):
    try:
        flnet.main(words)
    except SystemExit:
        pass
sys.exit("torch" in sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("check", "flnet check DATASET [flags]"),
        ("export", "flnet export --checkpoint CHECKPOINT --out OUT [flags]"),
        ("export-dataset", "flnet export-dataset DATASET --format FORMAT --to DIR [flags]"),
        ("merge", "flnet merge DATASET --out OUT [flags]"),
        ("demo", "flnet demo [flags]"),
        ("train", "flnet train --shards FOLDER [flags], or flnet train --resume RUN"),
    ],
)
def test_help_begins_with_what_must_be_given(capsys: pytest.CaptureFixture[str], command: str, usage: str) -> None:
    _, text = said(capsys, command, "--help")
    assert text.splitlines()[0] == f"usage: {usage}"


def test_both_exports_point_to_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    for command, other in (("export", "export-dataset"), ("export-dataset", "export")):
        _, text = said(capsys, command, "--help")
        assert f"flnet {other}.)" in " ".join(text.split()).replace("- ", "-")


def test_defaults_stand_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    _, text = said(capsys, "build", "timit", "--help")
    told = " ".join(text.split())
    for words in ("(default 0.05)", "(default nose)", "(default zstd)", "(default other)", "(default no)"):
        assert words in told
    assert "Choices:" not in told
