"""Rules that data from strangers must keep: a test, its words, and the one line that says which was broken."""

from __future__ import annotations

import dataclasses
import re
import reprlib
import sys
import types
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pipeline.errors import DatasetError, FlnetError

Record = TypeVar("Record")

MOST_NAME_BYTES = 4096  # of a path, speaker or other name


class Rule(NamedTuple):
    """What a value must be: a test that may raise TypeError or ValueError, and its words ("must be ...")."""

    holds: Callable[[Any], bool]
    words: str


def is_whole(value: object) -> bool:
    """Whether a value is an int, and no bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether a value is a finite float, or an int that fits into one, and no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def between(least: int, most: int) -> Rule:
    """A whole number, both ends included."""
    return Rule(lambda value: is_whole(value) and least <= value <= most, f"a whole number in [{least}, {most}]")


def text(pattern: str, words: str) -> Rule:
    """A string that matches a whole pattern."""
    form = re.compile(pattern, re.DOTALL)
    return Rule(lambda value: isinstance(value, str) and form.fullmatch(value) is not None, words)


NAME = Rule(
    lambda value: (
        isinstance(value, str) and "\0" not in value and len(value.encode("utf-8", "surrogateescape")) <= 4096
    ),
    f"a string of at most {MOST_NAME_BYTES} bytes",
)
# Something below a folder, never above or beside it.
RELATIVE_PATH = Rule(
    lambda value: NAME.holds(value) and bool(value) and value[0] != "/" and ".." not in value.split("/"),
    "a path below a folder, without '..'",
)
SPLIT_PATTERN = "[^/\0.][^/\0]{0,99}"
SPLIT = text(SPLIT_PATTERN, "the name of a split")
SHA256 = text("[0-9a-f]{64}", "64 hexadecimal digits")


def demand(
    rule: Rule, value: object, what: str, remedy: str, kind: type[FlnetError] = DatasetError, shown: object = None
) -> None:
    """Raise `kind` where a value breaks a rule, as "WHAT must be WORDS, got VALUE; REMEDY".

    Args:
        what: begins with the file.
        shown: in place of the value.
    """
    try:
        holds = rule.holds(value)
    except (TypeError, ValueError, OverflowError):
        holds = False
    if not holds:
        raise kind(f"{what} must be {rule.words}, got {short(value if shown is None else shown)}; {remedy}")


def short(value: object) -> str:
    """A value in a few printable characters, whatever it is."""
    return reprlib.repr(value)


def demand_table(
    rules: Mapping[str, Rule], values: Mapping[str, Any], path: Path, remedy: str, prefix: str = ""
) -> None:
    """Hold the entries of a mapping against rules by name; a name that ends in "?" may be absent.

    Raises:
        DatasetError: the first rule that is broken.
    """
    for name, rule in rules.items():
        known = name.rstrip("?")
        if known in values:
            demand(rule, values[known], f"{path}: {prefix}{known}", remedy)
        elif known == name:
            raise DatasetError(f"{path}: lacks {prefix}{known}; {remedy}")


def from_json(kind: type[Record], values: Any) -> Record:
    """A dataclass from what JSON holds of it, all fields of the types that they are declared with, nested ones, too.

    Raises:
        ValueError, TypeError: a field of another type, unknown or missing.
    """
    if not isinstance(values, dict):
        raise TypeError(f"must be a mapping, got {short(values)}")
    hints = _hints(kind)
    made = {}
    for name, value in values.items():
        hint = hints.get(name, object)
        if not _fits(hint, value):
            raise TypeError(f"{name} must be {getattr(hint, '__name__', hint)}, got {short(value)}")
        made[name] = _made(hint, value)
    return kind(**made)


# To find out the types of a dataclass's fields takes longer than to read a record.
_hints: Callable[[Any], dict[str, Any]] = lru_cache(maxsize=64)(typing.get_type_hints)


def _made(hint: Any, value: Any) -> Any:
    """What a type hint makes of a fitting value of JSON's: dataclasses of mappings, tuples of lists."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return next(_made(one, value) for one in inner if _fits(one, value))
    if origin in (list, tuple):
        return origin(_made(inner[0], each) for each in value)
    return from_json(hint, value) if dataclasses.is_dataclass(hint) else value  # type: ignore[arg-type]


def _fits(hint: Any, value: object) -> bool:
    """Whether a value of JSON's is what a type hint says, as deep as the hint goes."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_fits(one, value) for one in inner)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(inner[1], each) for each in value.values())
    if origin in (list, tuple):
        any_length = origin is list or inner[-1] is Ellipsis
        fits = isinstance(value, list) and (any_length or len(value) == len(inner))
        return fits and all(_fits(inner[0], each) for each in typing.cast(list[object], value))
    if hint is float:
        return is_number(value)
    if hint is int:
        return is_whole(value) and abs(typing.cast(int, value)) < 2**53
    if dataclasses.is_dataclass(hint):
        return isinstance(value, dict)
    return value is None if hint is type(None) else isinstance(value, hint)
