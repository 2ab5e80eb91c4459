"""Luigi as a user of the builds expects it: exit codes that tell the truth, no server needed, errors on one line.

What luigi.cfg or the command line says goes before what is set here.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from functools import partial
from types import TracebackType
from typing import Any

import luigi.configuration
from luigi.cmdline_parser import CmdlineParser
from luigi.task_register import Register, TaskClassException

from pipeline import log
from pipeline.cli import Parser, nearest, one_line, printable
from pipeline.errors import FlnetError

# A failed Luigi run exits 0 unless these are set.
EXIT_CODES = {
    "already_running": "25",  # with luigid: others are at work; run again, as with not_run
    "missing_data": "20",
    "not_run": "25",
    "task_failed": "30",
    "scheduling_error": "35",
    "unhandled_exception": "40",
}
# Luigi's levels -> ours.
OUR_LEVELS = {
    "NOTSET": "debug",
    "DEBUG": "debug",
    "INFO": "info",
    "WARNING": "warning",
    "ERROR": "error",
    "CRITICAL": "error",
}
# A worker stays while others still work, since their tasks may come back to it; a task that fails (a process killed, a
# disk full for a moment) is tried twice more. The folder has a lock of its own, which sees other hosts as well. The
# part of this that luigid itself must know stands in luigi.cfg.
PATIENCE = {
    ("core", "no_lock"): "true",
    ("core", "rpc-retry-attempts"): "12",
    ("core", "rpc-retry-wait"): "5",
    ("worker", "keep_alive"): "true",
    ("worker", "wait_interval"): "0.5",
    ("worker", "wait_jitter"): "0.5",
    ("scheduler", "retry_count"): "3",
    ("scheduler", "retry_delay"): "1",
}


def apply() -> None:
    """Set the defaults; called when the tasks are imported."""
    for name, code in EXIT_CODES.items():
        _default("retcode", name, code)
    for (section, name), value in PATIENCE.items():
        _default(section, name, value)
    _default("core", "workers", str(os.cpu_count() or 1))
    _follow_log_level()
    _default("core", "log_level", "WARNING")
    if not _names_scheduler():
        _default("core", "local_scheduler", "true")
    # Luigi reads these two itself, and then warns that nobody did.
    warnings.filterwarnings("ignore", "The configuration contains the parameter 'rpc_retry", UserWarning)
    logger = logging.getLogger("luigi-interface")
    if not any(isinstance(existing, _OneLine) for existing in logger.filters):
        logger.addFilter(_OneLine())
        sys.excepthook = partial(_unknown_task, sys.excepthook)
        CmdlineParser._build_parser = staticmethod(_with_our_errors(CmdlineParser._build_parser))


def _follow_log_level() -> None:
    """Have our own notes and progress told as the user has Luigi tell its own, if that was said at all."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    finder.add_argument("--log-level", "--core-log-level", dest="level")
    config = luigi.configuration.get_config()
    try:
        said = finder.parse_known_args(sys.argv[1:])[0].level
    except argparse.ArgumentError:
        return  # without a word behind it: Luigi's own parser says so
    said = said or config.get("core", "log_level", "") or config.get("core", "log-level", "")
    if said.upper() in OUR_LEVELS:
        log.set_level(OUR_LEVELS[said.upper()])


def name_program(name: str) -> None:
    """What stands in front of errors, in place of Luigi's ERROR."""
    _OneLine.program = name


def _with_our_errors(build: Any) -> Any:
    """Luigi's own parser, whose errors would be preceded by fifty lines of flags, with our one line."""

    def made(*args: Any, **kwargs: Any) -> Any:
        parser = build(*args, **kwargs)
        parser.__class__, parser.prog = Parser, "luigi"
        return parser

    return made


def _unknown_task(earlier: Any, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The name of a task that there is not, on one line with the nearest one; anything else as ever."""
    if not issubclass(kind, TaskClassException):
        earlier(kind, error, trace)
        return
    # "No task NAME. Did you mean…" or "No task NAME. Candidates are…"
    name = str(error).removeprefix("No task ").partition(". ")[0]
    tasks = [known for known in Register.task_names() if not known.startswith("_")]
    ours = [known for known in tasks if not _is_of_luigi(Register.get_task_cls(known))]
    suggested = nearest(name, ours) or f"; there are {', '.join(ours)}"
    print(printable(f"luigi: there is no task {name}{suggested}"), file=sys.stderr)


def _is_of_luigi(task: type[Any]) -> bool:
    return task.__module__.partition(".")[0] == "luigi"


def _names_scheduler() -> bool:
    config = luigi.configuration.get_config()
    flags = ("--scheduler-host", "--scheduler-url", "--core-scheduler-host", "--core-scheduler-url")
    return any(word.startswith(flags) for word in sys.argv) or any(
        config.has_option("core", name) for name in ("scheduler_host", "scheduler_url")
    )


def _default(section: str, name: str, value: str) -> None:
    config = luigi.configuration.get_config()
    if not any(config.has_option(section, spelt) for spelt in (name.replace("_", "-"), name.replace("-", "_"))):
        config.set(section, name, value)


class _OneLine(logging.Filter):
    """Errors that the user can mend lose their traceback (kept with --log-level DEBUG)."""

    program = ""  # what stands in front of errors, if not Luigi's ERROR

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if self.program and record.levelno >= logging.ERROR:
            record.levelname = self.program
        if record.levelno == logging.WARNING:
            record.levelname = "warning"  # as ours are
        wants_all = logging.getLogger(record.name).isEnabledFor(logging.DEBUG)
        if isinstance(error, (FlnetError, OSError, MemoryError)) and not wants_all:
            if "Worker" in str(record.msg):  # a task's error comes while the bar is drawn: go below it
                record.levelname = f"\n{record.levelname}"
            record.msg, record.args, record.exc_info = one_line(error), (), None
        return True
