"""Hostile `dataset.json`, manifests, settings of runs and records in `work/`: any value anywhere, and broken text."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.hostile.case import Case
from tests.hostile.world import World, resign, sign

Find = Callable[[World], Path]
Place = tuple[str | int, ...]
MISSING = object()
VALUES: dict[str, Any] = {
    "missing": MISSING,
    "null": None,
    "true": True,
    "-1": -1,
    "2^63": 2**63,
    "10^400": 10**400,
    "1e308": 1e308,
    "NaN": float("nan"),
    "empty text": "",
    "long text": "a" * 1_000_000,
    "a path above": "../../foreign/secret.txt",
    "a path elsewhere": "/proc/self/environ",
    "a formula": "=cmd|' /C calc'!A0",
    "a script": "</script><script>alert(1)</script>",
    "half a letter": "\ud800",
    "a NUL": "a\0b",
    "lines": "a\nb\x1b[2J",
    "a list": [],
    "a list of lists": [[[1, 2], [3]]] * 3,
    "a mapping": {},
    "a mapping of mappings": {"a": {"b": {"c": {}}}},
    "many": list(range(100_000)),
}
TEXTS: dict[str, bytes] = {
    "empty": b"",
    "a list": b"[]",
    "a number": b"1",
    "half": b'{"schema": "flnet-',
    "deep": b"[" * 200_000,
    "deep mappings": b'{"a":' * 100_000,
    "a long number": b'{"schema": ' + b"9" * 100_000 + b"}",
    "not UTF-8": b"\xff\xfe{\x00}\x00",
    "Latin-1": '{"schema": "é"}'.encode("latin-1"),
    "NULs": bytes(10_000),
    "a hundred megabytes": b" " * (100 << 20),
    "the same name many times": b"{" + b'"a":1,' * 200_000 + b'"a":1}',
}


def places(value: Any, here: Place = ()) -> Iterator[Place]:
    """Every place in a tree of JSON, the root left out."""
    parts = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*here, key)
        yield from places(part, (*here, key))


def put(tree: Any, place: Place, value: Any) -> None:
    """Put a value at a place of a tree, or take away what is there."""
    for key in place[:-1]:
        tree = tree[key]
    if value is MISSING:
        del tree[place[-1]]
    else:
        tree[place[-1]] = value


def changed(find: Find, place: Place, value: Any, signed: bool, world: World) -> None:
    """Change one value of a JSON file."""
    path = find(world)
    tree = json.loads(path.read_text())
    put(tree, place, value)
    if signed:
        sign(path, tree)
    else:
        path.write_text(json.dumps(tree))


def written(find: Find, content: bytes, world: World) -> None:
    path = find(world)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _dataset(world: World) -> Path:
    return world.dataset / "dataset.json"


def _manifest(world: World) -> Path:
    return world.dataset / "manifest.csv"


def of_dataset(clean: World, dice: random.Random, count: int = 90) -> Iterator[Case]:
    """`dataset.json`: text that is none, and a sample of all values in all places; most with a digest that agrees."""
    for name, content in TEXTS.items():
        yield Case("dataset.json", name, partial(written, _dataset, content), ("train", "report", "check", "repair"))
    there = list(places(json.loads(_dataset(clean).read_text())))
    grave = [place for place in there if place[0] in ("shards", "splits", "bank_from", "corpus", "digest", "schema")]
    for number in range(count):
        place, name = dice.choice(grave if number % 2 else there), dice.choice(list(VALUES))
        signed = place[-1] != "contents_sha256" and number % 4 > 0
        commands = (
            dice.choice(("train", "evaluate", "figures", "animate", "build_again")),
            "report",
            "check",
            "repair",
        )
        words = f"{'.'.join(map(str, place))}: {name}{'' if signed else ', unsigned'}"
        yield Case("dataset.json", words, partial(changed, _dataset, place, VALUES[name], signed), commands)


CELLS = (
    *("", "nan", "-1", "1e999", "x", "=HYPERLINK(1)", "@SUM(1)", "+1", "../../foreign/secret.txt", "/etc/passwd"),
    *('"', "a\nb", "\x1b[2J", "a" * 200_000, "<img src=x onerror=alert(1)>", "9" * 400, "\0"),
)


def cell(column: int, text: str, signed: bool, world: World) -> None:
    """Another text in a column of the manifest, quoted as CSV wants it."""
    path = _manifest(world)
    header, *rows = path.read_text().splitlines()
    quoted = '"' + text.replace('"', '""') + '"'
    lines = [",".join(quoted if number == column else old for number, old in enumerate(row.split(","))) for row in rows]
    path.write_text("\n".join([header, *lines]) + "\n")
    if signed:
        resign(world)


def sheet(content: bytes, world: World) -> None:
    _manifest(world).write_bytes(content)
    resign(world)


SHEETS: dict[str, bytes] = {
    "empty": b"",
    "a header alone": b"id,speaker\n",
    "an open quote": b'id,speaker\n"' + b"a" * 100_000,
    "a wide table": b",".join(b"%d" % number for number in range(100_000)) + b"\n",
    "many empty rows": b"id\n" + b"\n" * 1_000_000,
    "a hundred megabytes": b"a" * (100 << 20),
    "not UTF-8": b"\xff\xfei\0d\0",
    "NULs": b"id,speaker\n\0,\0\n",
    "the same column twice": b"id,id\n1,2\n",
}


def of_manifest(clean: World, dice: random.Random, count: int = 40) -> Iterator[Case]:
    """Cells, and tables that are none."""
    header = _manifest(clean).read_text().splitlines()[0].split(",")
    for name, content in SHEETS.items():
        yield Case("manifest", name, partial(sheet, content), ("report", "check", "repair"))
    for number in range(count):
        column, text = dice.randrange(len(header)), dice.choice(CELLS)
        harm = partial(cell, column, text, number % 4 > 0)
        yield Case("manifest", f"{header[column]}: {text[:30]!r}, number {number}", harm, ("report", "check", "repair"))


RECORDS = {
    "chunk": "work/chunks/*.json",
    "plan": "work/plans/*.json",
    "inventory": "work/inventory-*.json",
}


def first(pattern: str, world: World) -> Path:
    return world.only(pattern)


def stale(harm: Callable[[World], None], lost: bool, world: World) -> None:
    """A record is harmed, and something is left to do: a shard is lost, or the table of contents."""
    harm(world)
    (world.shard("train") if lost else _dataset(world)).unlink()


def of_records(clean: World, dice: random.Random, count: int = 45) -> Iterator[Case]:
    """What a build notes for itself, in a folder that comes from somebody else."""
    for name, pattern in RECORDS.items():
        for words, content in TEXTS.items():
            if words != "a hundred megabytes":
                harm = partial(stale, partial(written, partial(first, pattern), content), False)
                yield Case("records of a build", f"{name}: {words}", harm, ("build_again", "report_unfinished"))
    for number in range(count):
        name = dice.choice(list(RECORDS))
        find = partial(first, RECORDS[name])
        place = dice.choice(list(places(json.loads(find(clean).read_text()))))
        value = dice.choice([words for words in VALUES if words != "10^400"])
        harm = partial(stale, partial(changed, find, place, VALUES[value], False), number % 2 > 0)
        commands = ("build_again", "check") if number % 3 else ("build_otherwise", "report_unfinished")
        yield Case("records of a build", f"{name} {'.'.join(map(str, place))}: {value}, {number}", harm, commands)


def of_runs(clean: World, dice: random.Random) -> Iterator[Case]:
    """The settings that a run folder notes."""

    def find(world: World) -> Path:
        return world.run / "config.json"

    for name, content in TEXTS.items():
        yield Case("settings of a run", name, partial(written, find, content), ("animate", "resume"))
    tree = json.loads(find(clean).read_text())
    grave = [place for place in places(tree) if place[0] == "dataset"]
    for number in range(20):
        place, value = dice.choice(grave), dice.choice(list(VALUES))
        harm = partial(changed, find, place, VALUES[value], False)
        words = f"{'.'.join(map(str, place))}: {value}, {number}"
        yield Case("settings of a run", words, harm, ("animate_pictures", "resume"))
