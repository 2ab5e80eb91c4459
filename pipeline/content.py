"""What a source holds: its SHA-256 is the truth, size and times are the quick test of whether to look again."""

from __future__ import annotations

import errno
import hashlib
import re
import stat
from pathlib import Path

from pipeline.errors import VideoError
from pipeline.files import sha256_of

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
MOST_BYTES = 1 << 38  # of a source: far beyond three hours of video, the most that is taken
_LFS_POINTER = b"version https://git-lfs."
_GONE = (errno.ENOENT, errno.ENOTDIR)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL)

_known: dict[tuple[Path, str], str] = {}  # SHA-256 of files as they were at that stamp


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder in their natural order, `9.png` before `10.png`; hidden files are none."""
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES and path.name[0] != "." and not path.is_dir()
    ]
    return sorted(found, key=lambda path: (_natural(path.name), path.name))


def stamp_of(path: Path) -> str:
    """Size and times of a file, or of the pictures in a folder: another stamp may mean another content.

    The time of the last change of the inode is among them, so that copying over a file with its old time shows, too.

    Returns:
        Empty where there is nothing that can be looked at.
    """
    try:
        status = path.stat()
        if not stat.S_ISDIR(status.st_mode):
            return _stamp(path)
        names = "".join(f"{picture.name}\0{_stamp(picture)}\n" for picture in pictures_in(path))
    except OSError:
        return ""
    return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def checksum(path: Path) -> str:
    """The SHA-256 of a file, or over the names and sums of the pictures in a folder.

    Raises:
        VideoError: `vanished` or `unreadable`: the file's fault.
        OSError: the machine's.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            sums = "".join(f"{picture.name}\0{checksum(picture)}\n" for picture in pictures_in(path))
            return hashlib.sha256(sums.encode("utf-8", "surrogateescape")).hexdigest()
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device would give bytes for ever, or none
            raise VideoError("unreadable", f"{path}: is not a regular file")
        if status.st_size > MOST_BYTES:  # of nothing, as likely as not
            raise VideoError("unreadable", f"{path}: must have at most {MOST_BYTES} bytes, got {status.st_size}")
        return sha256_of(path)
    except OSError as error:
        reason = "vanished" if error.errno in _GONE else "unreadable" if error.errno in _FORBIDDEN else None
        if reason is None:
            raise
        raise VideoError(reason, f"{path}: cannot be read ({error.strerror})") from error


def known_checksum(path: Path) -> str:
    """`checksum`, computed once for as long as the stamp stays the same: many clips may be cut from one large file."""
    key = (path, stamp_of(path))
    if key not in _known:
        _known[key] = checksum(path)
    return _known[key]


def has_changed(path: Path, stamp: str, sha256: str) -> bool:
    """Whether a source may hold something else than when it had that stamp and checksum.

    What is gone, or cannot be read now, has not changed: what was made of it is all that is left.

    Raises:
        OSError: as `checksum`.
    """
    if stamp_of(path) in (stamp, ""):
        return False
    try:
        return known_checksum(path) != sha256
    except VideoError:
        return False


def remedy_for(path: Path) -> str:
    """What a file is that is no video, and what to do about it, if that can be told from its beginning."""
    try:
        if not path.is_file():  # a pipe would let us wait
            return ""
        with path.open("rb") as file:
            start = file.read(len(_LFS_POINTER))
    except OSError:
        return ""
    if not start:
        return "; the file is empty: fetch it again"
    if start == _LFS_POINTER:
        return "; it stands for a file of git-lfs: run git lfs pull"
    if start.lstrip()[:1] == b"<":
        return "; it is a web page, perhaps of a download that failed: fetch it again"
    return ""


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}.{status.st_mtime_ns}.{status.st_ctime_ns}"


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]
