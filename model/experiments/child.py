"""The program's own commands as child processes: alone in their folder, saved when stopped, and never left behind."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

import pipeline
from pipeline.child_process import end_with_parent
from pipeline.errors import FlnetError

POLL_SECONDS = 0.2
# By its file: `python -m` would look for it, and for all that it needs, in the current folder first.
FLNET = (str(Path(pipeline.__file__).parents[1] / "flnet.py"),)


class CommandError(FlnetError):
    """A command of the program failed; the message has its status, its last words, and where all of them are."""


def run_command(program: Sequence[str], log: Path, threads: int, held: IO[str] | None = None) -> int:
    """Run Python with these words to its end; what it prints goes to the end of `log`.

    SIGTERM and Ctrl-C are passed on as SIGTERM, on which a training saves, and end this process once the child is gone.
    The child gets SIGTERM too when this process is killed.

    Args:
        program: `[*FLNET, "train", …]`.
        threads: that numerical libraries may use on the CPU, where the user has not said.
        held: a locked file that stays locked until the child is gone as well.

    Returns:
        Its exit status.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
    command = [sys.executable, *program]
    parent = os.getpid()

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group, and is the parent's to pass on
        end_with_parent(parent, signal.SIGTERM)

    with log.open("a", encoding="utf-8") as output, _stops() as stops:
        output.write(f"$ {' '.join(command)}\n")
        output.flush()
        child = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, preexec_fn=prepare,
            pass_fds=() if held is None else (held.fileno(),),
        )  # fmt: skip
        told = False
        while child.poll() is None:
            time.sleep(POLL_SECONDS)
            if stops and not told:
                child.terminate()
                told = True
    if stops:
        signal.signal(stops[0], signal.SIG_DFL)
        os.kill(os.getpid(), stops[0])
    return child.returncode


@contextmanager
def _stops() -> Iterator[list[int]]:
    """The stop signals that come in the meantime, in place of what they would do."""
    found: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield found
        return

    def note(number: int, _frame: FrameType | None) -> None:
        found.append(number)

    earlier = [(number, signal.signal(number, note)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield found
    finally:
        for number, handler in earlier:
            signal.signal(number, handler)


def last_words(log: Path) -> str:
    """The last line that a command printed."""
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").split("\n")
    said = [line.strip() for line in lines if line.strip() and not line.startswith("$ ")]
    return said[-1] if said else "it said nothing"


@contextmanager
def locked(path: Path) -> Iterator[IO[str]]:
    """Hold a file locked, after waiting for whoever holds it: a killed run's child that is still saving, say.

    A file system without locks holds nobody.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(POLL_SECONDS)
                continue
            except OSError:
                pass
            break
        yield file
