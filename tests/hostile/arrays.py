"""Hostile landmark files (.npz, .npy, .csv) and tracks."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile.case import Case
from tests.hostile.weights import Payload
from tests.hostile.world import World

GOOD = (np.arange(4 * 68 * 2, dtype=np.float32).reshape(4, 68, 2) % 97) + 60
ARRAYS: dict[str, Any] = {
    "sound": GOOD,
    "no number": GOOD * np.nan,
    "infinite": GOOD + np.inf,
    "one infinite": np.where(np.arange(4)[:, None, None] == 1, np.inf, GOOD),
    "enormous": GOOD.astype(np.float64) * 1e300,
    "large": GOOD * 900,
    "negative": -GOOD,
    "all the same": np.zeros_like(GOOD),
    "complex": GOOD.astype(np.complex64),
    "text": np.array([["x"] * 136] * 3),
    "bytes": np.array([b"x" * 100] * 3),
    "dates": np.zeros((3, 68, 2), "M8[s]"),
    "flags": np.zeros((3, 68, 2), bool),
    "records": np.zeros((3, 68, 2), [("a", "f4")]),
    "empty": GOOD[:0],
    "a scalar": np.float32(3),
    "flat": GOOD.ravel(),
    "67 points": GOOD[:, :67],
    "three coordinates": np.concatenate([GOOD, GOOD[..., :1]], 2),
    "other byte order": GOOD.astype(">f4"),
    "columns first": np.asfortranarray(GOOD),
    "halves": GOOD.astype(np.float16),
    "bytes of pixels": GOOD.astype(np.uint8),
}
HEADERS: dict[str, bytes] = {
    "many frames": b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000, 68, 2), }",
    "below zero": b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 68, 2), }",
    "sides whose product wraps": b"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 68, 2), }",
    "no tuple": b"{'descr': '<f4', 'fortran_order': False, 'shape': 'x', }",
    "flags": b"{'descr': '<f4', 'fortran_order': False, 'shape': (True, 68, 2), }",
    "objects": b"{'descr': '|O', 'fortran_order': False, 'shape': (1, 68, 2), }",
    "code": b"__import__('os').system('touch owned')",
    "deep": b"(" * 60_000,
    "a large type": b"{'descr': '|V1000000000', 'fortran_order': False, 'shape': (1, 68, 2), }",
    "a deep type": b"{'descr': [('a', " * 500 + b"}",
    "empty": b"",
    "not ASCII": b"\xff" * 100,
}


def npy(header: bytes, content: bytes = b"", version: bytes = b"\x02\x00") -> bytes:
    """A file of numpy's with any header."""
    return b"\x93NUMPY" + version + struct.pack("<I", len(header)) + header + content


def file_of(array: Any, **more: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, landmarks=array, **more)
    return file.getvalue()


def packed(name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def bomb() -> bytes:
    """Some megabytes that become many gigabytes; the zeros are packed piece by piece."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 68, 2), }" % (4 << 20)
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("landmarks.npy", "w", force_zip64=True) as entry,
    ):
        entry.write(npy(header))
        for _ in range(512):
            entry.write(bytes(4 << 20))
    return file.getvalue()


def put(suffix: str, content: Callable[[World], bytes], world: World) -> None:
    (world.root / f"hostile.{suffix}").write_bytes(content(world))


def kept(content: bytes, _world: World) -> bytes:
    return content


def with_code(world: World) -> bytes:
    """An array of objects, as numpy pickles it."""
    file = io.BytesIO()
    np.savez(file, landmarks=np.array([Payload(world.foreign / "owned")], dtype=object))
    return file.getvalue()


def plain_code(world: World) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Payload(world.foreign / "owned")], dtype=object))
    return file.getvalue()


def of_landmarks(dice: random.Random) -> Iterator[Case]:
    """Arrays of all kinds; headers; bits."""

    def case(name: str, suffix: str, content: Callable[[World], bytes]) -> Case:
        return Case("landmarks: .npz and .npy", f"{name}, .{suffix}", partial(put, suffix, content), ("animate",))

    for name, array in ARRAYS.items():
        yield case(name, "npz", partial(kept, file_of(array)))
    for name, fps in (("NaN", np.nan), ("0", 0.0), ("1e300", 1e300), ("-5", -5), ("a list", [1, 2]), ("text", "x")):
        yield case(f"fps {name}", "npz", partial(kept, file_of(GOOD, fps=np.array(fps))))
    for name, header in HEADERS.items():
        yield case(f"header: {name}", "npy", partial(kept, npy(header, bytes(2000))))
        yield case(f"header: {name}", "npz", partial(kept, packed("landmarks.npy", npy(header, bytes(2000)))))
    yield case("a bomb", "npz", lambda _: bomb())
    yield case("code", "npz", with_code)
    yield case("code", "npy", plain_code)
    yield case("another name", "npz", partial(kept, packed("../landmarks.npy", npy(b"{}"))))
    sound = file_of(GOOD)
    for number in range(15):
        broken = bytearray(sound)
        for _ in range(dice.choice((1, 4))):
            broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        yield case(f"flipped {number}", "npz", partial(kept, bytes(broken)))
        yield case(f"cut {number}", "npz", partial(kept, sound[: dice.randrange(len(sound))]))


_ROW = ",".join(str(60 + number % 97) for number in range(136))
SHEETS: dict[str, bytes] = {
    "sound": f"{_ROW}\n{_ROW}\n".encode(),
    "empty": b"",
    "NULs": bytes(1000),
    "one cell": b"1\n",
    "ragged": f"{_ROW}\n1,2,3\n".encode(),
    "a word": f"{_ROW}\n{_ROW.replace('60', 'x', 1)}\n".encode(),
    "infinite": f"{_ROW}\n{_ROW.replace('60', '1e999', 1)}\n".encode(),
    "no number": f"{_ROW}\n{_ROW.replace('60', 'nan', 1)}\n".encode(),
    "all empty": (b"," * 135 + b"\n") * 3,
    "enormous": f"{_ROW}\n{_ROW.replace('60', '1e30', 1)}\n".encode(),
    "a formula": f"{_ROW}\n{_ROW.replace('60', '=1+1', 1)}\n".encode(),
    "an open quote": b'"' + b"1," * 200_000,
    "a long cell": b"1" * 1_000_000 + b"," + _ROW.encode(),
    "a header alone": ",".join(f"{axis}_{n}" for n in range(68) for axis in "xy").encode(),
    "the same header twice": b"x_0,x_0\n1,2\n",
    "UTF-16": _ROW.encode("utf-16"),
    "Latin-1": "é,é\n".encode("latin-1"),
    "digits of another script": "٣,".encode() * 136,
    "underscores": _ROW.replace("60", "6_0").encode(),
    "many columns": b"1," * 2_000_000,
}


def of_csv(dice: random.Random) -> Iterator[Case]:
    """Tables of landmarks."""
    for name, content in SHEETS.items():
        yield Case("landmarks: .csv", name, partial(put, "csv", partial(kept, content)), ("animate",))
    for number in range(6):
        broken = bytearray(SHEETS["sound"])
        for _ in range(dice.choice((1, 8))):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        yield Case(
            "landmarks: .csv", f"bytes {number}", partial(put, "csv", partial(kept, bytes(broken))), ("animate",)
        )


def track(change: Callable[[dict[str, Any]], object], world: World) -> None:
    """Harm the tracks: all of them."""
    for path in world.dataset.glob("work/tracks/*/*.npz"):
        with np.load(path) as file:
            arrays = dict(file)
        change(arrays)
        np.savez(path, **arrays)


def track_bytes(content: Callable[[World, bytes], bytes], world: World) -> None:
    for path in world.dataset.glob("work/tracks/*/*.npz"):
        path.write_bytes(content(world, path.read_bytes()))


TRACK_VALUES: dict[str, Callable[[Any], Any]] = {
    "no number": lambda old: np.full(np.shape(old), np.nan),
    "infinite": lambda old: np.full(np.shape(old), np.inf),
    "below zero": lambda old: np.full(np.shape(old), -1).astype(old.dtype if old.dtype.kind != "U" else "i8"),
    "enormous": lambda old: np.full(np.shape(old), 2**31 - 1),
    "short": lambda old: old[:1] if np.ndim(old) else old,
    "empty": lambda old: old[:0] if np.ndim(old) else old,
    "flat": lambda old: np.ravel(old),
    "text": lambda old: np.full(np.shape(old), "</script>"),
    "long": lambda old: np.repeat(old, 2000, 0) if np.ndim(old) else old,
}


def of_tracks(dice: random.Random) -> Iterator[Case]:
    """What a build keeps of each video, and takes over; and a report reads."""
    users = ("report", "build_otherwise")
    names = ("fps", "jumps", "notes", "frame_index", "pts_seconds", "sizes", "damage", "landmarks", "score", "faces")
    for name in (*names, "person", "source_sha256"):
        for words in dice.sample(list(TRACK_VALUES), 3):

            def change(arrays: dict[str, Any], name: str = name, words: str = words) -> None:
                arrays[name] = TRACK_VALUES[words](arrays[name])

            command = users if name in ("landmarks", "frame_index") else users[:1]
            yield Case("tracks", f"{name}: {words}", partial(track, change), command)
    contents: dict[str, Callable[[World, bytes], bytes]] = {
        "empty": lambda _, __: b"",
        "half": lambda _, old: old[: len(old) // 2],
        "code": lambda world, _: with_code(world),
        "a bomb": lambda _, __: bomb(),
        "another's archive": lambda _, __: packed("x", b"y"),
    }
    for words, content in contents.items():
        yield Case("tracks", words, partial(track_bytes, content), users)


def link(world: World, path: Path, to: Path) -> None:
    """A link in place of a file or folder."""
    if path.is_dir() and not path.is_symlink():
        path.rename(world.root / "moved")
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)
