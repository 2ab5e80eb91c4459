"""Arrays from .npz and .npy files of strangers: their headers are held against rules before any array is read."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError
from pipeline.files import is_of_the_machine, regular_size

MOST_FILE_BYTES = 1 << 30
MOST_ENTRIES = 1000


class ArrayRule(NamedTuple):
    """What an array must be."""

    kinds: str  # of numpy's types: "f" floats, "iu" whole numbers, "U" text
    shape: tuple[int | None, ...]  # None: any length, 0 included
    most: int  # elements


def read_arrays(path: Path, rules: Mapping[str, ArrayRule], what: str) -> dict[str, npt.NDArray[Any]]:
    """The named arrays of an .npz file that are there; of an .npy file its only one, by the first name.

    Nothing is unpickled, and no more is read than the rules allow, whatever the file says.

    Args:
        what: the arrays are, for messages: "landmarks".

    Raises:
        InputError: it is no such file, damaged, or an array breaks its rule.
        OSError: the machine cannot read it.
    """
    regular_size(path, MOST_FILE_BYTES)
    try:
        with path.open("rb") as file:
            if path.suffix.lower() == ".npy":
                name = next(iter(rules))
                return {name: _read(file, rules[name], name, regular_size(path))}
            return _read_npz(file, rules)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever a hostile file provokes is a fact about that file
        if is_of_the_machine(error):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: cannot be read as {what} ({reason})") from error


def _read_npz(file: IO[bytes], rules: Mapping[str, ArrayRule]) -> dict[str, npt.NDArray[Any]]:
    found = {}
    with zipfile.ZipFile(file) as archive:
        known = {entry.filename: entry for entry in archive.infolist()}
        if len(known) > MOST_ENTRIES:
            raise ValueError(f"more than {MOST_ENTRIES} arrays")
        for name in rules:
            entry = known.get(f"{name}.npy")
            if entry is not None:
                with archive.open(entry) as stored:
                    found[name] = _read(stored, rules[name], name, entry.file_size)
    return found


def _read(file: IO[bytes], rule: ArrayRule, name: str, size: int) -> npt.NDArray[Any]:
    """One array, once its header is what it must be; reads to the end, so that checksums are looked at."""
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    formats: Any = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, in_columns, dtype = formats[version](file)
    count = math.prod(shape)
    wanted = ", ".join("n" if side is None else str(side) for side in rule.shape)
    fits = len(shape) == len(rule.shape) and all(w in (None, s) for w, s in zip(rule.shape, shape, strict=True))
    if not fits or dtype.kind not in rule.kinds or count > rule.most or count * dtype.itemsize > size:
        raise ValueError(f"{name} must be of shape ({wanted}), got {shape} {dtype}")
    stored = file.read(count * dtype.itemsize)
    if len(stored) != count * dtype.itemsize or file.read(1):
        raise ValueError(f"{name} does not have the length that it says")
    values = np.frombuffer(stored, dtype).reshape(shape, order="F" if in_columns else "C")
    return values.astype(dtype.newbyteorder("="), order="C")
