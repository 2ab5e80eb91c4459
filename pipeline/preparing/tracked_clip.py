"""Landmarks and crops of a clip, made exactly as the dataset pipeline makes them, in a pass over the video each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline import geometry, log
from pipeline.cli import printable
from pipeline.clips import frames_at
from pipeline.decode import Frame
from pipeline.errors import InputError
from pipeline.geometry import LANDMARKS, Points
from pipeline.preparing import crops
from pipeline.preparing.crop_plan import plan_crops
from pipeline.preparing.regions import keep_region
from pipeline.settings import Settings
from pipeline.shards import FRAME_SIZE
from pipeline.track import SoFar, Track, follow

Transform = npt.NDArray[np.float32]
Crop = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class TrackedClip:
    """Where the face is in a clip's n frames.

    Attributes:
        path: the video.
        fps: frame rate, at which most frames follow each other.
        jumps: of the file's clock: seconds that were taken out of `pts_seconds`, in order.
        pts_seconds: (n,) presentation times, rising.
        landmarks: (n, 68, 2) float32 in pixels of a 224-pixel crop; NaN without a face of the main person that is
            large enough, with eyes, nose and mouth in an undamaged picture.
        transforms: (n, 2, 3) float32, source pixels -> crop pixels; NaN likewise.
        kept: (k,) the frames that a dataset would keep: a face, large enough, inside the picture.
    """

    path: Path
    fps: float
    jumps: tuple[float, ...]
    pts_seconds: npt.NDArray[np.float64]
    landmarks: Points
    transforms: Transform
    kept: npt.NDArray[np.int64]


def track_clip(path: Path, settings: Settings, landmark_model: Path, role: str, progress: bool = False) -> TrackedClip:
    """Find the face in every frame of a video.

    Holds numbers, not pictures: 700 bytes a frame.

    Args:
        settings: those of the dataset; `centre`, `face_fraction` and `track` decide the result.
        landmark_model: the verified file (`pipeline.tracking.landmark_model.landmark_model_path`).
        role: what the clip is for, in messages: "source" or "driver".
        progress: show a bar, and say on stderr what was corrected or is not as it should be.

    Raises:
        VideoError: the video cannot be decoded.
        InputError: no such file, or no face in it that is large enough.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such {role} video")
    with log.progress(what=f"finding the {role}'s face", unit="frames", disable=not progress) as bar:

        def show(place: int, _frame: Frame, _landmarks: Points, _so_far: SoFar) -> None:
            bar.update(place + 1 - bar.n)

        track = follow(path, settings.track, landmark_model, show)
    if progress:
        for text in track.notes:
            log.note(f"{path}: {text}")
        for text in track.warnings:
            log.warn(f"{path}: {printable(text)}")
    return crop_track(path, track, settings, role)


def crop_track(path: Path, track: Track, settings: Settings, role: str) -> TrackedClip:
    """A track's landmarks in crop pixels; one scale for the whole clip, as in a dataset.

    Raises:
        InputError: no face that is large enough.
    """
    # A torn picture spoils a dataset, in a clip its landmarks are better than none.
    plan = plan_crops(track, replace(settings, after_damage="keep"))
    if not plan.scale:
        reasons = [reason for reason, count in plan.drops.items() if count]
        wide = f"no face wider than {settings.min_face_px:g} pixels"
        what = {("no_face",): "no face", ("too_small",): wide, ("no_face", "too_small"): wide}.get(tuple(reasons))
        what = what or f"no face to be used ({', '.join(reasons)})"
        raise InputError(f"{path}: {what} in any of the {role}'s {len(track)} frames; use another video")
    landmarks = np.full((len(track), LANDMARKS, 2), np.nan, np.float32)
    for place in np.flatnonzero(np.isfinite(plan.transforms[:, 0, 0])).tolist():
        landmarks[place] = geometry.apply_affine(plan.transforms[place], plan.landmarks[place])
    return TrackedClip(path, track.fps, track.jumps, track.pts_seconds, landmarks, plan.transforms, plan.kept)


def resized(transform: Transform, size: int) -> Transform:
    """A map to a crop of 224 pixels as one to a crop of `size`: pixel centres are at integers in both."""
    factor = size / FRAME_SIZE
    changed = np.asarray(transform, np.float64) * factor
    changed[:, 2] += (factor - 1) / 2
    return changed.astype(np.float32)


def crop_frames(path: Path, places: Sequence[int], transforms: Transform, size: int = FRAME_SIZE) -> Iterator[Crop]:
    """Crops of some frames, in one pass over the video that holds a frame at a time.

    Args:
        places: rising frame numbers; repeats are given again.
        transforms: (len(places), 2, 3) to a crop of 224 pixels.
        size: height and width of the crops.

    Yields:
        (size, size, 3) uint8 RGB for each place.

    Raises:
        VideoError: the video has fewer frames than it had when it was tracked.
    """
    for frame, stored in zip(frames_at(path, places), transforms, strict=True):
        transform = stored if size == FRAME_SIZE else resized(stored, size)
        yield crops.cut(keep_region(frame, crops.source_box(transform, size)), transform, size)
