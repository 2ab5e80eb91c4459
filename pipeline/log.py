"""What commands tell on stderr while they work: notes, warnings and progress, in one form, on a terminal or in a file.

A line is `warning: what` or `note: what`; errors are `program: what`. On a terminal progress is a bar. Elsewhere, as in
the log of a batch job, it is a line every `LINE_SECONDS`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from tqdm import tqdm

LEVELS = ("debug", "info", "warning", "error")
LINE_SECONDS = 30.0
_LINE = "{desc}: {n_fmt} of {total_fmt}{unit}, {rate_noinv_fmt}, {elapsed} so far, {remaining} left{postfix}"
_level = "info"  # a process forked from this one has its own, the same


def add_flag(add: Callable[..., Any]) -> None:
    """The flag --log-level, by a parser's or a group's `add_argument`."""
    add(
        "--log-level",
        type=str.lower,
        choices=LEVELS,
        default="info",
        help="what is told on stderr: info: progress, notes and warnings; warning: no progress and no notes; error: "
        "errors alone; debug: with tracebacks (default info)",
    )


def set_level(level: str) -> None:
    """Tell from now on what `level`, one of `LEVELS`, says."""
    global _level
    _level = level


def told(level: str) -> bool:
    """Whether messages of a level are told."""
    return LEVELS.index(level) >= LEVELS.index(_level)


def note(text: str) -> None:
    """What the user may want to know."""
    if told("info"):
        _write(f"note: {text}")


def warn(text: str) -> None:
    """What the user should see to."""
    if told("warning"):
        _write(f"warning: {text}")


def error(text: str) -> None:
    """Why a command failed; `text` begins with its name."""
    _write(text)


def _write(text: str) -> None:
    with tqdm.external_write_mode(sys.stderr):  # above the bars that are drawn
        print(text, file=sys.stderr, flush=True)


def progress(
    items: Iterable[Any] | None = None, what: str = "", *, unit: str, total: float | None = None, **options: Any
) -> Any:
    """A bar on a terminal; elsewhere a line every `LINE_SECONDS`, none for what takes less; nothing where unasked.

    Args:
        items: what to pass through and count; None for a bar that is updated by hand.
        what: is going on.
        unit: of what is counted, in the plural.
        options: further ones of `tqdm`.

    Returns:
        A `tqdm`.
    """
    options["disable"] = options.get("disable", False) or not told("info")
    if sys.stderr.isatty():
        return tqdm(items, what, total, unit=f" {unit}", dynamic_ncols=True, **options)
    # Also where nothing moves.
    every = {"mininterval": LINE_SECONDS, "maxinterval": 2 * LINE_SECONDS, "miniters": 0, "delay": LINE_SECONDS}
    return tqdm(items, what, total, file=_Lines(), unit=f" {unit}", bar_format=_LINE, **{**options, **every})


class _Lines:
    """Stands for stderr where a bar would draw over itself: every state is a line."""

    def __init__(self) -> None:
        self._last = ""

    def write(self, text: str) -> None:
        line = text.strip()
        if line and line != self._last:
            print(line, file=sys.stderr, flush=True)
            self._last = line

    def flush(self) -> None:
        sys.stderr.flush()
