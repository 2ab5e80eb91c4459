"""Hostile pictures: as a source's, and as another system's answers."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from PIL import Image

from tests.hostile.case import Case
from tests.hostile.world import SECRET, World


def chunk(name: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, mode: tuple[int, int] = (8, 2), more: bytes = b"", data: bytes = b"") -> bytes:
    """A PNG that claims any size; its pixels are black where there is no other data."""
    header = struct.pack(">IIBBBBB", width, height, *mode, 0, 0, 0)
    packed = data or zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def black(width: int, height: int) -> bytes:
    """A whole one, however large; packed row by row."""
    squeezed = zlib.compressobj(9)
    rows = b"".join(squeezed.compress(bytes(3 * width + 1)) for _ in range(height)) + squeezed.flush()
    return png(width, height, data=rows)


def saved(kind: str, mode: str = "RGB", size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 0).save(file, kind, **options)
    return file.getvalue()


def noise(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG" if seed % 2 else "PNG")
    return file.getvalue()


def broken(seed: int) -> bytes:
    dice = random.Random(seed)
    whole = bytearray(noise(seed))
    for _ in range(dice.choice((1, 8, 64))):
        whole[dice.randrange(len(whole))] = dice.randrange(256)
    return bytes(whole)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(/etc/passwd) (r) file\nshowpage\n%%EOF\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
FILES: dict[str, Callable[[], bytes]] = {
    "169 million pixels": lambda: black(13000, 13000),
    "a claim of 10^10 pixels": lambda: png(100_000, 100_000),
    "a claim of 2^62 pixels": lambda: png(2**31 - 1, 2**31 - 1),
    "30000 x 1": lambda: black(30_000, 1),
    "1 x 30000": lambda: black(1, 30_000),
    "one pixel": lambda: black(1, 1),
    "no pixel": lambda: png(0, 0),
    "16 bits": lambda: saved("PNG", "I;16"),
    "grey": lambda: saved("PNG", "L"),
    "a palette": lambda: saved("PNG", "P"),
    "transparent": lambda: saved("PNG", "RGBA"),
    "black and white": lambda: saved("PNG", "1"),
    "a palette that is missing": lambda: png(64, 64, (8, 3)),
    "a colour type that is none": lambda: png(64, 64, (8, 5)),
    "a text that swells": lambda: png(64, 64, more=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 28), 9))),
    "a profile that swells": lambda: png(64, 64, more=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 28), 9))),
    "data that swells": lambda: png(64, 64, data=zlib.compress(bytes(1 << 29), 9)),
    "no data": lambda: png(64, 64, data=b"x"),
    "a part beyond the end": lambda: png(64, 64)[:40] + struct.pack(">I", 2**31 - 1) + b"IDAT",
    "PostScript": lambda: POSTSCRIPT,
    "SVG": lambda: SVG,
    "GIF": lambda: saved("GIF", "P"),
    "TIFF": lambda: saved("TIFF"),
    "TIFF of floats": lambda: saved("TIFF", "F"),
    "TIFF in a circle": lambda: b"II*\0\x08\0\0\0\x01\0\0\x01\x04\0\x01\0\0\0\x40\0\0\0\x08\0\0\0",
    "BMP upside down": lambda: saved("BMP")[:22] + struct.pack("<i", -(2**31)) + saved("BMP")[26:],
    "WebP": lambda: saved("WEBP"),
    "WebP cut": lambda: saved("WEBP")[:40],
    "JPEG, CMYK": lambda: saved("JPEG", "CMYK"),
    "JPEG of 65500 a side": lambda: _jpeg_of(65500, 65500),
    "JPEG turned": lambda: saved(
        "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    ),
    "EXIF of rubbish": lambda: saved("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "a secret's bytes": lambda: SECRET.encode() * 100,
    "text": lambda: b"hello",
    "nothing": lambda: b"",
    "an archive": lambda: b"PK\x03\x04" + bytes(100),
    **{f"broken {number}": partial(broken, number) for number in range(12)},
}


def _jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG that claims another size."""
    whole = bytearray(saved("JPEG"))
    place = whole.index(b"\xff\xc0")
    whole[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(whole)


def as_source(content: Callable[[], bytes], suffix: str, alone: bool, world: World) -> None:
    if alone:
        (world.pictures / "a.png").unlink()
    (world.pictures / f"hostile.{suffix}").write_bytes(content())


def as_answer(content: Callable[[], bytes], world: World) -> None:
    next(iter(sorted((world.root / "answers").rglob("*.png")))).write_bytes(content())


def of_pictures(_dice: random.Random) -> Iterator[Case]:
    """Each as a source, beside a sound one or alone, and as an answer."""
    for number, (name, content) in enumerate(FILES.items()):
        suffix = ("png", "jpg")[number % 2]
        harm = partial(as_source, content, suffix, number % 3 == 0)
        if number % 4 != 1:
            yield Case("pictures", f"{name}, a source's", harm, ("animate_pictures",))
        if number % 4 in (1, 2):
            yield Case("pictures", f"{name}, an answer", partial(as_answer, content), ("answers",))
