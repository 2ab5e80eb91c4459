"""Hostile shards: every dataset of one, harmed in every way; links, foreign storage, lies about size; broken bytes."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial

import h5py
import hdf5plugin
import numpy as np

from pipeline.shards.schema import ROWS, VIDEOS
from tests.hostile.case import Case
from tests.hostile.commands import LEARNERS, READERS
from tests.hostile.world import KEEP, World, resign

PLACES = (*ROWS, *(f"videos/{name}" for name in VIDEOS), "k_levels", "videos")
Edit = Callable[[h5py.File, str, World], None]


def edited(split: str, place: str, edit: Edit, world: World) -> None:
    """Harm a shard and make `dataset.json` agree with it."""
    with h5py.File(world.shard(split), "r+") as file:
        edit(file, place, world)
    resign(world)


def replaced(file: h5py.File, place: str, **made: object) -> h5py.Dataset:
    """A dataset in place of another."""
    del file[place]
    return file.create_dataset(place, **made)


def external_file(file: h5py.File, place: str, world: World) -> None:
    found = file[place]
    shape, dtype = found.shape, found.dtype if found.dtype.kind != "O" else np.dtype("S64")
    size = max(int(np.prod(shape)) * dtype.itemsize, 1)
    replaced(file, place, shape=shape, dtype=dtype, external=[(os.fsencode(world.secret), 0, size)])


def virtual(file: h5py.File, place: str, world: World) -> None:
    found = file[place]
    layout = h5py.VirtualLayout(found.shape, found.dtype)
    with h5py.File(world.foreign_shard) as other:
        shape = other[place].shape
    source = h5py.VirtualSource(str(world.foreign_shard), place, shape)
    rows = min(found.shape[0], shape[0])
    layout[:rows] = source[:rows]
    del file[place]
    file.create_virtual_dataset(place, layout)


def external_link(file: h5py.File, place: str, world: World) -> None:
    del file[place]
    file[place] = h5py.ExternalLink(str(world.foreign_shard), place)


def soft_link(to: str) -> Edit:
    def edit(file: h5py.File, place: str, _world: World) -> None:
        del file[place]
        file[place] = h5py.SoftLink(to)

    return edit


def another_kind(kind: object) -> Edit:
    def edit(file: h5py.File, place: str, _world: World) -> None:
        shape = file[place].shape
        replaced(file, place, shape=shape, dtype=kind)

    return edit


def another_shape(change: Callable[[tuple[int, ...]], tuple[int, ...]], **made: object) -> Edit:
    def edit(file: h5py.File, place: str, _world: World) -> None:
        found = file[place]
        shape, kind = change(found.shape), found.dtype
        replaced(file, place, shape=shape, dtype=kind, **made)

    return edit


def filled(value: float | str) -> Edit:
    def edit(file: h5py.File, place: str, _world: World) -> None:
        found = file[place]
        if found.dtype.kind == "O":
            found[...] = str(value)
        elif found.dtype.kind == "f":
            found[...] = value
        else:
            with np.errstate(all="ignore"):
                limits = np.iinfo(found.dtype)
                wanted = float(value) if np.isfinite(float(value)) else float(limits.max)
                found[...] = int(min(max(wanted, float(limits.min)), float(limits.max)))

    return edit


def as_text(text: str) -> Edit:
    def edit(file: h5py.File, place: str, _world: World) -> None:
        count = file[place].shape[0]
        replaced(file, place, data=np.array([text] * count, dtype=object), dtype=h5py.string_dtype())

    return edit


def gone(file: h5py.File, place: str, _world: World) -> None:
    del file[place]


def a_group(file: h5py.File, place: str, _world: World) -> None:
    del file[place]
    file.create_group(place)


def a_circle(file: h5py.File, place: str, _world: World) -> None:
    del file[place]
    file[place] = file["/"]


def a_named_type(file: h5py.File, place: str, _world: World) -> None:
    del file[place]
    file[place] = np.dtype("u1")


def whole_chunk(file: h5py.File, place: str, _world: World) -> None:
    """All rows in one compressed piece."""
    data = file[place][...]
    if data.dtype.kind == "O":
        data = np.zeros(len(data), "u1")
    replaced(file, place, data=data, chunks=data.shape, **dict(hdf5plugin.Zstd()))


def wrong_stream(file: h5py.File, place: str, _world: World) -> None:
    """Pieces that hold nothing of what their filter expects."""
    found = file[place]
    if found.chunks:
        for row in range(0, found.shape[0], found.chunks[0]):
            found.id.write_direct_chunk((row, *[0] * (found.ndim - 1)), b"\x00\xff" * 40)
    else:
        found[...] = found[...]
        file.attrs["storage"] = "zstd"


def short_stream(file: h5py.File, place: str, _world: World) -> None:
    """Sound pieces of fewer bytes than a row has: what lies behind them in memory would be read."""
    found = file[place]
    shape, kind = found.shape, found.dtype if found.dtype.kind != "O" else np.dtype("u1")
    chunk = (1, *shape[1:])
    made = replaced(file, place, shape=shape, dtype=kind, chunks=chunk, compression="gzip")
    import zlib

    for row in range(shape[0]):
        made.id.write_direct_chunk((row, *[0] * (len(shape) - 1)), zlib.compress(b"abc"))


def long_stream(file: h5py.File, place: str, _world: World) -> None:
    """A piece that swells to a gigabyte."""
    found = file[place]
    shape, kind = found.shape, found.dtype if found.dtype.kind != "O" else np.dtype("u1")
    made = replaced(file, place, shape=shape, dtype=kind, chunks=(1, *shape[1:]), compression="gzip")
    import zlib

    squeezed = zlib.compressobj(1)
    stream = b"".join(squeezed.compress(bytes(1 << 20)) for _ in range(1 << 10)) + squeezed.flush()
    made.id.write_direct_chunk((0,) * len(shape), stream)


EDITS: dict[str, Edit] = {
    "lies in another's file": external_file,
    "virtual, of another's shard": virtual,
    "an external link": external_link,
    "a soft link to itself": soft_link("/frames"),
    "a soft link to nothing": soft_link("/nowhere"),
    "missing": gone,
    "a group": a_group,
    "a circle": a_circle,
    "a type": a_named_type,
    "of float64": another_kind("f8"),
    "of int64": another_kind("i8"),
    "of records": another_kind(np.dtype([("a", "f4"), ("b", "S8")])),
    "of short strings": another_kind("S8"),
    "without rows": another_shape(lambda shape: (0, *shape[1:])),
    "one row less": another_shape(lambda shape: (max(shape[0] - 1, 0), *shape[1:])),
    "one row more": another_shape(lambda shape: (shape[0] + 1, *shape[1:])),
    "a billion rows": another_shape(lambda shape: (1 << 30, *shape[1:]), chunks=True),
    "a scalar": another_shape(lambda _: ()),
    "of five dimensions": another_shape(lambda shape: (*shape, 1, 1)),
    "no number": filled(float("nan")),
    "infinite": filled(float("inf")),
    "below zero": filled(-1.0),
    "enormous": filled(3e38),
    "in one piece": whole_chunk,
    "streams of rubbish": wrong_stream,
    "streams that are too short": short_stream,
    "streams that swell": long_stream,
}
TEXTS = {
    "leads above": "../../foreign/secret.txt",
    "leads elsewhere": "/etc/passwd",
    "a formula": "=cmd|' /C calc'!A0",
    "a script": "<script>alert(1)</script>",
    "escapes of a terminal": "\x1b]0;owned\x07\x1b[2J",
    "very long": "a" * 1_000_000,
    "empty": "",
    "of lines": "a\nb\r\nc",
    "of dots": ".." + "/.." * 50,
}
ATTRIBUTES: dict[str, object] = {
    "no schema": None,
    "another schema": "flnet-shard/99",
    "schema of numbers": np.arange(10),
    "long schema": "x" * 60_000,
    "schema of bytes": np.void(b"\0\xff\xfe"),
}


def attribute(value: object, file: h5py.File, _place: str, _world: World) -> None:
    """Another `schema` of the file."""
    del file.attrs["schema"]
    if value is not None:
        file.attrs["schema"] = value


def many_objects(file: h5py.File, _place: str, _world: World) -> None:
    for number in range(5000):
        file.create_dataset(f"videos/{number}", data=number)


def deep_groups(file: h5py.File, _place: str, _world: World) -> None:
    file.create_group("videos/" + "/".join("a" * 400))


def bank(row: int) -> Edit:
    def edit(file: h5py.File, _place: str, _world: World) -> None:
        file["videos/bank"][...] = row

    return edit


def first_row(row: int, count: int) -> Edit:
    def edit(file: h5py.File, _place: str, _world: World) -> None:
        file["videos/first_row"][...], file["videos/row_count"][...] = row, count

    return edit


def many_levels(file: h5py.File, _place: str, _world: World) -> None:
    replaced(file, "k_levels", data=np.linspace(0, 1, 1 << 20, dtype=np.float32))


def few_levels(file: h5py.File, _place: str, _world: World) -> None:
    replaced(file, "k_levels", data=np.array([0.5], np.float32))


LIES: dict[str, Edit] = {
    "a bank before the first row": bank(-1),
    "a bank behind the last row": bank(10**6),
    "rows that begin below zero": first_row(-5, 10),
    "rows behind the end": first_row(10, 10**6),
    "rows whose sum is too large": first_row(2**31 - 1, 2**31 - 1),
    "a million levels": many_levels,
    "codes above the levels": few_levels,
    "thousands of objects": many_objects,
    "deep groups": deep_groups,
}


def of_values(dice: random.Random, each: int = 5) -> Iterator[Case]:
    """Every harm in some of the datasets, in a shard of one split or the other."""
    for name, edit in EDITS.items():
        for place in dice.sample(PLACES, each):
            foreign = edit in (external_file, virtual, external_link)
            kind = "shards: links and other files" if foreign or "link" in name else "shards: content"
            if place == "videos" and edit not in (external_link, gone, a_group, a_circle, a_named_type):
                continue
            yield _case(dice, kind, f"{place}: {name}", place, edit)
    for name, text in TEXTS.items():
        for place in dice.sample(("videos/id", "videos/speaker", "videos/source_sha256"), 2):
            yield _case(dice, "shards: content", f"{place}: {name}", place, as_text(text))
    for name, value in ATTRIBUTES.items():
        yield _case(dice, "shards: content", name, "", partial(attribute, value))
    for name, edit in LIES.items():
        yield _case(dice, "shards: content", name, "", edit)


def _case(dice: random.Random, kind: str, name: str, place: str, edit: Edit) -> Case:
    split = dice.choice(("train", "test"))
    commands = LEARNERS if split == "train" else dice.choice((READERS[:1], READERS[1:2], READERS[2:3])) + READERS[3:]
    return Case(kind, name, partial(edited, split, place, edit), commands)


def broken(change: Callable[[bytes, random.Random], bytes], seed: int, signed: bool, world: World) -> None:
    path = world.shard("train")
    path.write_bytes(change(path.read_bytes(), random.Random(seed)))
    if signed:
        resign(world)


def flipped(whole: bytes, dice: random.Random) -> bytes:
    """Some bits of what HDF5 calls metadata, which mostly lies at the beginning and the end."""
    changed = bytearray(whole)
    for _ in range(dice.choice((1, 1, 4, 32))):
        place = dice.choice((dice.randrange(8192), len(whole) - 1 - dice.randrange(8192), dice.randrange(len(whole))))
        changed[place] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(whole: bytes, dice: random.Random) -> bytes:
    return whole[: dice.choice((0, 1, 8, 100, 2048, dice.randrange(len(whole))))]


def zeroed(whole: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(whole))
    return whole[:place] + bytes(min(4096, len(whole) - place)) + whole[place + 4096 :]


def swollen(whole: bytes, _dice: random.Random) -> bytes:
    return whole + bytes(20 << 20)


def of_bytes(dice: random.Random) -> Iterator[Case]:
    """Bits, ends and pieces, with checksums that agree and without."""
    for change, count in ((flipped, 24), (cut, 8), (zeroed, 8), (swollen, 1)):
        for number in range(count):
            signed = number % 3 > 0
            name = f"{change.__name__}, number {number}, checksum {'agrees' if signed else 'does not'}"
            harm = partial(broken, change, dice.randrange(1 << 30), signed)
            yield Case("shards: bytes", name, harm, LEARNERS)
    for name, content in OTHER_FILES.items():
        yield Case("shards: bytes", name, partial(_other, content), LEARNERS)


OTHER_FILES: dict[str, bytes] = {
    "text": b"hello\n" * 1000,
    "nothing": b"",
    "a database": b"SQLite format 3\0" + bytes(4096),
    "an archive": b"PK\x03\x04" + bytes(4096),
    "HDF5's first bytes": b"\x89HDF\r\n\x1a\n" + bytes(4096),
    "HDF5's first bytes, then ones": b"\x89HDF\r\n\x1a\n" + b"\xff" * 4096,
}


def _other(content: bytes, world: World) -> None:
    world.shard("train").write_bytes(content)
    resign(world)


def mine_beside(world: World) -> None:
    """What a user put there is his, also where it looks like ours."""
    folder = world.shard("train").parent
    for name in (f"{KEEP}.md", f"{KEEP}.h5", f"{KEEP}.h5.part", f".{KEEP}.h5.part"):
        (folder / name).write_text("mine")
    shutil.copy(world.shard("test"), folder / f"{KEEP} copy.h5")
