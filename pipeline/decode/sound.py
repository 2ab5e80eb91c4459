"""Whether a file's sound can be read, found out before any work is done for it."""

from __future__ import annotations

from pathlib import Path

import av
from av.logging import Capture

from pipeline.cli import printable
from pipeline.decode.stream import CONTAINERS, OPTIONS
from pipeline.errors import VideoError

SOUND_OPTIONS = {**OPTIONS, "format_whitelist": f"{CONTAINERS},wav,w64,aiff,mp3,aac,flac"}


def has_sound(path: Path) -> bool:
    """Whether a file holds a stream of sound; the first piece of it is decoded to see that it is one.

    Raises:
        VideoError: `unreadable`: ffmpeg cannot open the file, or makes nothing of its sound.
    """
    reason = "ffmpeg gave none"
    with Capture() as lines:
        try:
            with av.open(f"file:{path}", options=SOUND_OPTIONS) as container:
                if not container.streams.audio:
                    return False
                if next(container.decode(container.streams.audio[0]), None) is not None:
                    return True
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
    said = next((text for _, _, text in lines if text.strip()), reason)
    raise VideoError("unreadable", f"{path}: its sound cannot be read ({printable(' '.join(said.split()))})")
