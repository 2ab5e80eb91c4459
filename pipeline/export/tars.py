"""WebDataset: tars of samples, written by the `webdataset` library; a sample is a video, or a window of one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.export.content import BATCH_ROWS, about, columns_of, picture_encoder, wav_of
from pipeline.export.plan import Piece, clip_name, in_files, stretches
from pipeline.export.settings import ExportSettings
from pipeline.files import atomic_write
from pipeline.shards import ShardReader, Video

PACKAGES = ("webdataset",)


def plan(videos: Sequence[Video], settings: ExportSettings) -> list[Piece]:
    """The tars of a split."""
    return in_files(videos, "tar", settings.frames_per_file)


def write(to: Path, piece: Piece, sources: Mapping[str, str], settings: ExportSettings) -> None:
    """Write one tar; nothing in it tells when, or by whom."""
    from webdataset.writer import TarWriter

    encode = picture_encoder(settings.pictures)
    with (
        atomic_write(to / piece.path) as temporary,
        temporary.open("wb") as file,
        TarWriter(file, user="", group="", mtime=0, encoder=False) as tar,
    ):
        for video in piece.videos:
            with ShardReader(video.shard) as reader:
                for rows in stretches(video, settings.window):
                    origin = about(video, sources[video.id], rows, settings.origin)
                    tar.write(_sample(reader, video, rows, settings, encode) | {"json": _json(origin)})


def _sample(
    reader: ShardReader,
    video: Video,
    rows: range,
    settings: ExportSettings,
    encode: Callable[[npt.NDArray[np.uint8]], bytes],
) -> dict[str, Any]:
    """A sample as bytes by the last part of the member's name; its key has no dot, at which WebDataset would cut it."""
    suffix = "jpg" if settings.pictures == "jpeg" else "png"
    first = rows.start - video.first_row
    sample: dict[str, Any] = {"__key__": clip_name(video) + (f"-{first:06d}" if settings.window else "")}
    for begin in range(0, len(rows), BATCH_ROWS):
        for number, image in enumerate(reader.frames(rows[begin : begin + BATCH_ROWS]), begin):
            sample[suffix if settings.window == 1 else f"{number:06d}.{suffix}"] = encode(image)
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **columns_of(reader, rows))
    sound = wav_of(reader, video, rows)
    return sample | {"npz": packed.getvalue()} | ({} if sound is None else {"wav": sound})


def _json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values).encode()
