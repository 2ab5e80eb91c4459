"""SIGTERM and SIGUSR1 (preemption): remembered until the step is finished, ignored by helper processes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Whether a stop signal has arrived since `watched_signals` began."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """The signal handler: nothing but a note, so that no step is cut short."""
        self.signal = signal.Signals(number)


@contextmanager
def watched_signals() -> Iterator[StopRequest]:
    """Note stop signals instead of dying of them; the earlier handlers come back at the end."""
    request = StopRequest()
    with _handlers(request.receive):
        yield request


@contextmanager
def ignored_signals() -> Iterator[None]:
    """Ignore stop signals, which programs started meanwhile inherit. One that arrives is lost: keep it short."""
    with _handlers(signal.SIG_IGN):
        yield


@contextmanager
def _handlers(handler: object) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers; a caller that trains in another one handles signals itself
        return
    earlier = [(number, signal.getsignal(number)) for number in STOP_SIGNALS]
    for number in STOP_SIGNALS:
        signal.signal(number, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number, previous in earlier:
            signal.signal(number, previous)
