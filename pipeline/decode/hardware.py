"""Decoding by a graphics card or media engine where there is one, if the user asks for it (off by default).

None was at hand when this was written: what is run here, and tested, is that the processor takes over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import av
from av.codec.hwaccel import HWAccel

_asked: ContextVar[str] = ContextVar("device", default="")


@contextmanager
def decoding_by(device: str) -> Iterator[None]:
    """Within this, videos are decoded by a device (ffmpeg's name of its kind) where it can; "": by the processor."""
    token = _asked.set(device)
    try:
        yield
    finally:
        _asked.reset(token)


def asked_device() -> str:
    """The device asked for; "" for none."""
    return _asked.get()


def accelerator(device: str) -> HWAccel:
    """What makes PyAV decode by a device; where that cannot decode a stream, the processor does."""
    # Owned: else all of a picture but time and pixels is lost.
    return HWAccel(device, allow_software_fallback=True, is_hw_owned=True)


def is_on_device(picture: av.VideoFrame) -> bool:
    """Whether a picture's pixels are in a device's memory."""
    return not picture.format.components


def downloaded(picture: av.VideoFrame, to: str) -> av.VideoFrame:
    """A picture of a device's in ordinary memory, in a pixel format, its colours meant as before."""
    here = picture.reformat(format=to, interpolation="BICUBIC", threads=1)  # as `display.SCALER`, but for its rounding
    here.colorspace, here.color_range, here.color_trc = picture.colorspace, picture.color_range, picture.color_trc
    here.time_base = picture.time_base
    return here
