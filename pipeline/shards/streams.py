"""Compressed rows: what a stream claims to hold is looked at before a library that trusts it decodes it.

HDF5 copies as many bytes out of a filter's buffer as the row should have, whatever the filter gave: a shorter stream
ends in a segmentation fault or in bytes of this process's memory, a longer one in as much memory as it likes.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable

import h5py

from pipeline.shards.jpeg import JPEG_FILTER
from pipeline.shards.zstd import ZSTD_FILTER

HEAD_BYTES = 64  # of a stream, enough for every test below but JPEG's
SHUFFLE, DEFLATE, LZ4, HTJ2K = 2, 1, 32004, 32033  # HDF5's numbers; shuffled bytes are as they were

_ZSTD_MAGIC, _JPEG_MAGIC = b"\x28\xb5\x2f\xfd", b"\xff\xd8\xff"
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # JPEG markers between the starts of frames: tables and extensions


def zstd_fits(head: bytes, _stored: int, shape: tuple[int, ...]) -> bool:
    """RFC 8878: one frame that says its size; the decoder itself then takes no other."""
    if head[:4] != _ZSTD_MAGIC:
        return False
    descriptor = head[4]
    single = descriptor >> 5 & 1
    begin = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3]
    width = (single, 2, 4, 8)[descriptor >> 6]
    size = int.from_bytes(head[begin : begin + width], "little") + (256 if width == 2 else 0)
    return width > 0 and size == math.prod(shape)


def lz4_fits(head: bytes, stored: int, shape: tuple[int, ...]) -> bool:
    """HDF5's filter 32004: size, size of a block, then each block behind its own size; here a single one."""
    size, block, packed = (int.from_bytes(head[a:b], "big") for a, b in ((0, 8), (8, 12), (12, 16)))
    return size == block == math.prod(shape) and packed == stored - 16 and packed <= size


def htj2k_fits(head: bytes, _stored: int, shape: tuple[int, ...]) -> bool:
    """A JPEG 2000 codestream whose first marker says: one tile of that size, 8 bits a component."""
    *sides, components = shape if len(shape) == 3 else (*shape, 1)
    height, width = (side.to_bytes(4, "big") for side in sides)
    size = width + height + bytes(8)  # of the picture and where it begins; then the same of its tile
    marker = b"\xff\x4f\xff\x51" + (38 + 3 * components).to_bytes(2, "big")
    said = head[:6], head[8:40], head[40:42], head[42 : 42 + 3 * components]
    return said == (marker, size + size, components.to_bytes(2, "big"), b"\x07\x01\x01" * components)


def jpeg_fits(head: bytes, _stored: int, shape: tuple[int, ...]) -> bool:
    """A JPEG stream, looked at from its beginning to its first start of a frame; `head` is the whole stream."""
    place = 2
    while head[:3] == _JPEG_MAGIC and place + 9 < len(head) and head[place] == 0xFF:
        marker, length = head[place + 1], int.from_bytes(head[place + 2 : place + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES:
            said = (head[place + 5 : place + 7], head[place + 7 : place + 9], head[place + 9])
            return said == (shape[0].to_bytes(2, "big"), shape[1].to_bytes(2, "big"), shape[2])
        place += 2 + length
    return False


Fits = Callable[[bytes, int, tuple[int, ...]], bool]
"""From the head of a stream, the bytes stored and the shape of a uint8 row: whether it holds that row."""

FILTERS: dict[tuple[int, ...], Fits | None] = {
    (): None,
    (DEFLATE,): None,  # says no size: see `inflated`
    (LZ4,): lz4_fits,
    (ZSTD_FILTER,): zstd_fits,
    (HTJ2K,): htj2k_fits,
    (JPEG_FILTER,): jpeg_fits,
}


def chain_of(layout: h5py.h5p.PropDCID) -> tuple[int, ...]:
    """The numbers of a dataset's filters in order, but for the one that only sorts bytes."""
    filters = [int(layout.get_filter(number)[0]) for number in range(layout.get_nfilters())]
    return tuple(number for number in filters if number != SHUFFLE)


def inflated(stream: bytes, size: int) -> bytes:
    """A zlib stream of so many bytes.

    Raises:
        OSError: it is damaged, or of another size.
    """
    decoder = zlib.decompressobj()
    try:
        whole = decoder.decompress(stream, size + 1)
    except zlib.error as error:
        raise OSError(f"a compressed row is damaged: {error}") from error
    if len(whole) != size or not decoder.eof:
        raise OSError(f"a compressed row must hold {size} bytes")
    return whole
