"""A setting is declared once, as a dataclass field with its rule and help; checks, flags and JSON follow from it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pipeline.errors import InputError

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Rule:
    """What a value must be: a test, and its words for messages ("must be ...")."""

    holds: Callable[[Any], bool]
    words: str


def at_least(least: float) -> Rule:
    """`least` or more."""
    return Rule(lambda value: value >= least, f"at least {least}")


def above(bound: float) -> Rule:
    """More than `bound`."""
    return Rule(lambda value: value > bound, f"above {bound}")


def between(least: float, most: float) -> Rule:
    """`least` to `most`, both included."""
    return Rule(lambda value: least <= value <= most, f"between {least} and {most}")


def one_of(values: Sequence[Any]) -> Rule:
    """One of a few."""
    return Rule(lambda value: value in values, f"one of {tuple(values)}")


def setting(default: Any, rule: Rule | None = None, help: str = "", *, flag: str = "", metavar: str = "") -> Any:
    """A dataclass field that is a setting.

    Args:
        default: its value where nothing else is said.
        rule: what the value must be; the values of a `Literal` are checked without one.
        help: what the flag's help says, without its default; "" for a setting that has no flag of its own.
        flag: its name, where it is not the field's with dashes.
        metavar: what stands for the value in the help.
    """
    return field(default=default, metadata={"rule": rule, "help": help, "flag": flag, "metavar": metavar})


def check(settings: Any) -> None:
    """Hold every field of a dataclass against its rule. Call it from `__post_init__`.

    Raises:
        InputError: the first that breaks it, named.
    """
    hints = get_type_hints(type(settings))
    for each in fields(settings):
        value, hint = getattr(settings, each.name), hints[each.name]
        rule = one_of(get_args(hint)) if get_origin(hint) is Literal else each.metadata.get("rule")
        if rule is not None:
            require(rule, each.name, value)


def require(rule: Rule, name: str, value: object) -> None:
    """Raises `InputError` where a value breaks a rule."""
    if not rule.holds(value):
        raise InputError(f"{name} must be {rule.words}, got {value}")


def add_flags(group: argparse._ArgumentGroup | argparse.ArgumentParser, kind: type[Any]) -> None:
    """A flag for every setting of a dataclass that has a help text. What is not given stays out of the namespace."""
    hints = get_type_hints(kind)
    for each in fields(kind):
        text, hint = each.metadata.get("help"), hints[each.name]
        if text:
            described = f"{text} (default {_shown(each.default)})"
            options: dict[str, Any] = {"dest": each.name, "default": argparse.SUPPRESS, "help": described}
            if hint is bool:
                options["action"] = argparse.BooleanOptionalAction
            elif get_origin(hint) is Literal:
                options["choices"] = get_args(hint)
            else:
                options |= {"type": hint, "metavar": each.metadata["metavar"] or None}
            group.add_argument(each.metadata["flag"] or f"--{each.name.replace('_', '-')}", **options)


def given(args: argparse.Namespace, kind: type[Any]) -> dict[str, Any]:
    """The settings of a dataclass that the user gave flags for, by field."""
    return {each.name: getattr(args, each.name) for each in fields(kind) if hasattr(args, each.name)}


def to_dict(settings: Any) -> dict[str, Any]:
    """The settings as what JSON and a `weights_only` checkpoint can hold (tuples become lists)."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}


def from_dict(kind: type[Settings], values: Mapping[str, Any], origin: str = "config") -> Settings:
    """The inverse of `to_dict`; a setting that is absent has its default.

    Args:
        kind: the dataclass to make.
        values: its settings; those of a nested class as a mapping of their own.
        origin: names the file or the section in messages.

    Raises:
        InputError: if a setting is unknown, or a value of another type or out of range.
    """
    hints = get_type_hints(kind)
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(f"{origin}: unknown setting {', '.join(unknown)}; known are {', '.join(known)}")
    return kind(**{name: _restored(hints[name], value, f"{origin}: {name}") for name, value in values.items()})


def _restored(hint: Any, value: Any, origin: str) -> Any:
    """`value` as JSON gave it, checked against and turned into what a field's type says."""
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise InputError(f"{origin} must be a mapping of settings, got {value!r}")
        return from_dict(hint, value, origin)  # type: ignore[arg-type]
    kind = tuple if get_origin(hint) is tuple else str if get_origin(hint) is Literal else hint
    fits, words = _TYPES[kind]
    if not fits(value):
        raise InputError(f"{origin} must be {words}, got {value!r}")
    return tuple(value) if kind is tuple else value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_two_numbers(value: object) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and all(map(_is_number, value))


_TYPES: dict[Any, tuple[Callable[[Any], bool], str]] = {
    int: (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
    float: (_is_number, "a number"),
    bool: (lambda value: isinstance(value, bool), "true or false"),
    str: (lambda value: isinstance(value, str), "a word"),
    tuple: (_are_two_numbers, "two numbers"),
}


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:g}" if isinstance(default, float) else str(default)
