"""From what a corpus lists to frames: a file, a part of it, or a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline import decode
from pipeline.content import pictures_in
from pipeline.corpora.source import PICTURES_FPS, Clip
from pipeline.decode import ClipReader, Frame, PictureReader, VideoReader
from pipeline.errors import VideoError
from pipeline.tracking.region import FaceRegion

SHRUNK = "a second decoding gave fewer frames than the first; did the file change?"


def at_rate(path: Path, clip: Clip | None, fps: float) -> Clip | None:
    """A clip at the frame rate that a build asks for, where its row names none; pictures are all kept.

    Args:
        path: the file, or the folder of pictures.
        fps: frames a second; 0: as they are.
    """
    if not fps or path.is_dir() or (clip is not None and clip.fps is not None):
        return clip
    return replace(clip or Clip(path.name), fps=fps)


def open_clip(path: Path, clip: Clip | None = None) -> VideoReader | PictureReader:
    """A reader of a clip's frames: a context manager, to be iterated once.

    Args:
        path: the file, or the folder of pictures.
        clip: which part of it; None: a whole file.
    """
    if clip is None:
        return VideoReader(path)
    if path.is_dir():
        return PictureReader(path, clip.fps or PICTURES_FPS, clip.start, clip.end)
    return ClipReader(path, clip.start, clip.end, clip.fps)


def clip_frames(path: Path, clip: Clip | None = None) -> Iterator[Frame]:
    """The frames of a clip; as `open_clip`, for callers who need the frames only."""
    with open_clip(path, clip) as reader:
        yield from reader


def frames_at(path: Path, places: Sequence[int], clip: Clip | None = None) -> Iterator[Frame]:
    """Some frames of a clip that was decoded before, in one pass that holds a frame at a time.

    Args:
        places: rising frame numbers from 0 on; repeats are given again.

    Raises:
        VideoError: it has fewer frames than that.
    """
    wanted = 0
    for number, frame in enumerate(clip_frames(path, clip) if places else ()):
        while wanted < len(places) and places[wanted] == number:
            yield frame
            wanted += 1
        if wanted == len(places):
            return
    if places:
        raise VideoError("unreadable", f"{path}: {SHRUNK}")


def stated_length(path: Path, clip: Clip | None = None) -> tuple[float, float] | None:
    """Seconds and frames of a clip as its file states them, unproved; None where it does not say."""
    clip = clip or Clip("")
    if path.is_dir():
        rate = clip.fps or PICTURES_FPS
        stated: tuple[float, float] | None = (len(pictures_in(path)) / rate, rate)
    else:
        stated = decode.stated_length(path) if path.is_file() else None  # a pipe would let us wait
    if stated is None:
        return None
    whole, rate = stated
    seconds = max(0.0, min(whole, clip.end or whole) - (clip.start or 0.0))
    return seconds, seconds * min(rate, clip.fps or rate)


def region_of(clip: Clip | None) -> FaceRegion | None:
    """Where the face is that a clip is about, if its row says so."""
    return None if clip is None or clip.box is None else FaceRegion(*clip.box)
