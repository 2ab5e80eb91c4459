"""One program at a time in a folder: a lock that goes with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

held: dict[Path, int] = {}  # by this process: open files


def is_taken(path: Path) -> bool:
    """Whether a program that is alive holds the lock of a file; False where that cannot be found out."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)  # which gives the lock back
    return False


def take(path: Path, shared: bool, patience_seconds: float) -> bool:
    """Hold the lock of a file, made if need be, for as long as this process lives.

    Where nothing can be written, or the file system knows no locks, everybody is let in.

    Args:
        shared: let in others who share as well.
        patience_seconds: what a killed program's processes may take to be gone.

    Returns:
        False where somebody else holds it.
    """
    path = path.absolute()
    if path in held:
        return True
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return True
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(file, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(file)
                return False
            time.sleep(0.2)
            continue
        except OSError:
            os.close(file)
            return True
        held[path] = file
        return True
