"""A file for HDF5 to write to that never fails it: HDF5 crashes on a full disk, we want an error that says so."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType


class Sink:
    """What h5py needs of a file object. The first error of a write is kept, and later writes are dropped.

    HDF5 cannot abandon a file: after a failed write, closing it fails over and over and ends in a segmentation
    fault. So it is told that all is well, and leaving the context raises the error instead.

    Args:
        path: created, or emptied.

    Raises (on leaving the context, and from `check`):
        OSError: the disk is full, or whatever else kept bytes from being written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("w+b", buffering=0)
        self._place = self._end = 0  # as HDF5 believes them to be
        self._error: OSError | None = None

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self.check()  # the cause goes before what HDF5 says about it

    def check(self) -> None:
        """Raise the error, if there was one, with the file's name."""
        if self._error is not None:
            raise OSError(self._error.errno, self._error.strerror, str(self._path))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As in `io.RawIOBase`, from the beginning or the end."""
        self._place = offset + (self._end if whence == os.SEEK_END else 0)
        return self._place

    def tell(self) -> int:
        """As in `io.RawIOBase`."""
        return self._place

    def read(self, count: int) -> bytes:
        """As in `io.RawIOBase`."""
        buffer = bytearray(count)
        return bytes(buffer[: self.readinto(memoryview(buffer))])

    def readinto(self, buffer: memoryview) -> int:
        """As in `io.RawIOBase`."""
        self._file.seek(self._place)
        count = self._file.readinto(buffer) or 0
        self._place += count
        return count

    def write(self, data: memoryview) -> int:
        """All of `data`, as far as HDF5 can tell."""
        rest = memoryview(data)
        count = len(rest)
        if self._error is None:
            try:
                self._file.seek(self._place)
                while len(rest):
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._error = error
        self._place += count
        self._end = max(self._end, self._place)
        return count

    def truncate(self, size: int) -> int:
        """As in `io.RawIOBase`."""
        if self._error is None:
            try:
                self._file.truncate(size)
            except OSError as error:
                self._error = error
        self._end = size
        return size

    def flush(self) -> None:
        """Nothing is buffered here; `atomic_write` flushes the system's buffers."""
