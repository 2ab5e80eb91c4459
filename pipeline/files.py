"""Files that are complete as soon as they have their name."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError, FlnetError, InputError, UnreadableError

MOST_JSON_BYTES = 64 << 20

UNFINISHED = re.compile(r"\..+\.[0-9a-f]{12}\.part")  # the names that `atomic_write` gives


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


def regular_size(
    path: Path, most_bytes: int | None = None, kind: type[FlnetError] = InputError, follow: bool = True
) -> int:
    """The bytes of a file that can be opened without harm: no pipe, no device, not too long.

    Args:
        follow: a link, which the user may well name himself; False for what is found in a folder of somebody's, where
            a link leads to a file that is not his to give.

    Raises:
        FlnetError: of that kind; it is something else, or longer.
        FileNotFoundError: there is none.
    """
    found = path.stat(follow_symlinks=follow)
    if not stat.S_ISREG(found.st_mode):
        raise kind(f"{path}: must be a regular file, got {_kind_of(found.st_mode)}; name or get another one")
    if most_bytes is not None and found.st_size > most_bytes:
        raise kind(f"{path}: must have at most {most_bytes} bytes, got {found.st_size}; name or get another one")
    return found.st_size


def read_json(path: Path) -> Any:
    """What a JSON file of a dataset or a run holds, which anybody may have written.

    Raises:
        DatasetError: it is no regular file, a link, or too long; `UnreadableError` where it is no JSON.
        FileNotFoundError: there is none.
    """
    regular_size(path, MOST_JSON_BYTES, DatasetError, follow=False)
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{path}: not readable as JSON ({error}); run the build again") from error


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _kind_of(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    kinds[stat.S_IFLNK] = "a link"
    return kinds.get(stat.S_IFMT(mode), "something else")


def is_of_the_machine(error: BaseException) -> bool:
    """Whether an error of reading a file says nothing about what is in it; a place that it names may be senseless."""
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL, errno.EOVERFLOW)


def has_no_link(root: Path, path: Path) -> bool:
    """Whether a path lies below a folder by its names, and no part of it below that folder is a link."""
    try:
        parts = path.relative_to(root).parts
    except ValueError:
        return False
    steps = (root.joinpath(*parts[: count + 1]) for count in range(len(parts)))
    return ".." not in parts and not any(step.is_symlink() for step in steps)


def is_own_file(root: Path, path: Path) -> bool:
    """Whether what has this name is a file of that folder's own: a regular one, not behind a link."""
    return has_no_link(root, path) and path.is_file()


def walk_own(folder: Path) -> Iterator[Path]:
    """Everything below a folder but plain folders, sorted by name; links are named, and not followed."""
    if folder.is_symlink():
        yield folder
        return
    for inside, folders, files in os.walk(folder):
        folders.sort()
        links = [name for name in folders if Path(inside, name).is_symlink()]
        yield from (Path(inside, name) for name in sorted([*files, *links]))


def drop_own_file(root: Path, path: Path) -> int:
    """Delete a file of a folder's own (`is_own_file`); returns the bytes freed, 0 if there was nothing to delete."""
    if not is_own_file(root, path):
        return 0
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:  # another host did so
        return 0
    return size
