"""The experiments end to end, as a user runs them: killed and gone on with, a run that diverges, and bad flags."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import luigi
import pytest

from model.experiments.runs import RunFolder, write_json
from model.experiments.tasks import Ablations, Table1, TrainRun
from pipeline.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
TASK_FAILED, UNHANDLED, NOT_RUN = 30, 40, 25
SMALL = (
    "--steps", "2", "--image-size", "32", "--base-channels", "4", "--batch-size", "4", "--stride", "3",
    "--device", "cpu", "--loader-workers", "0", "--seeds", "0", "--workers", "1",
)  # fmt: skip


def start(dataset: Path, out: Path, *flags: str) -> subprocess.Popen[str]:
    command = [BIN / "luigi", "--module", "model.experiments", "Table1", "--datasets", f"timit={dataset}"]
    paths = os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", "")))
    return subprocess.Popen(
        [*command, "--out", out, *SMALL, *flags], cwd=REPOSITORY, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
    )  # fmt: skip


def test_killed_between_trainings_the_same_command_finishes_the_table(tiny_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = RunFolder(out, "timit", "x2face-published", 0)
    killed = start(tiny_dataset, out, "--networks", "x2face")
    deadline = time.monotonic() + 120
    while not first.ended and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert first.ended
    assert not (out / "table1.md").exists()
    written = first.last_checkpoint.stat().st_mtime_ns
    again = start(tiny_dataset, out, "--networks", "x2face")
    said, error = again.communicate(timeout=200)
    assert again.returncode == 0, error
    assert first.last_checkpoint.stat().st_mtime_ns == written, "not trained again"
    rows = [line.split("|")[1].strip() for line in (out / "table1.md").read_text().splitlines() if line[:1] == "|"]
    titles = ["X2Face, 5 sources", "… strong: 5 weighted in training, identity start, Adam"]
    assert [row for row in rows[:8] if row in titles] == titles
    assert (out / "table1.md").read_text() in said
    results = json.loads((out / "table1.json").read_text())["results"]["timit"]
    assert {key: list(seeds) for key, seeds in results.items()} == {"x2face": ["0"], "x2face-strong": ["0"]}
    assert all(run["batches_seen"] == 12 and run["sees_target"] for seeds in results.values() for run in seeds.values())
    assert first.hours > 0
    assert (out / "figure3.png").is_file()
    once_more = start(tiny_dataset, out, "--networks", "x2face")
    assert once_more.communicate(timeout=60)[0].splitlines()[-1].endswith("table1.md: complete already, nothing to do")


def test_what_diverges_has_its_row_and_the_status_tells(tiny_dataset: Path, tmp_path: Path) -> None:
    flags = ("--networks", "x2face", "--protocols", "published", "--train-flags", "--learning-rate 1e30")
    for _ in range(2):  # found done, and still no success
        failed = start(tiny_dataset, tmp_path, *flags)
        _, error = failed.communicate(timeout=200)
        assert failed.returncode == TASK_FAILED, error
        assert "table1.md is written, but these diverged: timit/x2face-0" in error
        table = (tmp_path / "table1.md").read_text()
        assert "| X2Face, 5 sources | diverged | diverged |" in table.splitlines()
        assert "timit/x2face-0 diverged: flnet train: step 2: L_1 is nan" in table
    assert not RunFolder(tmp_path, "timit", "x2face-published", 0).last_checkpoint.exists()


def test_bad_flags_are_one_line_before_anything_is_scheduled(tiny_dataset: Path, tmp_path: Path) -> None:
    failed = start(tiny_dataset, tmp_path / "out", "--networks", "fomm")
    _, error = failed.communicate(timeout=60)
    assert failed.returncode == UNHANDLED
    assert "network must be one of flnet, ganimation, x2face, got 'fomm'" in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"protocols": "kind"}, "--protocols must be some of published, strong, got 'kind'"),
        ({"seeds": "one"}, "--seeds must be whole numbers with commas between, got 'one'"),
        ({"networks": "flnet", "protocols": "strong"}, "nothing to do"),
        ({"network_flags": {"fomm": "--x"}}, "network must be one of"),
    ],
)
def test_a_bad_flag_is_named(tiny_dataset: Path, tmp_path: Path, flags: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        Table1(datasets=f"timit={tiny_dataset}", out=str(tmp_path / "out"), **flags)
    assert not (tmp_path / "out").exists()


def test_workers_of_one_luigid_train_nothing_twice(tiny_dataset: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    config = tmp_path / "luigid.cfg"
    config.write_text("[resources]\ngpu = 3\n")
    command = [BIN / "luigid", "--address", "127.0.0.1", "--port", port, "--state-path", tmp_path / "state"]
    flags = ("--networks", "x2face", "--protocols", "published", "--seeds", "0,1", "--log-level", "INFO")
    with subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ, "LUIGI_CONFIG_PATH": str(config)}, stderr=subprocess.DEVNULL
    ) as luigid:
        try:
            deadline = time.monotonic() + 30
            while not _answers(port) and time.monotonic() < deadline:
                time.sleep(0.1)
            shared = ("--scheduler-host", "127.0.0.1", "--scheduler-port", port)
            workers = [start(tiny_dataset, tmp_path / "out", *flags, *shared) for _ in range(3)]
            logs = [worker.communicate(timeout=200)[1] for worker in workers]
        finally:
            luigid.kill()
    assert {worker.returncode for worker in workers} <= {0, NOT_RUN}, logs
    done = [task for log in logs for task in re.findall(r"done +(TrainRun\(.*)", log)]
    assert len(done) == len(set(done)) == 2
    for seed in (0, 1):
        log = RunFolder(tmp_path / "out", "timit", "x2face-published", seed).beside(".log").read_text()
        assert sum(line.startswith("$ ") for line in log.splitlines()) == 1, "begun once"
    assert (tmp_path / "out" / "table1.md").is_file()


@pytest.mark.filterwarnings("ignore:The configuration contains the parameter .rpc_retry")  # Luigi reads it itself
def test_a_first_seed_of_everything_comes_before_a_second(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    def train(task: TrainRun) -> None:
        begun.append(task.seed)
        write_json(task._run_folder(task.training).diverged_file, {"message": "stands for a run"})

    monkeypatch.setattr(TrainRun, "run", train)
    monkeypatch.setattr(Table1, "run", lambda _: None)
    table = Table1(datasets=f"timit={tiny_dataset}", out=str(tmp_path), seeds="0,1", networks="ganimation,x2face")
    try:
        luigi.build([table], local_scheduler=True, workers=1)
    finally:
        table.progress.stop()
    assert begun == [0] * 4 + [1] * 4


@pytest.mark.filterwarnings("ignore:The configuration contains the parameter .rpc_retry")
def test_ablations_take_further_rows(tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[str] = []

    def train(task: TrainRun) -> None:
        trained.append(task.training)
        write_json(task._run_folder(task.training).diverged_file, {"message": "stands for a run"})

    monkeypatch.setattr(TrainRun, "run", train)
    variations = {"guided": "--guide landmarks"}
    ablations = Ablations(datasets=f"timit={tiny_dataset}", out=str(tmp_path), seeds="0", variations=variations)
    try:
        assert not luigi.build([ablations], local_scheduler=True, workers=1), "all diverged"
    finally:
        ablations.progress.stop()
    published = ["bank-1", "bank-3", "appearance", "warp", "", "guided"]
    assert sorted(trained) == sorted("flnet-published" + f"-{name}" * bool(name) for name in published)
    table = [
        line.split(" | ")[0] for line in (tmp_path / "ablations.md").read_text().splitlines() if "diverged |" in line
    ]
    assert table[:6] == ["| 1B", "| 3B", "| A", "| W", "| A+W = 5B", "| guided"]
    with pytest.raises(InputError, match="must be small letters"):
        Ablations(datasets=f"timit={tiny_dataset}", out=str(tmp_path), variations={"bank-1": ""})


def _answers(port: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), timeout=1):
        return True
    return False
