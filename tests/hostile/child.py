"""A command in a forked process with limits: what it said, what it cost, how it ended, who is left."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import multiprocessing.util
import os
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

CPU_SECONDS = 12
MORE_BYTES = 1 << 30  # than the command takes in a sound world
ROOM_BYTES = 4 << 30  # of addresses, beyond what is there at the start; a request for more is an error of its own
HANG_SECONDS = 90  # on the wall: only what waits for something that never comes takes so long
_ACCESS, _MODIFY, _ATTRIB, _MOVED, _CREATE, _DELETE, _OPEN, _IS_FOLDER = 1, 2, 4, 0xC0, 0x100, 0x200, 0x20, 0x40000000


@dataclass(frozen=True)
class Trouble:
    """What befalls a command beside its files.

    Attributes:
        environment: variables; None takes one away.
        file_bytes: largest file that can be written, as with a full disk.
        memory_bytes: of addresses that are left.
        user: a user id without an entry in the system's table.
        signals: seconds after the start, and what is sent then.
        encoding: of the terminal.
        before: run in the process before the command.
    """

    environment: dict[str, str | None] = field(default_factory=dict)
    file_bytes: int | None = None
    memory_bytes: int | None = None
    user: int | None = None
    signals: tuple[tuple[float, int], ...] = ()
    encoding: str = "utf-8"
    before: Callable[[], object] | None = None


class Ended(NamedTuple):
    """How a command ended."""

    status: int  # below 0: of a signal
    out: str
    err: str
    cpu_seconds: float
    peak_bytes: int
    hung: bool
    left: list[str]  # processes


def run(command: Callable[[], int], folder: Path, trouble: Trouble, patience_seconds: float = HANG_SECONDS) -> Ended:
    """Run a command in a process of its own session, in a folder."""
    words = [_Words(), _Words()]
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _live(command, folder, [each.theirs for each in words], trouble)
    begun, sent = time.monotonic(), 0
    hung = False
    while True:
        done, status, used = os.wait4(pid, os.WNOHANG)
        for each in words:
            each.read()
        if done:
            break
        passed = time.monotonic() - begun
        if sent < len(trouble.signals) and passed >= trouble.signals[sent][0]:
            os.kill(pid, trouble.signals[sent][1])
            sent += 1
        if passed > patience_seconds:
            hung = True
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    left = _left(pid)
    out, err = (each.close() for each in words)
    cpu = used.ru_utime + used.ru_stime
    return Ended(os.waitstatus_to_exitcode(status), out, err, cpu, used.ru_maxrss << 10, hung, left)


class _Words:
    """What a process says, by a pipe: a limit on files is none for it."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.pipe()
        os.set_blocking(self._ours, False)
        self._said = bytearray()

    def read(self) -> None:
        """Take what has come."""
        with contextlib.suppress(BlockingIOError):
            while more := os.read(self._ours, 1 << 16):
                self._said += more

    def close(self) -> str:
        """All that was said."""
        os.close(self.theirs)
        self.read()
        os.close(self._ours)
        return self._said.decode("utf-8", "surrogateescape")


def _live(command: Callable[[], int], folder: Path, pipes: Sequence[int], trouble: Trouble) -> None:
    status = 99
    try:
        atexit._clear()  # the parent's; the command registers its own
        atexit.register(multiprocessing.util._exit_function)  # type: ignore[attr-defined]
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, pipe in zip((1, 2), pipes, strict=True):
            os.dup2(pipe, number)
        sys.stdout = open(1, "w", encoding=trouble.encoding, errors="strict", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", 1, trouble.encoding, "backslashreplace", closefd=False)  # noqa: SIM115
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _limit(trouble)
        status = _status(command)
    except BaseException:  # noqa: BLE001 - that is what is looked for
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _limit(trouble: Trouble) -> None:
    for name, value in trouble.environment.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    room = psutil.Process().memory_info().vms + (trouble.memory_bytes or ROOM_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    if trouble.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (trouble.file_bytes, resource.RLIM_INFINITY))
    if trouble.user is not None:
        os.setgroups([])
        os.setgid(trouble.user)
        os.setuid(trouble.user)
    if trouble.before is not None:
        trouble.before()


def _status(command: Callable[[], int]) -> int:
    try:
        return command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        atexit._run_exitfuncs()


def _left(session: int) -> list[str]:
    """Processes of a session that are still there a moment later."""
    deadline = time.monotonic() + 5
    while True:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, psutil.Error):
                if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        if not found or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    names = [str(process.pid) for process in found]
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    return names


class Watch:
    """Who reads or changes anything below a folder: the kernel tells (inotify; Linux)."""

    def __init__(self, folder: Path) -> None:
        self._c = ctypes.CDLL(None, use_errno=True)
        self._handle = self._c.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._handle < 0:
            raise OSError(ctypes.get_errno(), "inotify is needed to see who reads what")
        self._names = {}
        mask = _ACCESS | _MODIFY | _ATTRIB | _MOVED | _CREATE | _DELETE
        for inside, _, _ in os.walk(folder):
            number = self._c.inotify_add_watch(self._handle, os.fsencode(inside), mask)
            self._names[number] = inside

    def seen(self) -> list[str]:
        """What has happened since this was last asked: "read secret.txt"; listing a folder is nothing."""
        return sorted(set(self._events()))

    def _events(self) -> Iterator[str]:
        while True:
            try:
                data = os.read(self._handle, 1 << 16)
            except BlockingIOError:
                return
            while data:
                number, mask, _, length = struct.unpack_from("iIII", data)
                name = data[16 : 16 + length].rstrip(b"\0").decode()
                data = data[16 + length :]
                if not (mask & _IS_FOLDER and mask & (_ACCESS | _ATTRIB)):
                    yield f"{'read' if mask & _ACCESS else 'changed'} {name or self._names.get(number)}"
