"""What all commands share: one-line errors with the nearest word, `--debug` for the traceback, 1 on failure."""

from __future__ import annotations

import argparse
import difflib
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from pipeline import interrupts, log
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


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the flag's name and the nearest word that there is."""

    def error(self, message: str) -> NoReturn:
        """Say it on one line, and end with status 2."""
        tolerate_any_name()
        for kind, words in (("int", "a whole number"), ("float", "a number")):
            message = message.replace(f"invalid {kind} value: ", f"must be {words}, got ")
        self.exit(2, f"{self.prog}: {printable(' '.join(message.split()))} ({self.prog} --help tells more)\n")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does; a flag that there is not is named with the nearest one."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            flag = next((word for word in unknown if word.startswith("-")), unknown[0]).partition("=")[0]
            shown = [flag for action in self._actions if action.help != argparse.SUPPRESS
                     for flag in action.option_strings]  # fmt: skip
            what = "flag" if flag.startswith("-") else "use for the word"
            self.error(f"there is no {what} {flag}{nearest(flag, shown)}")
        return found

    def format_help(self) -> str:
        """As argparse does, with a usage of what must be given, in place of ten lines with every flag."""
        if self.usage is None and self._subparsers is None:
            needed = [action for action in self._actions if action.required]
            named = (
                f"{''.join(action.option_strings[:1])} {action.metavar or action.dest.upper()}" for action in needed
            )
            self.usage = " ".join([self.prog, *map(str.strip, named), "[flags]"])
        return super().format_help()

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            suggested = nearest(str(value), choices) or f"; there are {', '.join(choices)}"
            raise argparse.ArgumentError(action, f"there is no {value!r}{suggested}")


def nearest(word: str, known: Iterable[str]) -> str:
    """ "; did you mean X?" where one of the known words is much like a word; else empty."""
    lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), lower, n=1)
    return f"; did you mean {lower[found[0]]}?" if found else ""


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
    log.add_flag(parser.add_argument)
    tolerate_any_name()
    args = parser.parse_args(argv)
    log.set_level(args.log_level)
    program = getattr(args, "program", parser.prog)  # of a command that has commands of its own
    interrupts.handle(interrupts.RaiseOnce())
    try:
        return main(args)
    except KeyboardInterrupt:
        log.error(f"\n{program}: interrupted")
        return interrupts.INTERRUPTED
    except BrokenPipeError:  # whoever read this has seen enough, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (FlnetError, OSError, MemoryError, ImportError, RuntimeError) as error:
        a_fault_of_ours = isinstance(error, RuntimeError) and not _is_short_memory(error)
        if args.debug or args.log_level == "debug" or a_fault_of_ours:
            raise
        log.error(f"{program}: {one_line(error)}")
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
