"""A track: the landmarks of every frame of a video as arrays, made by following the face and kept between builds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from pipeline.decode import Frame, VideoReader
from pipeline.files import atomic_write
from pipeline.geometry import LANDMARKS, Points
from pipeline.tracking import FaceTracker, TrackSettings

MAX_WARNINGS = 3


@dataclass(frozen=True)
class Track:
    """Every decoded frame of one video, in presentation order; n rows."""

    fps: float
    width: int
    height: int
    warnings: tuple[str, ...]  # what the decoder complained of
    frame_index: npt.NDArray[np.int32]  # (n,)
    pts_seconds: npt.NDArray[np.float64]  # (n,)
    landmarks: npt.NDArray[np.float32]  # (n, 68, 2) source pixels; NaN without a credible face
    score: npt.NDArray[np.float32]  # (n,) of the detector; NaN likewise
    faces: npt.NDArray[np.int32]  # (n,) credible faces seen

    def __len__(self) -> int:
        return len(self.frame_index)


def follow(
    path: Path, settings: TrackSettings, landmark_model: Path, on_face: Callable[[int, Frame, Points], None]
) -> Track:
    """Decode a video once and track its main face.

    Args:
        on_face: called with the place (0-based), the frame and its landmarks wherever there is a face.

    Raises:
        VideoError: the video cannot be decoded.
    """
    frame_index, pts_seconds, score, faces = [], [], [], []
    landmarks = bytearray()  # a list of arrays would take as much again to join
    nowhere = np.full((LANDMARKS, 2), np.nan, np.float32)
    tracker: FaceTracker | None = None
    with VideoReader(path) as reader:
        for place, frame in enumerate(reader):
            tracker = tracker or FaceTracker(settings, landmark_model, studio_range=not frame.colour.full_range)
            seen = tracker.observe(frame.y)
            if seen.landmarks is not None:
                on_face(place, frame, seen.landmarks)
            frame_index.append(frame.index)
            pts_seconds.append(frame.pts_seconds)
            landmarks += (nowhere if seen.landmarks is None else seen.landmarks).tobytes()
            score.append(np.nan if seen.landmarks is None else seen.score)
            faces.append(seen.faces)
    return Track(
        reader.fps,
        reader.width,
        reader.height,
        tuple(reader.errors[:MAX_WARNINGS]),
        np.array(frame_index, np.int32),
        _times(np.array(pts_seconds), reader.fps),
        np.frombuffer(landmarks, np.float32).reshape(-1, LANDMARKS, 2),
        np.array(score, np.float32),
        np.array(faces, np.int32),
    )


def _times(pts_seconds: npt.NDArray[np.float64], fps: float) -> npt.NDArray[np.float64]:
    """Timestamps, where the container has none counted from the frame rate."""
    counted = np.arange(len(pts_seconds)) / (fps or 25.0)
    return np.where(np.isfinite(pts_seconds), pts_seconds, counted)


def save_track(path: Path, track: Track, source_sha256: str) -> None:
    """Keep a track for builds with other crops."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, source_sha256=source_sha256, **vars(track))


def load_track(path: Path, source_sha256: str) -> Track | None:
    """The track kept for this very file; None where there is none, or the file has changed since."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["source_sha256"]) != source_sha256:
                return None
            return Track(
                fps=float(kept["fps"]),
                width=int(kept["width"]),
                height=int(kept["height"]),
                warnings=tuple(str(line) for line in kept["warnings"]),
                frame_index=kept["frame_index"],
                pts_seconds=kept["pts_seconds"],
                landmarks=kept["landmarks"],
                score=kept["score"],
                faces=kept["faces"],
            )
    except (FileNotFoundError, BadZipFile, KeyError, ValueError):
        return None  # absent or damaged: it is made again
