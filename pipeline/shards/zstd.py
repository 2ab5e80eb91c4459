"""Rows as Zstandard streams: HDF5's registered filter 32015, written and read here.

hdf5plugin reads and writes the same chunks; past HDF5's own pipeline it takes less time (`benchmarks/storage.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import zstandard

ZSTD_FILTER = 32015  # "Zstandard" in The HDF Group's list of registered filters

_of_thread = threading.local()  # a decoder serves one thread at a time


def zstd_writer(dataset: h5py.h5d.DatasetID) -> Callable[[int, npt.NDArray[np.uint8]], None]:
    """A function that writes an image as one row's chunk, at the level that the dataset's filter was given."""
    _, (level, *_), _ = dataset.get_create_plist().get_filter_by_id(ZSTD_FILTER)
    compressor = zstandard.ZstdCompressor(level=int(np.uint32(level).astype(np.int32)))  # HDF5 knows no sign
    rest = (0,) * (len(dataset.shape) - 1)

    def write(row: int, image: npt.NDArray[np.uint8]) -> None:
        dataset.write_direct_chunk((row, *rest), compressor.compress(np.ascontiguousarray(image).data))

    return write


def read_zstd(stream: bytes, out: npt.NDArray[Any]) -> None:
    """Decode a stream that says the size of `out` (`streams.zstd_fits`) into it.

    Raises:
        OSError: it is damaged, or followed by something else.
    """
    decoder = getattr(_of_thread, "decoder", None)
    if decoder is None:
        decoder = _of_thread.decoder = zstandard.ZstdDecompressor()
    try:
        row = decoder.decompress(stream, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise OSError(f"a compressed row is damaged: {error}") from error
    out[...] = np.frombuffer(row, out.dtype).reshape(out.shape)
