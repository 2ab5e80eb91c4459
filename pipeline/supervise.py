"""Work in a child process of its own: a crash of C++ code takes what it was doing, not the program."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pipeline.cli import one_line
from pipeline.errors import BuildError, FlnetError

T = TypeVar("T")

# Signals by which a program falls over its own feet. Any other, SIGKILL of the out-of-memory killer among them, came
# from outside and says nothing about the work.
CRASH_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS")
    if hasattr(signal, name)
)
_PR_SET_PDEATHSIG = 1

_forking = threading.RLock()  # without it, a sibling forked between pipe() and close() would hold the pipe open


_in_child = False


class CrashError(Exception):
    """The work ended its own process or raised what it should not have; the message says how, on one line."""


class StallError(CrashError):
    """The work hung under a `watchdog`."""


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """End the process if the body, a call into C code that may hang, takes longer; for work in `run_in_child`.

    Anywhere else it does nothing: there is nobody to notice, and Ctrl-C is at hand.
    """
    if _in_child:
        signal.setitimer(signal.ITIMER_REAL, seconds)  # the signal's default, which is to end the process, holds here
    try:
        yield
    finally:
        if _in_child:
            signal.setitimer(signal.ITIMER_REAL, 0)


def run_in_child(work: Callable[..., T], *arguments: Any) -> T:
    """`work(*arguments)` in a forked process, which dies when this one does.

    Returns:
        What `work` returned, by way of pickle.

    Raises:
        FlnetError, OSError, MemoryError: as `work` raised them.
        StallError: a `watchdog` ended the process.
        CrashError: the process died of one of `CRASH_SIGNALS`, left without an answer, or raised anything else.
        BuildError: something outside killed the process; worth another try.
    """
    with _forking:
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _live_and_die(parent, writing, work, arguments)
        os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
    except BaseException:  # Ctrl-C, a timeout of Luigi's: do not leave the child behind
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        returned, value = pickle.loads(answer)  # our own child's words
        if returned:
            return value  # type: ignore[no-any-return]
        raise value
    if -code == signal.SIGALRM:
        raise StallError("ffmpeg gave nothing for too long and was stopped")
    if -code in CRASH_SIGNALS:
        raise CrashError(f"the process crashed ({signal.Signals(-code).name})")
    if code < 0:
        raise BuildError(
            f"a process was killed from outside (signal {-code}); if memory ran out, use fewer --workers; "
            "run again to go on"
        )
    raise CrashError(f"the process ended with status {code}")


def die_with(parent: int) -> None:
    """Have the kernel kill this process when `parent`, which forked it, is gone (Linux; elsewhere nothing happens)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it went before we asked
            os.kill(os.getpid(), signal.SIGKILL)


def _live_and_die(parent: int, pipe: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """The child's whole life. It never returns, so that no handler or buffer of the parent runs twice."""
    global _in_child
    status, _in_child = 1, True
    try:
        die_with(parent)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        answer = pickle.dumps(_answer(work, arguments))
        with os.fdopen(pipe, "wb") as file:
            file.write(answer)
        status = 0
    finally:
        os._exit(status)


def _answer(work: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, work(*arguments)
    except (FlnetError, OSError, MemoryError) as error:
        return False, error
    except Exception as error:  # noqa: BLE001 - whatever a hostile file provokes is a fact about that file
        return False, CrashError(one_line(error))
