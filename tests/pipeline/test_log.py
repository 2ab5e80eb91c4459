"""What is told on stderr: lines where there is no terminal, a bar where there is one, and no more than is wanted."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import log

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every state is told, as if half a minute passed between any two."""
    monkeypatch.setattr(log, "LINE_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def back_to_info() -> Iterator[None]:
    """The level is the process's."""
    yield
    log.set_level("info")


def test_without_a_terminal_what_is_soon_done_has_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(log.progress(range(2000), "counting", unit="things", total=2000)) == list(range(2000))
    assert capsys.readouterr().err == ""
    assert log.LINE_SECONDS == 30


@pytest.mark.usefixtures("at_once")
def test_without_a_terminal_progress_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(log.progress(range(3), "counting", unit="things", total=3)) == [0, 1, 2]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("counting: 0 of 3 things, ")
    assert lines[-1].startswith("counting: 3 of 3 things, ")


@pytest.mark.usefixtures("at_once")
def test_a_bar_is_told_by_hand_with_what_stands_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    with log.progress(what="building", unit="videos", total=8, initial=2) as bar:
        bar.set_postfix_str("3 failed", refresh=False)
        bar.update(6)
    assert capsys.readouterr().err.splitlines()[-1].endswith(", 3 failed")


@pytest.mark.usefixtures("at_once")
def test_a_line_comes_though_nothing_moves(capsys: pytest.CaptureFixture[str]) -> None:
    with log.progress(what="building", unit="videos", total=8) as bar:
        bar.set_postfix_str("0 frames/s", refresh=False)
        bar.update(0)
    assert capsys.readouterr().err.splitlines()[1].endswith(", 0 frames/s")


def test_on_a_terminal_progress_is_a_bar(tmp_path: Path) -> None:
    program = "from pipeline import log\nfor _ in log.progress(range(3), 'counting', unit='things'): log.warn('look')"
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment, command = {**os.environ, "PYTHONPATH": str(ROOT)}, [sys.executable, "-c", program]
    subprocess.run(command, cwd=tmp_path, env=environment, stderr=theirs, check=True, timeout=60)
    os.close(theirs)
    told = b""
    while True:
        try:
            told += os.read(ours, 4096)
        except OSError:  # how a terminal ends
            break
    os.close(ours)
    assert b"\r" in told
    assert b"3/3" in told
    assert told.count(b"warning: look\r\n") == 3


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["note: a", "warning: b", "flnet: c"]),
        ("info", ["note: a", "warning: b", "flnet: c"]),
        ("warning", ["warning: b", "flnet: c"]),
        ("error", ["flnet: c"]),
    ],
)
def test_a_level_leaves_out_what_is_below_it(level: str, told: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    log.set_level(level)
    log.note("a")
    log.warn("b")
    log.error("flnet: c")
    assert capsys.readouterr().err.splitlines() == told
    list(log.progress(range(3), "counting", unit="things"))
    assert bool(capsys.readouterr().err) == (level in ("debug", "info"))
