"""What all commands share: one-line errors, `--debug` for the traceback, exit status 1 on failure."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from pipeline.errors import FlnetError

INTERRUPTED = 130


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
    args = parser.parse_args(argv)
    try:
        return main(args)
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (FlnetError, OSError) as error:
        if args.debug:
            raise
        print(f"{parser.prog}: {one_line(error)}", file=sys.stderr)
        return 1


def one_line(error: BaseException) -> str:
    """The error's message on a single line, with its type where it is not one of ours."""
    text = printable(" ".join(str(error).split())) or "no message"
    return text if isinstance(error, FlnetError) else f"{type(error).__name__}: {text}"


def printable(text: str) -> str:
    """The text on one line that any terminal takes: what file names may hold beside letters is escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )
