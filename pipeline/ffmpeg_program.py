"""The ffmpeg program, which encodes clips (decoding is `pipeline.decode`)."""

from __future__ import annotations

import imageio_ffmpeg

from pipeline.errors import InputError


def ffmpeg_path() -> str:
    """The ffmpeg to run: $IMAGEIO_FFMPEG_EXE, else the binary pinned with this package, else the one on the PATH.

    Raises:
        InputError: there is none.
    """
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise InputError("no ffmpeg found: pip install imageio-ffmpeg, or set IMAGEIO_FFMPEG_EXE to one") from error
