"""One drawn clip to an H.264 file with sound."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline import h264
from pipeline.sample.voice import write_wav

NOTICE = "Synthetic drawing of a person who does not exist, made by python -m pipeline.sample"


def encode(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    size: tuple[int, int],
    fps: float,
    samples: npt.NDArray[np.int16],
) -> None:
    """Write frames (H, W, 3) uint8 RGB and mono samples as H.264 (BT.709, 4:2:0) and AAC; same input, same bytes.

    Raises:
        BuildError: ffmpeg failed, or took longer than `h264.TIME_LIMIT_SECONDS`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        sound = Path(scratch) / "voice.wav"
        write_wav(sound, samples)
        h264.encode(path, frames, size, fps, sound=sound, comment=NOTICE)
