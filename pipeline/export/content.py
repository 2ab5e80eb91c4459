"""What all formats hold of a stretch of a video: pictures, the columns beside them, and where both come from."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.decode import SOUND_RATE, sound_of_frames
from pipeline.shards import ShardReader, Video
from pipeline.shards.jpeg import jpeg_stream

COLUMNS = ("landmarks", "mouth_openness", "frame_index", "pts_seconds", "crop_transform")
BATCH_ROWS = 64  # pictures in memory at a time


def columns_of(reader: ShardReader, rows: range) -> dict[str, Any]:
    """The columns beside the pictures, n rows each; shapes and units in `pipeline.shards.schema.ROWS`."""
    return {name: getattr(reader, name)(rows) for name in COLUMNS}


def wav_of(reader: ShardReader, video: Video, rows: range) -> bytes | None:
    """The sound of a stretch as a WAV file: that of its frames, shown one after the other; None where there is none."""
    if not video.sample_count or video.fps <= 0:
        return None
    seconds = reader.pts_seconds([video.first_row, *rows])
    before = max(round(float(seconds[1] - seconds[0]) * SOUND_RATE), 0)
    samples = reader.audio(video.first_sample + before, video.sample_count - before)
    if samples is None:
        return None
    packed = io.BytesIO()
    with wave.open(packed, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE)
        file.writeframes(sound_of_frames(samples, seconds[1:], video.fps).astype("<i2").tobytes())
    return packed.getvalue()


def about(video: Video, source_sha256: str, rows: range, origin: str) -> dict[str, Any]:
    """Where a stretch comes from: plain values for JSON."""
    return {
        "id": video.id,
        "speaker": video.speaker,
        "split": video.split,
        "fps": video.fps,
        "first": rows.start - video.first_row,
        "frames": len(rows),
        "bank": [row - rows.start for row in video.bank if row in rows],
        "origin": origin,
        "source_sha256": source_sha256,
    }


def picture_encoder(pictures: str) -> Callable[[npt.NDArray[np.uint8]], bytes]:
    """From (H, W, 3) uint8 RGB to a file's bytes."""
    return jpeg_stream if pictures == "jpeg" else _png_stream


def _png_stream(image: npt.NDArray[np.uint8]) -> bytes:
    import cv2

    # Level 1: a tenth larger than the smallest, in a quarter of the time.
    stream = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
    return bytes(stream.tobytes())
