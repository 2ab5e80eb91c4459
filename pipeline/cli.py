"""What all commands share: one-line errors, `--debug` for the traceback, exit status 1 on failure."""

from __future__ import annotations

import argparse
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Sequence

from pipeline import interrupts
from pipeline.errors import FlnetError

# What a user can do about an error of the system.
REMEDIES = {
    errno.ENOSPC: "the disk is full: make room and run the same command again",
    errno.EDQUOT: "the quota is used up: make room and run the same command again",
    errno.EFBIG: "the file may not grow further: raise the limit and run the same command again",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
}
LONGEST_MESSAGE = 1000  # names may be as long as their writer likes
_SHORT_MEMORY = re.compile("can't allocate memory|could not create a primitive|can't start new thread")


def run(
    parser: argparse.ArgumentParser,
    main: Callable[[argparse.Namespace], int],
    argv: Sequence[str] | None = None,
) -> int:
    """Parse `argv`, call `main`, and turn what the user can mend into one line on stderr.

    Returns:
        `main`'s status; 1 after a `FlnetError` or an operating-system error; 130 after Ctrl-C.
    """
    parser.add_argument("--debug", action="store_true", help="show the full traceback of an error")
    tolerate_any_name()
    args = parser.parse_args(argv)
    interrupts.handle(interrupts.RaiseOnce())
    try:
        return main(args)
    except KeyboardInterrupt:
        print(f"\n{parser.prog}: interrupted", file=sys.stderr)
        return interrupts.INTERRUPTED
    except BrokenPipeError:  # whoever read this has seen enough, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (FlnetError, OSError, MemoryError, ImportError, RuntimeError) as error:
        if args.debug or (isinstance(error, RuntimeError) and not _is_short_memory(error)):
            raise
        print(f"{parser.prog}: {one_line(error)}", file=sys.stderr)
        return 1


def tolerate_any_name() -> None:
    """Have names that the terminal cannot show printed with escapes, rather than end in an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def one_line(error: BaseException) -> str:
    """The error's message on a single line, with its type where it is not one of ours."""
    text = printable(" ".join(str(error).split()))[:LONGEST_MESSAGE] or "no message"
    if isinstance(error, FlnetError):
        return text
    remedy = REMEDIES.get(error.errno or 0) if isinstance(error, OSError) else None
    if _is_short_memory(error):
        remedy = "memory ran out: use a smaller batch, fewer workers or a larger machine"
    return f"{type(error).__name__}: {text}" + (f"; {remedy}" if remedy else "")


def _is_short_memory(error: BaseException) -> bool:
    """Whether memory ran out: torch, and the libraries under it, say so in a RuntimeError."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and bool(_SHORT_MEMORY.search(str(error)))
    )


def printable(text: str) -> str:
    """The text on one line that any terminal takes: what file names may hold beside letters is escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )
