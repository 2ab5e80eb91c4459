"""Files that are complete as soon as they have their name."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path, first_wins: bool = False) -> Iterator[Path]:
    """Yields a temporary name beside `path`; flushes and renames on success, deletes on failure.

    A file at its final path is therefore complete, whenever the process is killed and however many hosts write it.

    Args:
        path: the final path; missing folders are made.
        first_wins: keep a file that appeared at `path` meanwhile, instead of replacing it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if not (first_wins and _linked(temporary, path)):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _linked(temporary: Path, path: Path) -> bool:
    """Give a file a second name unless that is taken; False where the file system has no hard links."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return True
    except OSError:
        return False
    return True


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
