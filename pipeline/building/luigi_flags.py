"""A Luigi task as a command of `flnet`: its parameters are the flags, with their defaults; Luigi runs it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

import luigi
from luigi.retcodes import run_with_retcodes

from pipeline import log
from pipeline.building import luigi_defaults
from pipeline.cli import Parser, tolerate_any_name
from pipeline.run_file import FILES, FOLDERS, add_flag, expanded

_NUMBERS = ((luigi.IntParameter, int, "N"), (luigi.OptionalIntParameter, int, "N"), (luigi.FloatParameter, float, "X"))
_METAVARS = {
    **dict.fromkeys(FOLDERS, "FOLDER"),
    **dict.fromkeys(FILES, "FILE"),
    "dask_scheduler": "HOST:PORT",
    "datasets": "NAME=FOLDER",
}
# What Luigi itself tells below its warnings is about its own work.
_LUIGI_LEVELS = {"debug": "DEBUG", "info": "WARNING", "warning": "WARNING", "error": "ERROR"}


def run_task(task: type[luigi.Task], command: str, argv: Sequence[str]) -> int:
    """Run a task as `flnet command` with these words; returns the exit status that `luigi` would."""
    tolerate_any_name()
    parser = task_parser(task, command)
    args = parser.parse_args(expanded(parser, argv, command))
    log.set_level("debug" if args.debug else args.log_level)
    luigi_defaults.name_program(parser.prog)
    try:
        run_with_retcodes([task.task_family, *luigi_words(task, args)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def task_parser(task: type[luigi.Task], command: str) -> Parser:
    """A parser with a flag for every parameter of a task, and those of Luigi's that its users need."""
    parser = Parser(
        prog=f"flnet {command}",
        usage=f"flnet {command} [flags]",
        description=task.__doc__,
        argument_default=argparse.SUPPRESS,
    )
    add_flag(parser, command)
    parser.set_defaults(config=None)
    for name, parameter in task.get_params():
        _add_parameter(parser, task, name, parameter)
    run = parser.add_argument_group("running").add_argument
    run("--workers", type=int, metavar="N", help=f"processes (default {os.cpu_count()}, the processors here)")
    run("--scheduler-host", metavar="HOST", help="of luigid, where several hosts share the work (default: none)")
    run("--scheduler-port", type=int, metavar="N", help="of luigid (default 8082)")
    run("--debug", action="store_true", default=False, help="show the full traceback of an error")
    log.add_flag(run)
    return parser


def _add_parameter(parser: Parser, task: type[luigi.Task], name: str, parameter: luigi.Parameter) -> None:
    default = parameter.task_value(task.task_family, name) if parameter.has_task_value(task.task_family, name) else None
    shown = "yes" if default is True else "no" if default is False else default
    shown = f"{default:g}" if isinstance(default, float) else shown
    described, _, _ = str(parameter.description).partition(" Choices: ")  # which Luigi adds
    text = described.replace("%", "%%") + (f" (default {shown})" if shown not in (None, "", {}) else "")
    options: dict[str, Any] = {"help": text, "type": _checked(parameter), "metavar": _METAVARS.get(name, "TEXT")}
    for kind, type_, metavar in _NUMBERS:
        if isinstance(parameter, kind):
            options |= {"type": type_, "metavar": metavar}
    if isinstance(parameter, luigi.BoolParameter):
        options = {"help": text, "action": argparse.BooleanOptionalAction}
    elif isinstance(parameter, luigi.ChoiceParameter):
        options = {"help": text, "choices": sorted(parameter._choices)}
    parser.add_argument(f"--{name.replace('_', '-')}", **options)


def _checked(parameter: luigi.Parameter) -> Callable[[str], str]:
    """What a parameter takes, as text: Luigi parses it again."""

    def check(text: str) -> str:
        try:
            parameter.parse(text)
        except (ValueError, TypeError) as error:
            raise argparse.ArgumentTypeError(f"cannot be read ({error}): {text!r}") from error
        return text

    return check


def luigi_words(task: type[luigi.Task], args: argparse.Namespace) -> list[str]:
    """What was said, as Luigi's own command line has it."""
    words = [f"--log-level={_LUIGI_LEVELS['debug' if args.debug else args.log_level]}"]
    given = vars(args)
    for name in ("workers", "scheduler_host", "scheduler_port"):
        if name in given:
            words.append(f"--{name.replace('_', '-')}={given[name]}")
    if "scheduler_host" in given:  # a file may have said so, which `luigi_defaults` did not see
        luigi.configuration.get_config().set("core", "local_scheduler", "false")
    for name, parameter in task.get_params():
        value = given.get(name)
        flag = f"--{name.replace('_', '-')}"
        if isinstance(parameter, luigi.BoolParameter):
            words += [flag] if value else []
        elif value is not None:
            words.append(f"{flag}={value}")
    return words
