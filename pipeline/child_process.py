"""Work in a child process of its own: a crash of C++ code takes what it was doing, not the program."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar, cast

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
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

_forking = threading.RLock()  # without it, a sibling forked between pipe() and close() would hold the pipe open
_in_child = False  # here and now: a child sets its own


class CrashError(Exception):
    """The work ended its own process or raised what it should not have; the message says how, on one line."""


class StallError(CrashError):
    """The work hung under a `watchdog`."""


@contextmanager
def watchdog(seconds: float, busy: bool = False) -> Iterator[None]:
    """End the process if the body, a call into C code that may hang, takes longer; for work in `run_in_child`.

    Anywhere else it does nothing: there is nobody to notice, and Ctrl-C is at hand.

    Args:
        busy: count the processor's time instead: a slow disk, or others at work, are no hang.
    """
    timer = signal.ITIMER_PROF if busy else signal.ITIMER_REAL
    if _in_child:
        signal.setitimer(timer, seconds)  # the signal's default, which is to end the process, holds here
    try:
        yield
    finally:
        if _in_child:
            signal.setitimer(timer, 0)


class Child(Generic[T]):
    """A forked process that calls `work` whenever it is told to, and dies when this one does.

    A fork and the memory that a new process touches first cost as much as preparing a few frames, so that one child
    serves many calls. What it raises by itself, and it lives on: FlnetError, OSError, MemoryError, and `CrashError` for
    any other exception.

    Args:
        work: is in the child by way of the fork, and need not be picklable; arguments and answers must be.
    """

    def __init__(self, work: Callable[..., T]) -> None:
        with _forking:
            self._pipe, theirs = multiprocessing.Pipe()
            sys.stdout.flush()
            sys.stderr.flush()
            parent = os.getpid()
            # Python's own callbacks at a fork would swallow a Ctrl-C: it waits until they are through.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                self._pid: int | None = os.fork()
                if self._pid == 0:
                    self._pipe.close()
                    _live_and_die(parent, theirs, work)
            finally:
                theirs.close()
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    @property
    def alive(self) -> bool:
        """Whether it has not been seen to end."""
        return self._pid is not None

    def __call__(self, *arguments: Any) -> T:
        """`work(*arguments)` over there.

        Raises:
            FlnetError, OSError, MemoryError: as `work` raised them.
            StallError: a `watchdog` ended the process.
            CrashError: the process died of one of `CRASH_SIGNALS`, left without an answer, or `work` raised anything
                else.
            BuildError: something outside killed the process; worth another try.
        """
        self.begin(*arguments)
        return self.answer()

    def begin(self, *arguments: Any) -> None:
        """Have it call `work(*arguments)`; then ask for the `answer`."""
        try:
            self._pipe.send(arguments)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it is gone, which the answer says
        except BaseException:
            self.kill()
            raise

    def answer(self) -> T:
        """Wait for the answer to what was begun; raises as the call does."""
        try:
            returned, value = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            raise _death(self._end()) from None
        except BaseException:  # Ctrl-C, a timeout of Luigi's: do not leave the child behind
            self.kill()
            raise
        if returned:
            return value  # type: ignore[no-any-return]
        raise value

    def fileno(self) -> int:
        """Of the pipe on which answers come, for `multiprocessing.connection.wait`."""
        return self._pipe.fileno()

    def close(self) -> None:
        """Let it go, and wait until it is gone."""
        if self._pid is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is gone already
                self._pipe.send(None)
            self._end()

    def kill(self) -> None:
        """End it at once."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            self._end()

    def _end(self) -> int:
        assert self._pid is not None
        _, status = os.waitpid(self._pid, 0)
        self._pid = None
        self._pipe.close()
        return os.waitstatus_to_exitcode(status)


class Children(Generic[T]):
    """Calls `work` in a `Child` of each thread that asks, forked when there is none; a context manager that ends them.

    Sent to another process, it becomes `run_in_child` of `work`: nobody there would end lasting ones.
    """

    def __init__(self, work: Callable[..., T]) -> None:
        self._work = work
        self._by_thread: dict[int, Child[T]] = {}

    def __enter__(self) -> Children[T]:
        return self

    def __exit__(self, *_: object) -> None:
        while self._by_thread:
            self._by_thread.popitem()[1].close()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial, (run_in_child, self._work)

    def __call__(self, *arguments: Any) -> T:
        """`work(*arguments)`; raises as `Child`."""
        thread = threading.get_ident()
        child = self._by_thread.get(thread)
        if child is None or not child.alive:
            child = self._by_thread[thread] = Child(self._work)
        return child(*arguments)


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What became of a call in a child."""

    value: T | None
    error: Exception | None = None

    def result(self) -> T:
        """As `Child` returns or raises it."""
        if self.error is not None:
            raise self.error
        return cast(T, self.value)


@contextmanager
def in_children(work: Callable[..., T], calls: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[Iterator[Answer[T]]]:
    """`work(*call)` for each of some calls, in at most so many children side by side.

    No thread waits for them, which would take memory, and outlive a Ctrl-C: on any error in the body they are killed.

    Returns:
        The answers, in the order of the calls.
    """
    children: list[Child[T]] = []
    try:
        yield _answers(work, calls, jobs, children)
        for child in children:
            child.close()
    finally:
        for child in children:
            child.kill()


def _answers(
    work: Callable[..., T], calls: Sequence[tuple[Any, ...]], jobs: int, children: list[Child[T]]
) -> Iterator[Answer[T]]:
    begun: dict[Child[T], int] = {}  # child -> number of the call that it is at
    known: dict[int, Answer[T]] = {}
    coming = iter(enumerate(calls))
    idle: list[Child[T]] = []
    for number in range(len(calls)):
        while number not in known:
            for at, call in islice(coming, jobs - len(begun)):
                if not idle:
                    idle.append(Child(work))
                    children.append(idle[-1])
                child = idle.pop()
                child.begin(*call)
                begun[child] = at
            for child in cast("list[Child[T]]", connection.wait(cast(Any, list(begun)))):
                at = begun.pop(child)
                try:
                    known[at] = Answer(child.answer())
                except Exception as error:  # noqa: BLE001 - it is raised where the answer is looked at
                    known[at] = Answer(None, error)
                if child.alive:
                    idle.append(child)
        yield known.pop(number)


def run_in_child(work: Callable[..., T], *arguments: Any) -> T:
    """`work(*arguments)` in a `Child` of its own; raises as that does."""
    child = Child(work)
    try:
        return child(*arguments)
    finally:
        child.close()


def _death(code: int) -> Exception:
    """What the end of a child means that gave no answer."""
    if -code in (signal.SIGALRM, signal.SIGPROF):  # of `watchdog`
        return StallError("the process hung and was stopped")
    if -code in CRASH_SIGNALS:
        return CrashError(f"the process crashed ({signal.Signals(-code).name})")
    if code < 0:
        return BuildError(
            f"a process was killed from outside (signal {-code}); if memory ran out, use fewer --workers; "
            "run again to go on"
        )
    return CrashError(f"the process ended with status {code}")


def end_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when `parent`, which forked it, is gone.

    On Linux; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it went before we asked
            os.kill(os.getpid(), number)


def tune_memory() -> None:
    """Prepare a process that will not live long for work on many pictures.

    The C library (glibc; elsewhere nothing happens) keeps freed memory for what comes next: by default every
    picture-sized piece goes back to the system, and comes again as pages that must each be faulted in and cleared, a
    tenth of preparing a video. And what is there already need not be looked at by every collection of garbage, nor its
    pages, shared with the parent, be copied for that.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 1 << 30)
    gc.freeze()


def _live_and_die(parent: int, pipe: Connection, work: Callable[..., Any]) -> None:
    """The child's whole life. It never returns, so that no handler or buffer of the parent runs twice."""
    global _in_child
    status, _in_child = 1, True
    try:
        end_with_parent(parent)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGPROF):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        tune_memory()
        while (arguments := pipe.recv()) is not None:
            pipe.send(_answer(work, arguments))
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
