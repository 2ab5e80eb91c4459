"""Opening pictures of strangers: what a file is and how large its picture, before anything of it is decoded."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.files import is_of_the_machine, regular_size

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")  # of Pillow's; others run programs, or other decoders
MOST_PIXELS = 8192 * 8192
LONGEST = 16  # times the other side
MOST_FILE_BYTES = 512 << 20


def open_picture(path: Path) -> Picture:
    """A picture, decoded, upright and in RGB.

    Raises:
        InputError: it is no regular file, no picture of one of `FORMATS`, damaged, too large or too small.
        FileNotFoundError: there is none.
        OSError: the machine cannot read it.
    """
    from PIL import Image, ImageOps  # here: scheduling reads no pictures

    regular_size(path, MOST_FILE_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on a file that is refused, or can be read all the same
            with Image.open(path, formats=FORMATS) as file:
                _check(file, path)
                file.load()
                ImageOps.exif_transpose(file, in_place=True)
                picture = file.convert("RGB")
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever a hostile file provokes is a fact about that file
        if is_of_the_machine(error):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: cannot be read as a picture ({reason}); leave it out") from error
    return picture


def _check(file: Picture, path: Path) -> None:
    """What the header says, against what a picture of a face can be."""
    width, height = file.size
    if max(width, height) > LONGEST * min(width, height) or width * height > MOST_PIXELS:
        raise InputError(
            f"{path}: must be a picture of at most {MOST_PIXELS} pixels and not longer than {LONGEST} times its other "
            f"side, got {width}x{height}; leave it out, or make it smaller"
        )
    if file.mode[0] in "IF":
        raise InputError(f"{path}: grey levels of more than 8 bits are not read; convert it")
