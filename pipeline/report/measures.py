"""What a video's rows say about its quality: motion, jitter, sharpness, likeness; pure functions of arrays."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.decode import SOUND_RATE, Samples
from pipeline.geometry import LIP_BOTTOM_OUTER, NOSE_TIP, Points, eye_distance, eyes_midpoint, face_width

JUMP = 0.15  # of the face's width from one frame to the next: nobody moves so far, a track that changes faces does
HASH_SIDE = 8
LOOK_SIDE = 16  # of the aligned thumbnail by which faces are compared
# Where the thumbnail's eyes' midpoint, nose tip and lower lip lie, in shares of its side.
LOOK_ANCHORS = np.array([[0.5, 0.3], [0.5, 0.55], [0.5, 0.85]])


def source_landmarks(landmarks: Points, transforms: npt.NDArray[np.float32]) -> Points:
    """Landmarks back in source pixels, where the crop's own motion does not show.

    Args:
        landmarks: (n, 68, 2) crop pixels.
        transforms: (n, 2, 3) source -> crop pixels, a scale and a shift.
    """
    shift = transforms[:, None, :, 2]
    return np.asarray((landmarks - shift) / transforms[:, None, [0], [0]], np.float32)


def steps(points: Points, frame_index: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """How far the face moved since the frame before, in widths of the face: mean over the landmarks.

    Args:
        points: (n, 68, 2) source pixels.
        frame_index: (n,) numbers of the source frames.

    Returns:
        (n - 1,); NaN where frames between the two were dropped.
    """
    moved = np.linalg.norm(np.diff(points, axis=0), axis=-1).mean(1) / float(np.median(face_width(points)))
    return np.where(np.diff(frame_index) == 1, moved, np.nan)


def jitter(points: Points, frame_index: npt.NDArray[np.int32]) -> float:
    """Noise of the landmarks in per cent of the distance between the outer eye corners; NaN for want of frames.

    The second difference in time, in which steady motion cancels. White noise of deviation σ gives it √6 σ, so it is
    divided by √6. The median over frames passes over quick movements.

    Args:
        points: (n, 68, 2) source pixels.
        frame_index: (n,) numbers of the source frames; only three in a row count.
    """
    in_a_row = (np.diff(frame_index) == 1)[1:] & (np.diff(frame_index) == 1)[:-1]
    if not in_a_row.any():
        return float("nan")
    second = np.linalg.norm(np.diff(points, n=2, axis=0), axis=-1).mean(1)[in_a_row]
    return float(100 * np.median(second) / np.sqrt(6) / np.median(eye_distance(points)))


def average_hash(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """The average hashes of some pictures in one row of +1 and -1: (n, H, W, 3) -> (n · 64,) int8.

    The product of two rows divided by their length is 1 for equal pictures and near 0 for unrelated ones.
    """
    bits = []
    for frame in frames:
        luma = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(luma, (HASH_SIDE, HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        bits.append(np.where(small > small.mean(), 1, -1).ravel())
    return np.asarray(np.concatenate(bits), np.int8)


def face_look(frame: npt.NDArray[np.uint8], points: Points) -> npt.NDArray[np.float32]:
    """A small picture of the face with eyes, nose and mouth in fixed places, free of brightness and contrast.

    Args:
        frame: (H, W, 3) uint8 RGB.
        points: (68, 2) crop pixels.

    Returns:
        (16 · 16 · 3,) float32 Lab of mean 0 and length 1: the product of two is their likeness, at most 1.
    """
    found = np.stack([eyes_midpoint(points), points[NOSE_TIP], points[LIP_BOTTOM_OUTER]])
    # Upright, as crops are: one scale from eyes to lip, the eyes in their place.
    wanted = LOOK_ANCHORS * 4 * LOOK_SIDE
    scale = float((wanted[2, 1] - wanted[0, 1]) / max(found[2, 1] - found[0, 1], 1.0))
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    matrix[:, 2] = wanted.mean(0) - scale * found.mean(0)
    side = 4 * LOOK_SIDE
    placed = cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(cv2.resize(placed, (LOOK_SIDE, LOOK_SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    look = lab.astype(np.float32) * (1, 2, 2)  # hue of skin and hair says more than light
    look[..., 0] -= look[..., 0].mean()
    look[..., 1:] -= 2 * 128
    return np.asarray(look.ravel() / max(float(np.linalg.norm(look)), 1e-6), np.float32)


def loudness(samples: Samples, seconds: npt.NDArray[np.float64], fps: float) -> npt.NDArray[np.float32]:
    """How loud the sound of each frame is, as a share of the loudest: (n,) float32.

    Args:
        samples: (m,) int16 from the time of the first frame on.
        seconds: (n,) times of the frames.
        fps: of which each lasts one.
    """
    squares = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    first = np.clip(np.rint((seconds - seconds[0]) * SOUND_RATE).astype(int), 0, len(samples))
    last = np.clip(first + round(SOUND_RATE / fps), 0, len(samples))
    power = (squares[last] - squares[first]) / np.maximum(last - first, 1)
    return np.asarray(np.sqrt(power / max(float(power.max()), 1.0)), np.float32)


def timeline(
    openness: npt.NDArray[np.float32], frame_index: npt.NDArray[np.int32], frames_seen: int, points: int
) -> npt.NDArray[np.float32]:
    """The openness trace over all source frames, thinned to at most `points`; NaN where frames were dropped.

    Returns:
        (min(points, frames),) of the frames nearest to equal steps in time.
    """
    length = max(frames_seen, int(frame_index.max()) + 1)
    full = np.full(length, np.nan, np.float32)
    full[frame_index] = openness
    picks = np.rint(np.linspace(0, length - 1, min(points, length))).astype(int)
    return np.asarray(full[picks], np.float32)
