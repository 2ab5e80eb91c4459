"""The driver: the landmarks that move the source's face, from a video or a file, fitted to the source."""

from __future__ import annotations

import csv
from array import array
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from pipeline.arrays import ArrayRule, read_arrays
from pipeline.decode.reader import MAX_FRAMES
from pipeline.errors import InputError
from pipeline.files import regular_size
from pipeline.geometry import LANDMARKS, MOUTH, Points
from pipeline.preparing.crops import ANCHOR
from pipeline.preparing.tracked_clip import TrackedClip, Transform, crop_track, track_clip
from pipeline.settings import Settings
from pipeline.track import WHOLE, Track
from pipeline.tracking import NOBODY

Fit = Literal["position-scale", "shape", "none"]
FITS: tuple[Fit, ...] = get_args(Fit)
Missing = Literal["hold", "skip", "fail"]
MISSING: tuple[Missing, ...] = get_args(Missing)
LANDMARK_SUFFIXES = frozenset({".npz", ".npy", ".csv"})
MOST_CSV_BYTES = 256 << 20
MOST_PIXELS = 1e5
_RULES = {
    "landmarks": ArrayRule("fiu", (None, LANDMARKS, 2), MAX_FRAMES * LANDMARKS * 2),
    "fps": ArrayRule("fiu", (), 1),
}
DEFAULT_FPS = 25.0
OUTSIDE_MOUTH = slice(0, MOUTH.start)
"""The landmarks that a face's size is taken from: those of the mouth move most."""


@dataclass(frozen=True)
class Driver:
    """What is said and how the head moves; n frames.

    Attributes:
        path: the video or landmark file.
        fps: frame rate of the result.
        pts_seconds: (n,) when each frame is shown.
        landmarks: (n, 68, 2) float32 in pixels of a 224-pixel crop; NaN where there is no face.
        transforms: (n, 2, 3) float32 source -> crop pixels of a video; None for a landmark file.
        jumps: of the video's clock, and so of its sound's: seconds that were taken out of `pts_seconds`, in order.
    """

    path: Path
    fps: float
    pts_seconds: npt.NDArray[np.float64]
    landmarks: Points
    transforms: Transform | None
    jumps: tuple[float, ...] = ()

    @property
    def has_face(self) -> npt.NDArray[np.bool_]:
        """(n,) which frames have landmarks."""
        return np.asarray(np.isfinite(self.landmarks).all((1, 2)))


def open_driver(
    path: Path, settings: Settings, landmark_model: Path, fps: float | None, fit: Fit, progress: bool = False
) -> Driver:
    """A driver from a video, or from a file of landmarks in pixels of any picture.

    A landmark file's points go through the same crop as a video's; with `fit` "none" they are pixels of a 224-pixel
    crop already, and stay as they are.

    Args:
        fps: of a landmark file (default: what the file says, else 25); a video has its own.

    Raises:
        VideoError, InputError: the file cannot be read, or holds no face.
    """
    if path.suffix.lower() not in LANDMARK_SUFFIXES:
        if fps is not None:
            raise InputError(f"{path}: --fps is for landmark files; a driver video has its own frame rate")
        return _of_clip(track_clip(path, settings, landmark_model, "driver", progress))
    points, own_fps = read_landmarks(path)
    rate = fps or own_fps or DEFAULT_FPS
    times = np.arange(len(points)) / rate
    if fit == "none":
        return Driver(path, rate, times, points, None)
    generous = replace(settings, min_face_px=1.0)  # points have no resolution that could be too low
    return replace(_of_clip(crop_track(path, _track_of(points, rate, times), generous, "driver")), transforms=None)


def _track_of(points: Points, rate: float, times: npt.NDArray[np.float64]) -> Track:
    """Landmarks as if they had been found in pictures that have room for them all."""
    count = len(points)
    low, high = np.nanmin(points, axis=(0, 1)), np.nanmax(points, axis=(0, 1))
    points = points - np.minimum(np.floor(low), 0)
    sizes = np.tile((high - np.minimum(np.floor(low), 0)).astype(np.int32) + 1, (count, 1))
    return Track(
        fps=rate,
        jumps=(),
        notes=(),
        warnings=(),
        frame_index=np.arange(count, dtype=np.int32),
        pts_seconds=times,
        sizes=sizes,
        damage=np.full(count, WHOLE, np.int8),
        landmarks=points,
        score=np.zeros(count, np.float32),
        faces=np.ones(count, np.int32),
        person=np.where(np.isfinite(points[:, 0, 0]), 0, NOBODY).astype(np.int32),
    )


def _of_clip(clip: TrackedClip) -> Driver:
    return Driver(clip.path, clip.fps, clip.pts_seconds, clip.landmarks, clip.transforms, clip.jumps)


def read_landmarks(path: Path) -> tuple[Points, float | None]:
    """Landmarks from a file: .npy or .npz (`landmarks`, and `fps` if it likes) of shape (n, 68, 2), or .csv.

    A CSV has columns x_0 … x_67 and y_0 … y_67 under a header (others are ignored), or without one 136 columns
    x, y, x, y, …; empty values and NaN mark frames without a face.

    Returns:
        (n, 68, 2) float32, n ≥ 1, whole frames NaN where there is no face, and the frame rate if the file has one.

    Raises:
        InputError: it cannot be read, has another shape, or no frame with a face.
    """
    fps = None
    if path.suffix.lower() == ".csv":
        points = _read_csv(path)
    else:
        arrays = read_arrays(path, _RULES, "landmarks")
        if "landmarks" not in arrays:
            raise InputError(f"{path}: cannot be read as landmarks (no array named 'landmarks')")
        _check_pixels(path, arrays["landmarks"])  # before a cast makes infinity of what is too large
        points = arrays["landmarks"].astype(np.float32)
        fps = float(arrays["fps"]) if "fps" in arrays else None
    if not len(points):
        raise InputError(f"{path}: landmarks must be of shape (n, {LANDMARKS}, 2), got {points.shape}")
    if fps is not None and not 0 < fps < 1000:
        raise InputError(f"{path}: fps must be above 0 and below 1000, got {fps:g}")
    points[~np.isfinite(points).all((1, 2))] = np.nan
    if np.isnan(points).all():
        raise InputError(f"{path}: no face in any of the driver's {len(points)} frames; use another file")
    _check_pixels(path, points)
    return points, fps


def _check_pixels(path: Path, points: npt.NDArray[Any]) -> None:
    """Raises `InputError` where a coordinate is beyond any picture."""
    known = np.abs(points[np.isfinite(points)])
    if known.size and known.max() >= MOST_PIXELS:
        raise InputError(f"{path}: landmarks must be pixels below {MOST_PIXELS:g}, got {known.max():g}")


def _read_csv(path: Path) -> Points:
    """A row at a time: a file of many frames is many times larger as Python's strings.

    Raises:
        InputError: it is no table of landmarks.
    """
    regular_size(path, MOST_CSV_BYTES)
    values = array("f")
    columns: list[int] | None = None
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                if not row:
                    continue
                if columns is None:
                    columns, is_header = _columns_of(row)
                    if is_header:
                        continue
                values.extend(_row_values(row, columns))
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as landmarks ({error})") from error
    if columns is None:
        raise InputError(f"{path}: cannot be read as landmarks (the file is empty)")
    return np.array(values, np.float32).reshape(-1, LANDMARKS, 2)


def _columns_of(row: list[str]) -> tuple[list[int], bool]:
    """Where x0, y0, x1, ... are, according to the first row, and whether that is a header."""
    if all(_number(cell) is not None for cell in row):
        return list(range(2 * LANDMARKS)), False
    header = [name.strip().replace("_", "").lower() for name in row]
    return [header.index(f"{axis}{point}") for point in range(LANDMARKS) for axis in "xy"], True


def _row_values(row: list[str], columns: list[int]) -> list[float]:
    if len(row) <= max(columns):
        raise ValueError(f"a row has fewer than {max(columns) + 1} columns")
    values = [_number(row[column]) for column in columns]
    if any(value is None for value in values):
        raise ValueError("a value is not a number")
    return [value for value in values if value is not None]


def _number(text: str) -> float | None:
    """The value of a cell, NaN where it is empty; None where it is not a number."""
    try:
        return float(text) if text.strip() else float("nan")
    except ValueError:
        return None


def fit_landmarks(landmarks: Points, shape: Points, fit: Fit) -> Points:
    """The driver's landmarks as if they were of the source's face.

    "position-scale" keeps the driver's features and changes their size about the crop's centre, which both faces share,
    so that the median face is as large as the source's. "shape" gives the source's own features the driver's movements:
    the differences from the driver's median face, scaled likewise, are added to the source's median face. "none" keeps
    the landmarks, for a driver who is the source.

    Args:
        landmarks: (n, 68, 2) pixels of a 224-pixel crop; NaN without a face.
        shape: (68, 2) the source's median landmarks.

    Returns:
        (n, 68, 2) float32.
    """
    if fit == "none":
        return landmarks
    median = np.nanmedian(landmarks, axis=0)
    own, other = median[OUTSIDE_MOUTH] - ANCHOR, shape[OUTSIDE_MOUTH] - ANCHOR
    scale = float((own * other).sum() / (own * own).sum())
    fitted = ANCHOR + scale * (landmarks - ANCHOR) if fit == "position-scale" else shape + scale * (landmarks - median)
    return np.asarray(fitted, np.float32)


@dataclass(frozen=True)
class Timeline:
    """The result's m frames, at a constant rate.

    Attributes:
        places: (m,) rising: which of the driver's frames is the picture of each.
        faces: (m,) which of the driver's frames gives the landmarks; another one where a face is held.
        times: (m,) seconds of the driver that each shows; they have gaps where frames are skipped.
        faceless: how many of the m frames, or of those skipped, have no face.
    """

    places: npt.NDArray[np.int64]
    faces: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    faceless: int


def plan_timeline(driver: Driver, missing: Missing) -> Timeline:
    """Which driver frame every frame of the result comes from.

    A driver of variable rate is shown at a constant one, each frame for as long as it lasts. A frame without a face has
    the last face before it ("hold"; before the first face, the first), is left out ("skip"), or ends the run ("fail").

    Raises:
        InputError: a frame without a face under "fail".
    """
    places = _constant_rate(driver.pts_seconds, driver.fps)
    times = driver.pts_seconds[0] + np.arange(len(places)) / driver.fps
    has_face = driver.has_face
    shown = has_face[places]
    faceless = int((~shown).sum())
    if faceless and missing == "fail":
        raise InputError(
            f"{driver.path}: no face in {int((~has_face).sum())} of the driver's {len(has_face)} frames, "
            f"first in frame {int(np.flatnonzero(~has_face)[0])}; pass --missing hold or skip, or cut the clip"
        )
    if missing == "skip":
        places, times = places[shown], times[shown]
    last_face = np.maximum.accumulate(np.where(has_face, np.arange(len(has_face)), -1))
    held = np.where(last_face < 0, np.flatnonzero(has_face)[0], last_face)
    return Timeline(places, held[places], times, faceless)


def _constant_rate(pts_seconds: npt.NDArray[np.float64], fps: float) -> npt.NDArray[np.int64]:
    """For each moment of a constant rate the frame that is then shown; frame for frame where the rate is constant."""
    shown_from = np.maximum.accumulate(pts_seconds)
    count = round(float(shown_from[-1] - shown_from[0]) * fps) + 1
    moments = shown_from[0] + (np.arange(count) + 0.5) / fps
    return np.asarray(np.searchsorted(shown_from, moments, side="right") - 1, np.int64)
