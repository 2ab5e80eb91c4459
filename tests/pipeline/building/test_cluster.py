"""Several builds of one folder: hosts around a luigid, some of which die, and ranks without a scheduler."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.building import finish
from pipeline.building.chunk import build_chunk
from pipeline.building.plan import make_plan
from pipeline.check import check_dataset
from pipeline.corpora import scan_timit
from pipeline.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
DONE = re.compile(r"Worker Worker\(.*\) done +(.*)")
NOT_RUN = 25


@pytest.fixture(scope="module")
def expected(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of a build without a cluster."""
    out = tmp_path_factory.mktemp("expected")
    plan = make_plan("timit", scan_timit(sample_root), Settings())
    for chunk in plan.chunks:
        build_chunk(out, sample_root, chunk, plan.settings, None)
    return str(finish.finish(out, sample_root, plan, 0.0)["digest"])


class Luigid:
    """A scheduler with the repository's luigi.cfg, on a port of its own."""

    def __init__(self, state: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self._state = state
        self.start()

    def start(self) -> None:
        command = [BIN / "luigid", "--address", "127.0.0.1", "--port", self.port, "--state-path", self._state]
        self._process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(self.port)), timeout=1):
                return
            time.sleep(0.1)
        raise TimeoutError("luigid does not answer")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)
        self._process.wait(30)

    @property
    def flags(self) -> list[str]:
        return ["--scheduler-host", "127.0.0.1", "--scheduler-port", self.port]


@pytest.fixture
def luigid(tmp_path: Path) -> Iterator[Luigid]:
    daemon = Luigid(tmp_path / "state")
    yield daemon
    daemon.stop(signal.SIGKILL)


def host(root: Path, out: Path, flags: list[str]) -> subprocess.Popen[str]:
    command = [BIN / "luigi", "--module", "pipeline", "BuildTimit", "--corpus-root", root, "--out", out]
    command += ["--workers", "1", "--log-level", "INFO", *flags]
    return subprocess.Popen(
        command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def digest(out: Path) -> str:
    defects, found = check_dataset(out)
    assert defects == []
    return found


def test_three_hosts_share_the_work_and_do_nothing_twice(
    luigid: Luigid, sample_root: Path, tmp_path: Path, expected: str
) -> None:
    hosts = [host(sample_root, tmp_path / "out", luigid.flags) for _ in range(3)]
    logs = [process.communicate(timeout=120)[1] for process in hosts]
    assert {process.returncode for process in hosts} <= {0, NOT_RUN}
    done = [Counter(task.split("(")[0] for task in DONE.findall(log)) for log in logs]
    tasks = Counter(task for log in logs for task in DONE.findall(log))
    assert len(tasks) == 7  # six chunks and the build
    assert set(tasks.values()) == {1}
    assert sum(bool(count["PrepareChunk"]) for count in done) > 1
    assert digest(tmp_path / "out") == expected


def test_a_host_and_then_luigid_die(luigid: Luigid, sample_root: Path, tmp_path: Path, expected: str) -> None:
    out = tmp_path / "out"
    hosts = [host(sample_root, out, luigid.flags) for _ in range(2)]
    deadline = time.monotonic() + 60
    while not list(out.glob("work/tracks/*/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(hosts[0].pid, signal.SIGKILL)
    luigid.stop(signal.SIGTERM)
    luigid.start()
    hosts[0].communicate()
    hosts[1].communicate(timeout=120)
    for _ in range(3):  # what cluster/worker.sh does
        if hosts[1].returncode != NOT_RUN:
            break
        hosts[1] = host(sample_root, out, luigid.flags)
        hosts[1].communicate(timeout=120)
    assert hosts[1].returncode == 0
    assert digest(out) == expected


def test_ranks_need_no_scheduler(sample_root: Path, tmp_path: Path, expected: str) -> None:
    out = tmp_path / "out"
    first = host(sample_root, out, ["--rank", "1", "--num-ranks", "2"])
    said, _ = first.communicate(timeout=120)
    assert first.returncode == 0
    assert "rank 1 of 2 is done; the last one finishes the dataset" in said
    assert not (out / "dataset.json").exists()
    assert len(list(out.glob("work/chunks/*.json"))) == 3
    last = host(sample_root, out, ["--rank", "0", "--num-ranks", "2"])
    said, log = last.communicate(timeout=120)
    assert last.returncode == 0
    assert f"digest {expected}" in said
    assert len([task for task in DONE.findall(log) if task.startswith("PrepareChunk")]) == 3
    assert digest(out) == expected


def test_a_rank_must_be_one_of_them(sample_root: Path, tmp_path: Path) -> None:
    failed = host(sample_root, tmp_path / "out", ["--rank", "2", "--num-ranks", "2"])
    _, log = failed.communicate(timeout=60)
    assert failed.returncode == 40
    assert "--rank must be in [0, --num-ranks 2), got 2" in log
