"""Which of a file's streams is the video: not its cover, and of several the one that a player would show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from pipeline.errors import VideoError

MAX_PIXELS = 8192 * 8192  # a larger picture is refused by the decoder, before memory is spent
# Containers that hold their own pictures. Playlists and scripts, which make ffmpeg open other files, are left out.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,asf,flv,ogg,dv,mxf,gif,h264,hevc,m4v,ivf,nut,"
    "yuv4mpegpipe,rm,swf,wtv"
)
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS, "max_pixels": str(MAX_PIXELS)}

STILLS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image | Disposition.dependent
STILL_CODECS = ("mjpeg", "png", "apng", "bmp", "webp", "tiff", "gif", "jpeg2000")


def choose_stream(container: Any) -> tuple[Any, str]:
    """The video stream of an open container: the default one, of several the largest, of equals the first.

    Covers and thumbnails do not count, and a stream of a single picture, or of pictures coded as stills are, only where
    there is no other.

    Returns:
        The stream and "", or None and why there is none.
    """
    pictures = [stream for stream in container.streams.video if stream.codec_context is not None]
    videos = [stream for stream in pictures if not stream.disposition & STILLS]
    if videos:
        return max(videos, key=_rank), ""
    sound = "sound" if container.streams.audio else ""
    if pictures:
        return None, f"it has no video stream, only {' and '.join(filter(None, (sound, 'a cover picture')))}"
    return None, "it has no video stream" + (f", only {sound}" if sound else "")


def stated_length(path: Path) -> tuple[float, float] | None:
    """Seconds and frames a second that a file says it has, unproved; None where it does not say, or is no video."""
    try:
        with av.open(f"file:{path}", options=OPTIONS) as container:
            stream, _ = choose_stream(container)
            if stream is None:
                return None
            length = stream.duration * stream.time_base if stream.duration else (container.duration or 0) / 1e6
            rate = float(stream.average_rate or 0)
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    return (float(length), rate) if length > 0 and rate > 0 else None


def begin_of(path: Path) -> float:
    """When a file begins on the clock of its frames, seconds: what players, and tables of clips, count from.

    Raises:
        VideoError: `unreadable`.
    """
    try:
        with av.open(f"file:{path}", options=OPTIONS) as container:
            return float(container.start_time or 0) / av.time_base
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError("unreadable", f"{path}: cannot be opened ({getattr(error, 'strerror', error)})") from error


def others_than(chosen: Any, container: Any) -> str:
    """A sentence where a file has other video streams than the one chosen."""
    videos = [stream for stream in container.streams.video if not stream.disposition & STILLS and not _is_still(stream)]
    if chosen not in videos or len(videos) < 2:
        return ""
    context = chosen.codec_context
    return f"of {len(videos)} video streams number {chosen.index} ({context.width}x{context.height}) is read"


def _rank(stream: Any) -> tuple[bool, bool, int, int]:
    context = stream.codec_context
    default = bool(stream.disposition & Disposition.default)
    return not _is_still(stream), default, context.width * context.height, -stream.index


def _is_still(stream: Any) -> bool:
    """Whether it seems to be a cover that nothing flags: some containers do not say how many pictures there are."""
    return stream.frames == 1 or stream.codec_context.name in STILL_CODECS
