"""Which file of an export holds which frames, and what it is called: a pure function of the dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.settings import digest_of
from pipeline.shards import Video

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,60}")


@dataclass(frozen=True)
class Piece:
    """What is written at once: a file, or the folder of a clip."""

    path: str  # below the export, POSIX
    videos: tuple[Video, ...]


def in_files(videos: Sequence[Video], suffix: str, most_frames: int) -> list[Piece]:
    """Whole videos to files of about as many frames; `<split>/<split>-000000.tar`.

    The order is drawn by a hash of the ids, so that whoever reads file after file meets one person after the other.
    """
    packs: list[list[Video]] = []
    frames = most_frames
    for video in sorted(videos, key=lambda video: (digest_of(video.id), video.id)):
        if frames >= most_frames:
            packs.append([])
            frames = 0
        packs[-1].append(video)
        frames += video.row_count
    return [Piece(f"{p[0].split}/{p[0].split}-{i:06d}.{suffix}", tuple(p)) for i, p in enumerate(packs)]


def in_folders(videos: Iterable[Video]) -> list[Piece]:
    """A folder a video: `<split>/<speaker>/<clip>`."""
    return [Piece(f"{v.split}/{plain_name(v.speaker)}/{clip_name(v)}", (v,)) for v in videos]


def clip_name(video: Video) -> str:
    """A video's name of ASCII letters without a dot: the file's, and behind it what tells its id from all others."""
    stem = PurePosixPath(video.id.partition("#")[0]).stem
    return f"{_ascii(stem)}-{digest_of(video.id)}"


def plain_name(name: str) -> str:
    """A name itself where it is plain; else what is plain of it, and behind that what tells it from all others."""
    return name if _PLAIN.fullmatch(name) else f"{_ascii(name)}-{digest_of(name)}"


def stretches(video: Video, window: int) -> Iterator[range]:
    """Rows of the shard: all of the video's, or stretches of `window` of them, the last of which may be shorter."""
    rows = range(video.first_row, video.first_row + video.row_count)
    step = window or len(rows)
    return (rows[first : first + step] for first in range(0, len(rows), step))


def _ascii(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name)[:40].strip("_")
