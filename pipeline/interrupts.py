"""Ctrl-C ends a command with one line and no process left behind, whatever it is doing: importing, forking, waiting.

Python's own way raises KeyboardInterrupt wherever the program happens to be: a traceback while modules load, nothing at
all where some callback swallows it. Imported first of all, this module watches from a command's first moment on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

INTERRUPTED = 130  # exit status, as shells have it
PATIENCE_SECONDS = 5.0  # what killed children may take to be gone
_COMMANDS = ("-m", "luigi", "flnet", "flnet.py")  # what sys.argv[0] is, or ends in, while a command is being loaded


class Leave:
    """A handler that ends the process at once, and every process that it started: files here are atomic.

    Args:
        words: the one line, without the program's name.
    """

    def __init__(self, words: str) -> None:
        self._words, self._pid = words, os.getpid()

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Say so, and end; in a forked child, just end."""
        try:
            if os.getpid() == self._pid:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's would raise that its workers are gone
                os.write(2, f"\n{_program()}: {self._words}\n".encode())
                end_children()
        finally:
            os._exit(INTERRUPTED)


class RaiseOnce:
    """A handler for a command whose files want closing: KeyboardInterrupt the first time, and the end the second."""

    def __init__(self) -> None:
        self._leave = Leave("interrupted again, ended at once")
        self._raised = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raise, or end."""
        if self._raised:
            self._leave(number, frame)
        self._raised = True
        raise KeyboardInterrupt


def end_children() -> None:
    """Kill what this process started, and what that started."""
    loaded = sys.modules.get("psutil")
    if loaded is None or not hasattr(loaded, "wait_procs"):
        return  # nothing is running yet: it is loaded below, before anything else
    children = psutil.Process().children(recursive=True)
    for child in sorted(children, key=_is_no_tracker):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(children, timeout=PATIENCE_SECONDS)


def _is_no_tracker(process: psutil.Process) -> bool:
    """Python's resource trackers go first: they would complain of all that the others can no longer tidy up."""
    try:
        return not any("resource_tracker" in word for word in process.cmdline())
    except psutil.Error:
        return True


def handle(handler: Leave | RaiseOnce) -> None:
    """Have Ctrl-C do this, unless it is ignored (as in a background job) or somebody else has a handler of his own."""
    if threading.current_thread() is not threading.main_thread():
        return
    current = signal.getsignal(signal.SIGINT)
    if current is signal.default_int_handler or isinstance(current, (Leave, RaiseOnce)):
        signal.signal(signal.SIGINT, handler)


def _program() -> str:
    name = Path(sys.argv[0]).name if sys.argv else "python"
    return "python" if name == "-m" else name.removesuffix(".py")


if sys.argv and Path(sys.argv[0]).name in _COMMANDS:
    going_on = "" if sys.argv[0] == "-m" else "; finished work is kept, the same command goes on"
    handle(Leave(f"interrupted{going_on}"))

import psutil  # noqa: E402 - for `end_children`, which cannot load it in the middle of anything
