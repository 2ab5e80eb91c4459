"""Settings in a file: a TOML table for each command, whose keys are the command's flags.

    [train]
    shards = "out"
    image_size = 64          # --image-size 64
    augment = true           # --augment
    ablation = ["bank=3"]

What such a file says comes before what the user typed, which therefore holds. A run leaves one of its own (`run.toml`),
with all that it used.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.cli import Parser, nearest
from pipeline.errors import InputError
from pipeline.files import atomic_write, regular_size
from pipeline.rules import short

RUN_FILE = "run.toml"
COMMANDS = (
    "build timit", "build faceforensics", "build folder", "build table", "build sample",
    "train", "table1", "ablations",
)  # fmt: skip
"""The commands that take `--config`: the table of "build timit" is [build.timit]."""
FOLDERS, FILES = ("corpus_root", "out"), ("exclude", "landmark_model", "table")
"""Which parameters of the Luigi tasks are paths."""
_MOST_BYTES = 1 << 20

Table = Mapping[str, Any]


def add_flag(parser: argparse.ArgumentParser, command: str) -> None:
    """The flag --config of a command."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE.toml",
        help=f"settings from the table [{table_name(command)}] of a file, such as the {RUN_FILE} of a run; its keys "
        'are flags (log_level = "error"), and what is typed goes before it',
    )


def table_name(command: str) -> str:
    """What a command's table is called."""
    return command.replace(" ", ".")


def config_of(argv: Sequence[str]) -> Path | None:
    """The file that `--config` among a command's words names."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    finder.add_argument("--config", type=Path)
    try:
        found: Path | None = finder.parse_known_args(argv)[0].config
    except argparse.ArgumentError:
        return None  # without a file: the command's own parser says so
    return found


def read_table(path: Path, command: str) -> dict[str, Any]:
    """A command's table; those of other commands may lie beside it.

    Raises:
        InputError: no such file, no TOML, a table of no command, or none of this one.
    """
    try:
        regular_size(path, _MOST_BYTES)
        contents = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file of settings; check --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: is no TOML ({error})") from error
    there = _tables(contents)
    known = [table_name(name) for name in COMMANDS]
    for name, values in there.items():
        if name not in known or not isinstance(values, dict):
            raise InputError(f"{path}: there is no table [{name}]{nearest(name, known) or _listed(known)}")
    if table_name(command) not in there:
        raise InputError(f"{path}: has no table [{table_name(command)}], whose settings these would be")
    return dict(there[table_name(command)])


def command_in(path: Path) -> str:
    """The command whose settings a run's own file holds; "" where it is none of ours, or there is no such file."""
    for command in COMMANDS:
        try:
            read_table(path, command)
        except (InputError, OSError):
            continue
        return command
    return ""


def _tables(contents: Table) -> dict[str, Any]:
    """The tables by their dotted names: those of the builds lie one deeper."""
    found: dict[str, Any] = {}
    for name, value in contents.items():
        deeper = name == "build" and isinstance(value, dict)
        found |= {f"build.{below}": table for below, table in value.items()} if deeper else {name: value}
    return found


def words_of(table: Table, parser: argparse.ArgumentParser, origin: str) -> list[str]:
    """A table as the words that the user would have typed.

    Args:
        table: flags without their dashes, with "_" for "-", and their values.
        parser: of the command.
        origin: the file and table, for messages.

    Raises:
        InputError: an unknown flag, or a value that it does not take.
    """
    flags = flags_of(parser)
    words: list[str] = []
    for key, value in table.items():
        action = flags.get(key.replace("-", "_"))
        if action is None:
            raise InputError(f"{origin}: there is no setting {key}{nearest(key, flags) or _listed(sorted(flags))}")
        words += _words(action, value, f"{origin}: {key}")
    return words


def flags_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """What a table of this parser's command may hold: flags by their keys."""
    return {
        action.option_strings[0].lstrip("-").replace("-", "_"): action
        for action in parser._actions
        if action.option_strings and action.help != argparse.SUPPRESS and action.dest not in ("help", "config", "debug")
    }


def _words(action: argparse.Action, value: Any, origin: str) -> list[str]:
    flag = action.option_strings[0]
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise InputError(f"{origin} must be true or false, got {short(value)}")
        return [flag] if value else [_negated(action)] if _negated(action) else []
    many = isinstance(value, list)
    if many and not (isinstance(action, argparse._AppendAction) or action.nargs in ("+", "*")):
        raise InputError(f"{origin} must be a single value, got {short(value)}")
    texts = [_text(action, each, origin) for each in (value if many else [value])]
    if isinstance(action, argparse._AppendAction):
        return [word for text in texts for word in (flag, text)]
    # With "=", a text may begin with a dash.
    return [flag, *texts] if many else [f"{flag}={texts[0]}"]


def _negated(action: argparse.Action) -> str:
    return next((name for name in action.option_strings if name.startswith("--no-")), "")


def _text(action: argparse.Action, value: Any, origin: str) -> str:
    """A single value, checked as the flag's would be, but with the file's name."""
    wanted = {int: "a whole number", float: "a number"}.get(action.type)  # type: ignore[call-overload]
    if (
        isinstance(value, bool)
        or not isinstance(value, (str, int, float, dict))
        or (wanted and (isinstance(value, str) or (action.type is int and not isinstance(value, int))))
    ):
        raise InputError(f"{origin} must be {wanted or 'text or a number'}, got {short(value)}")
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    try:
        parsed = action.type(text) if callable(action.type) else text
    except (argparse.ArgumentTypeError, ValueError, InputError) as error:
        raise InputError(f"{origin}: {error}") from error
    if action.choices is not None and parsed not in action.choices:
        choices = [str(choice) for choice in action.choices]
        raise InputError(f"{origin}: there is no {text!r}{nearest(text, choices) or _listed(choices)}")
    return text


def _listed(names: Sequence[str]) -> str:
    return f"; there are {', '.join(names)}"


def expanded(parser: Parser, argv: Sequence[str], command: str) -> list[str]:
    """A command's words, with those of the file that `--config` names in front of them; its errors end the command."""
    path = config_of(argv)
    if path is None:
        return list(argv)
    try:
        return [*words_of(read_table(path, command), parser, f"{path}: [{table_name(command)}]"), *argv]
    except InputError as error:
        parser.error(str(error))


def write_run_file(path: Path, command: str, table: Table, told: str = "") -> None:
    """Write a file of one table, that `read_table` reads to the same values. A file that says just that stays.

    Args:
        told: comment lines for its head.
    """
    lines = [f"# {line}" for line in told.splitlines()] + [f"[{table_name(command)}]"]
    for key, value in table.items():
        line = f"{key} = {_toml(value)}"
        lines.append(line if line.isprintable() else f"# {key} is no UTF-8 text, give it as a flag")
    text = "\n".join(lines) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def task_table(task: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """What a Luigi task was given; parameters without a value are left out, and paths are made absolute."""
    table: dict[str, Any] = {}
    for name, _ in task.get_params():
        value = getattr(task, name)
        if name in without or value in (None, "", {}):
            continue
        is_path = name in (*FOLDERS, *FILES)
        table[name] = str(Path(value).resolve()) if is_path else dict(value) if isinstance(value, Mapping) else value
    return table


def _toml(value: Any) -> str:
    """A value as TOML has it; numbers are exact."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{json.dumps(key)} = {_toml(each)}' for key, each in value.items())} }}"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for what it leaves as it is.
        letters = json.dumps(value, ensure_ascii=False)
        return "".join(x if x.isprintable() or _is_lone(x) else f"\\U{ord(x):08x}" for x in letters)
    return repr(value).lower() if isinstance(value, bool) else repr(value)


def _is_lone(letter: str) -> bool:
    """Whether it stands for a byte that is no UTF-8, which TOML has no way to say."""
    return "\ud800" <= letter <= "\udfff"
