"""One dataset of an open shard, read by rows.

| stored | read by |
| --- | --- |
| as it is | `pread`, straight into place, runs of neighbouring rows at once |
| as a stream that is decoded here (deflate, JPEG, Zstandard) | `pread` of the stream, and `DECODERS` |
| as a stream that HDF5 decodes as fast as it is safe | HDF5, after a look at the stream's head |
"""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.errors import UnreadableError
from pipeline.shards.jpeg import JPEG_FILTER, read_jpeg
from pipeline.shards.schema import ROWS, row_shape
from pipeline.shards.streams import DEFLATE, FILTERS, HEAD_BYTES, chain_of, inflated
from pipeline.shards.validate import check_values
from pipeline.shards.zstd import ZSTD_FILTER, read_zstd

NOWHERE = -1  # begins a chunk of which HDF5 has named no place
Decoder = Callable[[bytes, npt.NDArray[Any]], None]
"""From a whole stream into a row."""
Check = Callable[[npt.NDArray[Any]], None]


def _inflate(stream: bytes, row: npt.NDArray[Any]) -> None:
    row[...] = np.frombuffer(inflated(stream, row.nbytes), np.uint8).reshape(row.shape)


DECODERS: dict[tuple[int, ...], Decoder] = {
    (DEFLATE,): _inflate,
    (JPEG_FILTER,): read_jpeg,
    (ZSTD_FILTER,): read_zstd,
}


def frame_size(file: h5py.File) -> int:
    """The side of the frames of an open shard, in pixels."""
    return int(file["frames"].shape[1])


class Column:
    """The rows of one dataset of `schema.ROWS`, of a shard that `validate.check_shard` has passed.

    Rows that no filter has changed are read with `pread` at the place that HDF5 names: a quarter of the time of a read
    through h5py, no lock between threads, and unlike a memory map a file that was cut short is an error, not SIGBUS.
    Streams are looked at before they are decoded (`pipeline.shards.streams`), values after it, a row's when it is
    first read: a shard that is open does not change.

    Args:
        file: the open shard; the column is of use as long as it is open.
        name: the dataset's.
        path: the shard's, for messages.
        check: raises a DatasetError where values that were read cannot be (default: by `schema.VALUES`).

    Raises (here and from any read):
        DatasetError: the dataset is damaged; names the file.
    """

    def __init__(self, file: h5py.File, name: str, path: Path, check: Check | None = None) -> None:
        self.name, self.path = name, path
        self._check = check or partial(check_values, name, path)
        self._shape, self._type = row_shape(name, frame_size(file)), ROWS[name][1]
        dataset = file[name]
        self._id: h5py.h5d.DatasetID = dataset.id
        self._rows = len(dataset)
        self._sound = bytearray(self._rows)  # 1: the row has been looked at
        self._file: int = file.id.get_vfd_handle()
        self._filters = chain_of(self._id.get_create_plist())
        self._fits, self._decode = FILTERS[self._filters], DECODERS.get(self._filters)
        self._chunk_rows: int = dataset.chunks[0] if dataset.chunks else max(self._rows, 1)
        self._row_bytes = math.prod(self._shape) * np.dtype(self._type).itemsize
        self._chunks: tuple[array[int], array[int]] | None = None

    def __len__(self) -> int:
        return self._rows

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Of one row."""
        return self._shape

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
                read = self._read_streams if self._filters else self._read_plain
                read(numbers, values)
            except (OSError, RuntimeError, OverflowError) as error:
                raise broken(self.path, error) from error
        self._look(numbers, values)
        return values

    def _look(self, numbers: Sequence[int], values: npt.NDArray[Any]) -> None:
        if not all(map(self._sound.__getitem__, numbers)):
            self._check(values)
            for number in numbers:
                self._sound[number] = 1

    def _place(self, count: int, out: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        shape = (count, *self._shape)
        if out is None:
            return np.empty(shape, self._type)
        if out.shape != shape or out.dtype != self._type or not out.flags.c_contiguous:
            raise ValueError(f"out must be {shape} {np.dtype(self._type)} in C order, got {out.shape} {out.dtype}")
        return out

    def _read_streams(self, numbers: Sequence[int], values: npt.NDArray[Any]) -> None:
        """Each row from its stream, which is looked at before anything decodes it."""
        begins, sizes = self._table()
        by_hdf5 = self._hdf5_decoder()
        for row, number in zip(values, numbers, strict=True):
            size = sizes[number]
            stream = os.pread(self._file, size if self._decode else min(size, HEAD_BYTES), begins[number])
            if self._fits is not None and not self._fits(stream, size, self._shape):
                raise OSError(f"row {number} of '{self.name}' must be a stream of {self._shape} {self._filters}")
            if self._decode is not None:
                self._decode(stream, row)
            else:
                by_hdf5(number, row)

    def _hdf5_decoder(self) -> Callable[[int, npt.NDArray[Any]], None]:
        """Reads a row by its number. HDF5's own functions take half the time of `Dataset.read_direct`."""
        memory, rows = h5py.h5s.create_simple((1, *self._shape)), self._id.get_space()
        rest = (0,) * len(self._shape)

        def read(number: int, row: npt.NDArray[Any]) -> None:
            rows.select_hyperslab((number, *rest), (1, *self._shape))
            self._id.read(memory, rows, row[None])

        return read

    def _read_plain(self, numbers: Sequence[int], values: npt.NDArray[Any]) -> None:
        out = values.data.cast("B")
        size = self._row_bytes
        begins, _ = self._table()
        for first, last in self._runs(numbers):
            chunk, place = divmod(numbers[first], self._chunk_rows)
            begin = begins[chunk] + place * size
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

    def _table(self) -> tuple[array[int], array[int]]:
        """Where each chunk begins in the file and how long it is there, in bytes; asked of HDF5 once, for all of them.

        Asked for one chunk, HDF5 looks through all that lie before it: 3 ms in a shard of 12 800 rows.

        Raises:
            OSError: a chunk was never written, is too long, or not filtered as the others are.
        """
        if self._chunks is None:
            count = -(-self._rows // self._chunk_rows)
            begins, sizes = array("q", [NOWHERE]) * count, array("q", [0]) * count
            if self._id.get_create_plist().get_layout() == h5py.h5d.CHUNKED:
                self._id.chunk_iter(lambda chunk: self._note(chunk, begins, sizes))
            elif self._rows:
                begin = self._id.get_offset()
                begins[0], sizes[0] = NOWHERE if begin is None else begin, self._rows * self._row_bytes
            if NOWHERE in begins:
                row = begins.index(NOWHERE) * self._chunk_rows
                raise OSError(f"row {row} of '{self.name}' was never written")
            self._chunks = begins, sizes
        return self._chunks

    def _note(self, chunk: h5py.h5d.StoreInfo, begins: array[int], sizes: array[int]) -> None:
        number = chunk.chunk_offset[0] // self._chunk_rows
        most = self._chunk_rows * self._row_bytes * 2 + 4096
        in_place = 0 <= number < len(begins) and chunk.byte_offset > 0  # HDF5's own head begins at 0
        if chunk.filter_mask or not 0 < chunk.size <= most or not in_place:
            raise OSError(f"row {chunk.chunk_offset[0]} of '{self.name}' is stored in another way than the rest")
        begins[number], sizes[number] = chunk.byte_offset, chunk.size


def broken(path: Path, error: Exception | str) -> UnreadableError:
    """The error of a shard that cannot be read."""
    reason = " ".join(str(error).split())
    return UnreadableError(f"{path}: the shard is damaged ({reason}); delete it and run the build again")
