"""A folder a clip, as lip-sync trainers take them: H.264 crops, landmarks, and a JSON that says where both come from.

The sound of a dataset that keeps it is `audio.wav` beside them, and `"audio"` in the JSON names it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline import h264
from pipeline.errors import DatasetError
from pipeline.export.content import BATCH_ROWS, about, columns_of, wav_of
from pipeline.export.plan import Piece, in_folders, stretches
from pipeline.export.settings import ExportSettings
from pipeline.files import atomic_write
from pipeline.shards import ShardReader, Video

PACKAGES = ()
VIDEO_FILE, SOUND_FILE, LANDMARKS_FILE, ABOUT_FILE = "video.mp4", "audio.wav", "landmarks.npz", "clip.json"
SECONDS_A_FRAME = 1.0  # that ffmpeg may take, many times what it does


def plan(videos: Sequence[Video], settings: ExportSettings) -> list[Piece]:  # noqa: ARG001 - as the other formats'
    """The clips of a split. A clip is there as soon as its JSON is."""
    return [Piece(f"{piece.path}/{ABOUT_FILE}", piece.videos) for piece in in_folders(videos)]


def write(to: Path, piece: Piece, sources: Mapping[str, str], settings: ExportSettings) -> None:
    """Write one clip's folder.

    Raises:
        DatasetError: its frame rate is not known.
        BuildError: ffmpeg failed.
    """
    (video,) = piece.videos
    if video.fps <= 0:
        raise DatasetError(f"{video.shard}: {video.id} must have a frame rate to become a clip; build it again")
    folder = (to / piece.path).parent
    (rows,) = stretches(video, 0)
    with ShardReader(video.shard) as reader:
        with atomic_write(folder / VIDEO_FILE) as temporary:
            size = (reader.frame_size, reader.frame_size)
            limit = h264.TIME_LIMIT_SECONDS + SECONDS_A_FRAME * len(rows)
            comment = f"origin: {settings.origin}"
            h264.encode(temporary, _frames(reader, rows), size, video.fps, comment=comment, seconds=limit)
        with atomic_write(folder / LANDMARKS_FILE) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **columns_of(reader, rows))
        sound = wav_of(reader, video, rows)
        if sound is not None:
            with atomic_write(folder / SOUND_FILE) as temporary:
                temporary.write_bytes(sound)
    told = {**about(video, sources[video.id], rows, settings.origin), "size": size[0], "audio": sound and SOUND_FILE}
    with atomic_write(to / piece.path) as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _frames(reader: ShardReader, rows: range) -> Iterator[npt.NDArray[np.uint8]]:
    for begin in range(0, len(rows), BATCH_ROWS):
        yield from reader.frames(rows[begin : begin + BATCH_ROWS])
