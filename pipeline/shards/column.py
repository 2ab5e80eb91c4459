"""One dataset of an open shard, read by rows: what is stored as it is straight from the file, the rest by HDF5."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.errors import DatasetError
from pipeline.shards.jpeg import is_jpeg, read_jpeg
from pipeline.shards.schema import ROWS


class Column:
    """The rows of one dataset of `schema.ROWS`.

    Rows that no filter has changed are read with `pread` at the place that HDF5 names: a quarter of the time of a read
    through h5py, no lock between threads, and unlike a memory map a file that was cut short is an error, not SIGBUS.

    Args:
        file: the open shard; the column is of use as long as it is open.
        name: the dataset's.
        path: the shard's, for messages.

    Raises (here and from any read):
        DatasetError: the dataset is missing, of another shape or type, or damaged; names the file.
    """

    def __init__(self, file: h5py.File, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self._shape, self._type = ROWS[name]
        try:
            dataset = file[name]
            self._id: h5py.h5d.DatasetID = dataset.id
            found = f"{dataset.shape[1:]} {dataset.dtype}"
            self._rows = len(dataset)
            chunks = dataset.chunks
            filters = self._id.get_create_plist().get_nfilters()
            self._file: int = file.id.get_vfd_handle()
        except (OSError, RuntimeError, KeyError, AttributeError, TypeError) as error:
            raise broken(path, error) from error
        wanted = f"{self._shape} {np.dtype(self._type)}"
        if found != wanted:
            raise broken(path, f"the rows of '{name}' must be {wanted}, got {found}")
        self._jpeg = is_jpeg(self._id)
        self._plain = chunks is not None and chunks[1:] == self._shape and not filters
        self._chunk_rows: int = chunks[0] if chunks else 1
        self._row_bytes = math.prod(self._shape) * np.dtype(self._type).itemsize
        # Where each chunk begins in the file, in bytes, once it was asked for; nothing but HDF5's head begins at 0.
        self._begins = array("q", bytes(8 * -(-self._rows // self._chunk_rows) if self._plain else 0))

    def __len__(self) -> int:
        return self._rows

    def read(
        self, rows: Sequence[int] | npt.NDArray[np.integer[Any]] | slice, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """The rows asked for, in that order: (n, *row's shape).

        Args:
            rows: numbers from 0.
            out: where to put them, of that shape and the column's type, C-contiguous; it is returned.

        Raises:
            IndexError: a row that is not there.
            ValueError: `out` is no place for them.
        """
        asked = range(self._rows)[rows] if isinstance(rows, slice) else np.asarray(rows, np.int64)
        numbers = [int(row) for row in asked]
        if numbers and not (min(numbers) >= 0 and max(numbers) < self._rows):
            raise IndexError(f"{self.path}: rows must be in [0, {self._rows}), got {min(numbers)} to {max(numbers)}")
        values = self._place(len(numbers), out)
        if numbers:
            try:
                if self._plain:
                    self._read_plain(numbers, values)
                elif self._jpeg:
                    self._read_jpeg(numbers, values)
                else:
                    self._read_by_hdf5(numbers, values)
            except (OSError, RuntimeError, OverflowError) as error:
                raise broken(self.path, error) from error
        return values

    def _place(self, count: int, out: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        shape = (count, *self._shape)
        if out is None:
            return np.empty(shape, self._type)
        if out.shape != shape or out.dtype != self._type or not out.flags.c_contiguous:
            raise ValueError(f"out must be {shape} {np.dtype(self._type)} in C order, got {out.shape} {out.dtype}")
        return out

    def _read_jpeg(self, numbers: Sequence[int], values: npt.NDArray[Any]) -> None:
        for value, number in zip(values, numbers, strict=True):
            read_jpeg(self._id, number, value)

    def _read_by_hdf5(self, numbers: Sequence[int], values: npt.NDArray[Any]) -> None:
        """Through the library's own functions, which take half the time of `Dataset.read_direct`."""
        rest = (0,) * len(self._shape)
        memory = h5py.h5s.create_simple((1, *self._shape))
        rows = self._id.get_space()
        for value, number in zip(values[:, None], numbers, strict=True):
            rows.select_hyperslab((number, *rest), (1, *self._shape))
            self._id.read(memory, rows, value)

    def _read_plain(self, numbers: Sequence[int], values: npt.NDArray[Any]) -> None:
        out = values.data.cast("B")
        size = self._row_bytes
        for first, last in self._runs(numbers):
            begin = self._begin(numbers[first])
            wanted = out[first * size : last * size]
            while wanted:
                got = os.preadv(self._file, [wanted], begin)
                if not got:
                    raise OSError(f"the file ends before row {numbers[last - 1]} of '{self.name}'")
                begin, wanted = begin + got, wanted[got:]

    def _runs(self, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Places [first, last) in `numbers` whose rows lie one behind the other in one chunk."""
        first = 0
        while first < len(numbers):
            row = numbers[first]
            longest = min(self._chunk_rows - row % self._chunk_rows, len(numbers) - first)
            run = 1
            while run < longest and numbers[first + run] == row + run:
                run += 1
            yield first, first + run
            first += run

    def _begin(self, row: int) -> int:
        """Where a row begins in the file, in bytes."""
        chunk, place = divmod(row, self._chunk_rows)
        if not self._begins[chunk]:
            corner = (chunk * self._chunk_rows, *(0,) * len(self._shape))
            found = self._id.get_chunk_info_by_coord(corner).byte_offset
            if found is None:
                raise OSError(f"row {row} of '{self.name}' was never written")
            self._begins[chunk] = found
        return self._begins[chunk] + place * self._row_bytes


def broken(path: Path, error: Exception | str) -> DatasetError:
    """The error of a shard that cannot be read."""
    reason = " ".join(str(error).split())
    return DatasetError(f"{path}: the shard is damaged ({reason}); delete it and run the build again")
