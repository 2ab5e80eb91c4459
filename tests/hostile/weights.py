"""Hostile checkpoints: code, bombs, lies in every place, broken bytes, other programs' files."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from model.sealed_file import save_sealed
from tests.hostile.case import Case
from tests.hostile.tables import MISSING, places, put
from tests.hostile.world import World

USERS = ("evaluate", "animate", "resume", "figures")


class Payload:
    """Unpickled, it writes into another's folder."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


def loaded(world: World) -> dict[str, Any]:
    return dict(torch.load(world.checkpoint, weights_only=True))


def saved(world: World, payload: Any) -> None:
    world.checkpoint.unlink()
    save_sealed(payload, world.checkpoint)


SETTING = "config"
VALUES: dict[str, Any] = {
    "missing": MISSING,
    "null": None,
    "-1": -1,
    "0": 0,
    "10^6": 10**6,
    "2^62": 2**62,
    "NaN": float("nan"),
    "a fraction": 0.3,
    "text": "x",
    "long text": "a" * 1_000_000,
    "a module": "os:system",
    "a list": [],
    "a mapping": {"a": 1},
    "a tensor": torch.zeros(3),
    "many": list(range(10_000)),
}


def changed(place: tuple[str | int, ...], value: Any, world: World) -> None:
    payload = loaded(world)
    put(payload, place, value)
    saved(world, payload)


def weight(change: Callable[[torch.Tensor], Any], number: int, world: World) -> None:
    """One of the weights is another."""
    payload = loaded(world)
    names = sorted(payload["generator"])
    name = names[number % len(names)]
    payload["generator"][name] = change(payload["generator"][name])
    saved(world, payload)


WEIGHTS: dict[str, Callable[[torch.Tensor], Any]] = {
    "no number": lambda found: torch.full_like(found, float("nan")),
    "infinite": lambda found: torch.full_like(found, float("inf")),
    "enormous": lambda found: torch.full_like(found, 3e38),
    "another shape": lambda found: found.reshape(-1)[:1],
    "one of a billion": lambda found: found.reshape(-1)[:1].expand(1 << 30),
    "of integers": lambda found: found.to(torch.int64),
    "of doubles": lambda found: found.to(torch.float64),
    "complex": lambda found: found.to(torch.complex64),
    "sparse": lambda found: found.to_sparse(),
    "on no device": lambda found: found.to("meta"),
    "a list": lambda found: found.tolist(),
    "text": lambda _: "weights",
}


def code(world: World) -> None:
    payload = {**loaded(world), "more": Payload(world.foreign / "owned")}
    world.checkpoint.unlink()
    save_sealed(payload, world.checkpoint)


def old_format(world: World) -> None:
    payload = loaded(world)
    torch.save(payload, world.checkpoint, _use_new_zipfile_serialization=False)


def old_code(world: World) -> None:
    world.checkpoint.write_bytes(pickle.dumps(Payload(world.foreign / "owned")))


def archive(method: int, entries: dict[str, bytes], world: World) -> None:
    with zipfile.ZipFile(world.checkpoint, "w", method) as file:
        for name, content in entries.items():
            file.writestr(name, content)


def rewritten(change: Callable[[str, bytes], bytes], world: World) -> None:
    """The same archive with other parts, unsealed, sums right."""
    whole = world.checkpoint.read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(world.checkpoint, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry)))


def swelling(world: World) -> None:
    archive(zipfile.ZIP_DEFLATED, {"archive/data.pkl": bytes(1 << 30), "archive/version": b"3"}, world)


def nested_pickle(world: World) -> None:
    """A pickle that doubles a list thirty times over."""
    code = b"\x80\x02]q\x00" + b"".join(b"]q\x01(h\x00h\x00e" for _ in range(1)) + b"(" + b"h\x00" * 10_000_000 + b"e."
    rewritten(lambda name, old: code if name.endswith("data.pkl") else old, world)


def laughing(world: World) -> None:
    part: Any = [1.0] * 10
    for _ in range(30):
        part = [part] * 10
    payload = {**loaded(world), "more": part}
    saved(world, payload)


def flipped(seed: int, sealed: bool, world: World) -> None:
    dice = random.Random(seed)
    whole = bytearray(world.checkpoint.read_bytes())
    if not sealed:
        whole = bytearray(_unsealed(bytes(whole)))
    for _ in range(dice.choice((1, 1, 8))):
        place = dice.choice((dice.randrange(len(whole)), len(whole) - 1 - dice.randrange(4096), dice.randrange(4096)))
        whole[place] ^= 1 << dice.randrange(8)
    world.checkpoint.write_bytes(whole)


def _unsealed(whole: bytes) -> bytes:
    """Without the comment that holds the checksum."""
    return whole[:-79] + struct.pack("<H", 0)


def cut(share: float, world: World) -> None:
    whole = world.checkpoint.read_bytes()
    world.checkpoint.write_bytes(whole[: int(len(whole) * share)])


def instead(content: bytes, world: World) -> None:
    world.checkpoint.write_bytes(content)


FILES: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello",
    "NULs": bytes(100_000),
    "an end of an archive alone": b"PK\x05\x06" + bytes(18),
    "safetensors": struct.pack("<Q", 2**60) + b"{}",
    "a protocol that is none": b"\x80\xff" + bytes(100),
}


def of_content(clean: World, dice: random.Random, count: int = 60) -> Iterator[Case]:
    """Lies: any value in any place, and weights that are none."""
    tree = {name: value if name == SETTING else None for name, value in loaded(clean).items()}
    there = list(places(tree))
    for number in range(count):
        place, name = dice.choice(there), dice.choice(list(VALUES))
        users = (USERS[number % len(USERS)], "export") if number % 6 == 0 else (USERS[number % len(USERS)],)
        words = f"{'.'.join(map(str, place))}: {name}, {number}"
        yield Case("checkpoints: content", words, partial(changed, place, VALUES[name]), users)
    for name, change in WEIGHTS.items():
        harm = partial(weight, change, dice.randrange(1000))
        yield Case("checkpoints: content", f"weights: {name}", harm, ("evaluate", "animate", "export"))
    yield Case("checkpoints: content", "laughter", laughing, USERS)


def of_bytes(dice: random.Random) -> Iterator[Case]:
    """Code, bombs, bits, ends, other files."""
    harms: dict[str, Callable[[World], None]] = {
        "code": code,
        "code of old": old_code,
        "the format of old": old_format,
        "a part that swells": swelling,
        "a pickle of ten million words": nested_pickle,
        "an archive of other things": partial(archive, zipfile.ZIP_STORED, {"a": b"b"}),
        "parts that lead above": partial(archive, zipfile.ZIP_STORED, {"../../foreign/owned": b"b"}),
        "packed parts": partial(archive, zipfile.ZIP_BZIP2, {"archive/data.pkl": b"\x80\x02}."}),
        "another byte order": partial(rewritten, lambda name, old: b"big" if name.endswith("byteorder") else old),
        "parts cut short": partial(rewritten, lambda name, old: old[:-4] if "/data/" in name else old),
        "an empty pickle": partial(rewritten, lambda name, old: b"" if name.endswith("data.pkl") else old),
        **{f"cut to {share:.0%}": partial(cut, share) for share in (0.01, 0.5, 0.9, 0.999)},
        **{name: partial(instead, content) for name, content in FILES.items()},
        **{f"flipped {n}": partial(flipped, dice.randrange(1 << 30), n % 2 == 0) for n in range(20)},
    }
    for number, (name, harm) in enumerate(harms.items()):
        yield Case("checkpoints: bytes", name, harm, (USERS[number % len(USERS)], USERS[(number + 1) % len(USERS)]))
