"""SIGTERM, SIGUSR1 (preemption) and Ctrl-C: remembered until the step is finished, kept from helper processes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pipeline import interrupts

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
_SAVING = b"\ninterrupted: saving after this step; Ctrl-C again ends at once, without\n"


class StopRequest:
    """Whether a stop signal has arrived since `watched_signals` began."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._leave = interrupts.Leave("interrupted again, ended at once; go on from the last checkpoint with --resume")

    def __bool__(self) -> bool:
        return self.signal is not None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The signal handler: nothing but a note, so that no step is cut short; a second Ctrl-C ends everything."""
        if number == signal.SIGINT:
            if self.signal is not None:
                self._leave(number, frame)
            os.write(2, _SAVING)
        self.signal = signal.Signals(number)


@contextmanager
def watched_signals() -> Iterator[StopRequest]:
    """Note stop signals instead of dying of them; the earlier handlers come back at the end."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # only the main thread may set handlers; whoever trains in another one sees to signals himself
        return
    earlier = [(number, signal.signal(number, request.receive)) for number in STOP_SIGNALS]
    try:
        yield request
    finally:
        for number, handler in earlier:
            signal.signal(number, handler)


@contextmanager
def held_back_signals() -> Iterator[None]:
    """Let stop signals wait until the end of this; a process started meanwhile never receives any."""
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def obey_only_parent() -> None:
    """In a helper process started under `held_back_signals`: end on SIGTERM from the parent, ignore all others.

    Schedulers send signals to every process of a run, and the parent needs its helpers to finish its step; but it
    must itself be able to end them.
    """
    parent = os.getppid()

    def wait() -> None:
        while signal.sigwaitinfo([signal.SIGTERM]).si_pid != parent:
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
