"""A setting is declared once, as a dataclass field with its rule and help; checks, flags and JSON follow from it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import Field, asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pipeline.errors import InputError
from pipeline.rules import short

Settings = TypeVar("Settings")
ABLATION, ABLATION_FLAG = "ablation", "--ablation"


@dataclass(frozen=True)
class Rule:
    """What a value must be: a test, and its words for messages ("must be ...")."""

    holds: Callable[[Any], bool]
    words: str


def at_least(least: float) -> Rule:
    """`least` or more, and finite."""
    return Rule(lambda value: least <= value < math.inf, f"at least {least}")


def above(bound: float) -> Rule:
    """More than `bound`, and finite."""
    return Rule(lambda value: bound < value < math.inf, f"above {bound}")


def between(least: float, most: float) -> Rule:
    """`least` to `most`, both included."""
    return Rule(lambda value: least <= value <= most, f"between {least} and {most}")


def one_of(values: Sequence[Any]) -> Rule:
    """One of a few."""
    return Rule(lambda value: value in values, f"one of {tuple(values)}")


def setting(
    default: Any, rule: Rule | None = None, help: str = "", *, flag: str = "", metavar: str = "", ablation: str = ""
) -> Any:
    """A dataclass field that is a setting.

    Args:
        default: its value where nothing else is said.
        rule: what the value must be; the values of a `Literal` are checked without one.
        help: what the flag's help says, without its default; "" for a setting that has no flag of its own.
        flag: its name, where it is not the field's with dashes.
        metavar: what stands for the value in the help.
        ablation: what stands after `--ablation`, where that is its flag: its name there, "=", and its values.
    """
    words = {"rule": rule, "help": help, "flag": flag, "metavar": metavar, "ablation": ablation}
    return field(default=default, metadata=words)


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


def add_flags(
    group: argparse._ArgumentGroup | argparse.ArgumentParser,
    kind: type[Any],
    defaults: Mapping[str, Any] | None = None,
    without: Collection[str] = (),
) -> None:
    """A flag for every setting of a dataclass that has a help text. What is not given stays out of the namespace.

    Args:
        group: to add them to.
        kind: the dataclass.
        defaults: what the help shows, where it is another default than the dataclass's.
        without: settings that get no flag.
    """
    hints = get_type_hints(kind)
    for each in fields(kind):
        text, hint = each.metadata.get("help"), hints[each.name]
        if text and each.name not in without:
            described = f"{text} (default {_shown((defaults or {}).get(each.name, each.default))})"
            options: dict[str, Any] = {"dest": each.name, "default": argparse.SUPPRESS, "help": described}
            if hint is bool:
                options["action"] = argparse.BooleanOptionalAction
            elif get_origin(hint) is Literal:
                options["choices"] = get_args(hint)
            else:
                options |= {"type": hint, "metavar": each.metadata["metavar"] or None}
            group.add_argument(each.metadata["flag"] or f"--{each.name.replace('_', '-')}", **options)
    if _ablations(kind):
        told = f"{_ablations(kind)}; may be given twice"
        group.add_argument(ABLATION_FLAG, dest=ABLATION, action="append", default=[], metavar="NAME=VALUE", help=told)


def flags_of(kind: type[Any], without: Collection[str] = ()) -> set[str]:
    """The flags that `add_flags` adds."""
    parser = argparse.ArgumentParser(add_help=False)
    add_flags(parser, kind, without=without)
    return {flag for action in parser._actions for flag in action.option_strings}


def given(args: argparse.Namespace, kind: type[Any]) -> dict[str, Any]:
    """The settings of a dataclass that the user gave flags for, by field.

    Raises:
        InputError: `--ablation` with another name, or without a number where that must be one.
    """
    found = {each.name: getattr(args, each.name) for each in fields(kind) if hasattr(args, each.name)}
    return found | _ablated(kind, getattr(args, ABLATION, []))


def _ablated(kind: type[Any], words: Sequence[str]) -> dict[str, Any]:
    """`["bank=3", "streams=warp"]` (or joined by commas) as settings; their ranges are the dataclass's to check."""
    known = {_name_in(each): (each.name, get_type_hints(kind)[each.name]) for each in fields(kind) if _name_in(each)}
    settings: dict[str, Any] = {}
    for word in ",".join(words).split(",") if known and words else []:
        name, _, value = word.strip().partition("=")
        if name not in known or (known[name][1] is int and not value.isdecimal()):
            raise InputError(f"{ABLATION_FLAG} must be {_ablations(kind)}, got {word!r}")
        field_name, hint = known[name]
        settings[field_name] = int(value) if hint is int else value
    return settings


def _ablations(kind: type[Any]) -> str:
    return " or ".join(each.metadata["ablation"] for each in fields(kind) if _name_in(each))


def _name_in(each: Field[Any]) -> str:
    """The setting's name after `--ablation`; none where that is not its flag."""
    return str(each.metadata.get("ablation", "")).partition("=")[0]


def to_dict(settings: Any) -> dict[str, Any]:
    """The settings as what JSON and a `weights_only` checkpoint can hold (tuples become lists)."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}


def to_table(settings: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """The settings that have flags, as a file of settings has them: `add_flags` of the same takes every one.

    Args:
        settings: a dataclass of settings.
        without: settings that have no flag.
    """
    shown = [each for each in fields(settings) if each.metadata.get("help") and each.name not in without]
    table = {_key(each): getattr(settings, each.name) for each in shown}
    ablated = [f"{_name_in(each)}={getattr(settings, each.name)}" for each in fields(settings) if _name_in(each)]
    return table | ({ABLATION: ablated} if ablated else {})


def _key(each: Field[Any]) -> str:
    return str(each.metadata["flag"] or each.name).lstrip("-").replace("-", "_")


def from_dict(
    kind: type[Settings],
    values: Mapping[str, Any],
    origin: str = "config",
    nested: Mapping[str, type[Any]] | None = None,
) -> Settings:
    """The inverse of `to_dict`; a setting that is absent has its default.

    Args:
        kind: the dataclass to make.
        values: its settings; those of a nested class as a mapping of their own.
        origin: names the file or the section in messages.
        nested: the classes of settings whose class is not the same for every `kind`.

    Raises:
        InputError: if a setting is unknown, or a value of another type or out of range.
    """
    hints = {**get_type_hints(kind), **(nested or {})}
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(f"{origin}: unknown setting {', '.join(unknown)}; known are {', '.join(known)}")
    return kind(**{name: _restored(hints[name], value, f"{origin}: {name}") for name, value in values.items()})


def _restored(hint: Any, value: Any, origin: str) -> Any:
    """`value` as JSON gave it, checked against and turned into what a field's type says."""
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise InputError(f"{origin} must be a mapping of settings, got {short(value)}")
        return from_dict(hint, value, origin)  # type: ignore[arg-type]
    kind = tuple if get_origin(hint) is tuple else str if get_origin(hint) is Literal else hint
    fits, words = _TYPES[kind]
    if not fits(value):
        raise InputError(f"{origin} must be {words}, got {short(value)}")
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
