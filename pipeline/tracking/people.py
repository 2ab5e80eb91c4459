"""Who is who in one video: the main person, and the others whose scenes lie between theirs.

The frames with a face fall into stretches: each begins where the face may be another one's (`FaceObservation.begins`).
Of each, a few pictures spread over it are kept. Only where there is a second stretch do they cost anything: neighbours
that plainly look the same (`FaceLook`) are one person's, and what is left is compared by dlib's recognition network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.tracking.detection import Luma
from pipeline.tracking.face_box import Points
from pipeline.tracking.face_look import FaceLook, face_look
from pipeline.tracking.landmark_model import recognition_model_path
from pipeline.tracking.scene import likeness

KEPT = 8  # pictures of a stretch, at most
# Euclidean distance of mean descriptors from which two faces are two people's (dlib's own, of single pictures, is 0.6).
# On 86 clips of 54 people, by means of three pictures (`benchmarks/people.py`): the halves of a clip are 0.41 apart at
# most, two clips of one person 0.35, two people's 0.46 at least, 1 pair in 700 below 0.5, half of them above 0.78.
OTHER_PERSON = 0.5
# Correlation of looks (`FaceLook.fine`, the best of all pairs of pictures) from which two stretches are one person's:
# of 4 700 pairs of clips of different people 2 have more, of one person's, two of three.
PLAINLY_ALIKE = 0.8
CHIP_PX, CHIP_MARGIN = 150, 0.25  # what dlib's network takes
NOBODY = -1

Descriptor = tuple[float, ...]  # 128 numbers


class _Picture(NamedTuple):
    """What is kept of a frame: the part of its planes about the face."""

    y: Luma
    u: Luma
    v: Luma
    landmarks: Points  # pixels of `y`


@dataclass
class _Stretch:
    """Frames of a face that nothing suggests to be two people's."""

    frames: int = 0
    every: int = 1  # of its frames one is kept
    pictures: list[_Picture] = field(default_factory=list)


@dataclass
class _Appearance:
    """Neighbouring stretches of one person."""

    frames: int
    pictures: list[_Picture]  # of its first stretch, until they are described
    looks: list[FaceLook]  # of its last stretch
    descriptors: list[Descriptor] = field(default_factory=list)

    def describe(self) -> None:
        """Ask the network, and forget the pictures."""
        self.descriptors += map(_descriptor, self.pictures)
        self.pictures = []


class People:
    """Told of every frame of a video in order, and then asked whose face each shows."""

    def __init__(self) -> None:
        self._stretch: _Stretch | None = None
        self._appearances: list[_Appearance] = []
        self._frames: list[int] = []  # the number of the stretch of each frame, or NOBODY
        self._appearance_of: list[int] = []  # the number of the appearance of each stretch

    def see_nobody(self) -> None:
        """The next frame has no face."""
        self._frames.append(NOBODY)

    def see(self, planes: tuple[Luma, Luma, Luma], landmarks: Points, begins: bool) -> None:
        """The next frame has a face.

        Args:
            planes: the frame's Y (H, W), U and V (half of each).
            landmarks: (68, 2) of the face.
            begins: it may be another one's than on the frame before.
        """
        if self._stretch is None or begins:
            self._close()
            self._stretch = _Stretch()
        stretch = self._stretch
        if stretch.frames % stretch.every == 0:
            stretch.pictures.append(_picture(planes, landmarks))
            if len(stretch.pictures) > KEPT:
                stretch.pictures, stretch.every = stretch.pictures[::2], 2 * stretch.every
        stretch.frames += 1
        self._frames.append(len(self._appearance_of))

    def tell_apart(self) -> npt.NDArray[np.int32]:
        """Whose face each frame shows: (n,), 0 for the person of most frames, then 1, 2, …; `NOBODY` without a face."""
        self._close()
        self._stretch = None
        people = _people(self._appearances)
        of_stretch = np.array([*(people[number] for number in self._appearance_of), NOBODY], np.int32)
        return of_stretch[np.array(self._frames, np.int64)]

    def _close(self) -> None:
        """Take in the stretch that has ended: one more of the last person's, or an appearance of its own."""
        stretch = self._stretch
        if stretch is None:
            return
        looks = [face_look(picture.y, picture.landmarks) for picture in stretch.pictures]
        last = self._appearances[-1] if self._appearances else None
        if last is not None and _plainly_alike(last.looks, looks):
            last.frames += stretch.frames
            last.looks = looks
        else:
            if last is not None:
                last.describe()
            self._appearances.append(_Appearance(stretch.frames, _spread(stretch.pictures), looks))
        self._appearance_of.append(len(self._appearances) - 1)


def _picture(planes: tuple[Luma, Luma, Luma], landmarks: Points) -> _Picture:
    """The face with as much about it as the network looks at, and a little more."""
    height, width = planes[0].shape
    low, high = landmarks.min(0), landmarks.max(0)
    room = 0.5 * float((high - low).max())
    left, top = (max(int(value - room) // 2 * 2, 0) for value in low)
    right, bottom = (min(int(value + room), size) for value, size in zip(high, (width, height), strict=True))
    half = slice(top // 2, (bottom + 1) // 2), slice(left // 2, (right + 1) // 2)
    y, (u, v) = planes[0][top:bottom, left:right], (plane[half] for plane in planes[1:])
    shift = np.array([left, top], np.float32)
    return _Picture(y.copy(), u.copy(), v.copy(), landmarks - shift)


def _spread(pictures: Sequence[_Picture]) -> list[_Picture]:
    """Three of a stretch's pictures, from its beginning, middle and end; fewer if it has not as many."""
    return [pictures[place] for place in sorted({len(pictures) * sixth // 6 for sixth in (1, 3, 5)})]


def _plainly_alike(ones: Sequence[FaceLook], others: Sequence[FaceLook]) -> bool:
    return any(likeness(one.fine, other.fine) >= PLAINLY_ALIKE for one in ones for other in others)


def _people(appearances: list[_Appearance]) -> list[int]:
    """The number of each appearance's person: 0 for the one of most frames."""
    if len(appearances) < 2:
        return [0] * len(appearances)
    appearances[-1].describe()
    # The longest first: they are told apart best, and the others are compared with them.
    order = sorted(range(len(appearances)), key=lambda number: (-appearances[number].frames, number))
    people: list[list[Descriptor]] = []
    frames: list[int] = []
    person_of = [0] * len(appearances)
    for number in order:
        described = appearances[number].descriptors
        distances = [_distance(described, known) for known in people]
        person = min(range(len(people)), key=distances.__getitem__, default=0)
        if not people or distances[person] >= OTHER_PERSON:
            person = len(people)
            people.append([])
            frames.append(0)
        people[person] += described
        frames[person] += appearances[number].frames
        person_of[number] = person
    ranks = sorted(range(len(people)), key=lambda person: (-frames[person], person_of.index(person)))
    return [ranks.index(person) for person in person_of]


def _distance(ones: Sequence[Descriptor], others: Sequence[Descriptor]) -> float:
    """Between the means of two sets of descriptors; sums are exact, so that every machine gives the same."""
    means = [[math.fsum(values) / len(part) for values in zip(*part, strict=True)] for part in (ones, others)]
    return math.sqrt(math.fsum((a - b) * (a - b) for a, b in zip(*means, strict=True)))


def _descriptor(picture: _Picture) -> Descriptor:
    """What dlib's network makes of a face."""
    import dlib

    rgb, landmarks = _rgb(picture), picture.landmarks
    points = [dlib.point(round(float(x)), round(float(y))) for x, y in landmarks]
    box = dlib.rectangle(0, 0, rgb.shape[1] - 1, rgb.shape[0] - 1)
    chip = dlib.get_face_chip(rgb, dlib.full_object_detection(box, points), size=CHIP_PX, padding=CHIP_MARGIN)
    return tuple(load_network().compute_face_descriptor(chip))


def _rgb(picture: _Picture) -> npt.NDArray[np.uint8]:
    """(H, W, 3), by BT.601 whatever the video's own: the network is not that particular, and people are compared
    within one video."""
    y, u, v = (plane.astype(np.int32) for plane in picture[:3])
    height, width = y.shape
    u, v = (plane.repeat(2, 0).repeat(2, 1)[:height, :width] - 128 for plane in (u, v))
    y = 298 * (y - 16) + 128
    rgb = np.stack([y + 409 * v, y - 100 * u - 208 * v, y + 516 * u], -1) >> 8
    return np.ascontiguousarray(np.clip(rgb, 0, 255).astype(np.uint8))


@lru_cache(maxsize=1)
def load_network() -> Any:
    """dlib's recognition network, read (a fifth of a second) when it is first asked."""
    import dlib

    return dlib.face_recognition_model_v1(str(recognition_model_path()))
