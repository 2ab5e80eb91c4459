"""What a drawn speaker does in one clip: a seeded sentence of sounds, two blinks and a slowly drifting head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.sample.landmarks import FaceState
from pipeline.sample.pose import Pose

Track = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sound:
    """A speech sound: mouth shape (see `FaceState`), length in seconds, and how it sounds.

    Attributes:
        formants: the two strongest resonances in hertz.
        voice, hiss: loudness 0-1 of the voiced and of the noisy part.
    """

    open: float
    wide: float
    seconds: float
    tuck: float = 0.0
    tongue: float = 0.0
    formants: tuple[float, float] = (500.0, 1500.0)
    voice: float = 1.0
    hiss: float = 0.0


REST = Sound(0.0, 0.0, 0.30, voice=0.0)
WIDE_OPEN = Sound(1.0, 0.0, 0.26, formants=(850.0, 1300.0))
VOWELS = {
    "a": Sound(0.80, 0.05, 0.16, formants=(800.0, 1250.0)),
    "e": Sound(0.46, 0.60, 0.14, formants=(500.0, 1900.0)),
    "i": Sound(0.24, 1.00, 0.13, formants=(300.0, 2300.0)),
    "o": Sound(0.55, -0.60, 0.15, formants=(480.0, 850.0)),
    "u": Sound(0.24, -1.00, 0.14, formants=(320.0, 750.0)),
}
CONSONANTS = {
    "m": Sound(0.0, 0.0, 0.10, tuck=0.35, formants=(250.0, 1100.0), voice=0.4),
    "t": Sound(0.16, 0.25, 0.07, tongue=0.8, voice=0.0, hiss=0.5),
    "f": Sound(0.07, 0.10, 0.09, tuck=1.0, voice=0.0, hiss=0.3),
    "th": Sound(0.20, 0.20, 0.09, tongue=1.0, voice=0.2, hiss=0.25),
}


@dataclass(frozen=True)
class Performance:
    """A clip's `states` and `poses`, one a frame, and its `sounds` with the second at which each begins."""

    states: list[FaceState]
    poses: list[Pose]
    sounds: list[tuple[float, Sound]]


def perform(
    frames: int, fps: float, size: tuple[int, int], unit: float, sentence: Sequence[int], take: Sequence[int]
) -> Performance:
    """Act out a clip.

    Every clip holds a shut mouth (at both ends), a wide open vowel and two blinks that close the eyes.

    Args:
        size: (width, height) of the frames.
        unit: usual distance of the outer eye corners in pixels.
        sentence: seed of what is said; the same sentence said by others has the same sounds.
        take: seed of everything else.
    """
    spoken, acted = np.random.default_rng(sentence), np.random.default_rng(take)
    seconds = frames / fps
    sounds = _sentence(seconds, spoken)
    times = np.arange(frames) / fps
    talk = {name: _articulated(sounds, name, times) for name in ("open", "wide", "tuck", "tongue")}
    blink = _blinks(times, seconds, acted)
    brow = np.clip(_drift(times, 0.9, acted) * 0.55 + 0.3 * talk["open"], -1, 1)
    gaze_x, gaze_y = _glances(times, acted), 0.6 * _glances(times, acted)
    states = [
        FaceState(
            open=float(talk["open"][i]),
            wide=float(talk["wide"][i]),
            tuck=float(talk["tuck"][i]),
            tongue=float(talk["tongue"][i]),
            blink=float(blink[i]),
            brow=float(brow[i]),
            gaze=(float(gaze_x[i]), float(gaze_y[i])),
        )
        for i in range(frames)
    ]
    return Performance(states, _poses(times, size, unit, acted), sounds)


def _sentence(seconds: float, rng: np.random.Generator) -> list[tuple[float, Sound]]:
    """Syllables between two rests; one vowel in the middle third is the wide open one."""
    lead = min(0.3, 0.12 * seconds)
    sounds, now = [(0.0, REST)], lead
    widest_at = rng.uniform(0.35, 0.6) * seconds
    said_widest = False
    pace = rng.uniform(0.95, 1.1)
    while now < seconds - lead - 0.1 or not said_widest:
        consonant = list(CONSONANTS.values())[rng.integers(len(CONSONANTS))]
        vowel = list(VOWELS.values())[rng.integers(len(VOWELS))]
        if not said_widest and now >= widest_at - 0.1:
            vowel, said_widest = WIDE_OPEN, True
        for sound in (consonant, vowel):
            sounds.append((now, sound))
            now += sound.seconds * pace
        if rng.random() < 0.12:
            sounds.append((now, REST))
            now += 0.12
    sounds.append((min(now, seconds - lead), REST))
    return [(start, sound) for start, sound in sounds if start < sounds[-1][0]] + sounds[-1:]


def _articulated(sounds: list[tuple[float, Sound]], name: str, times: Track) -> Track:
    """A sound's property over time, smoothed by about 30 ms as lips do."""
    step = 0.002
    fine = np.arange(-0.2, times[-1] + 0.2, step)
    starts = np.array([start for start, _ in sounds])
    values = np.array([getattr(sound, name) for _, sound in sounds])
    raw = values[np.clip(np.searchsorted(starts, fine, side="right") - 1, 0, None)]
    lag = np.arange(-0.12, 0.12 + step, step)
    kernel = np.exp(-0.5 * (lag / 0.03) ** 2)
    return np.interp(times, fine, np.convolve(raw, kernel / kernel.sum(), mode="same"))


def _blinks(times: Track, seconds: float, rng: np.random.Generator) -> Track:
    """Two blinks of about a fifth of a second, each fully closed in the frame nearest its middle."""
    blink = np.zeros_like(times)
    for early, late in ((0.12, 0.4), (0.6, 0.88)):
        middle = times[np.abs(times - rng.uniform(early, late) * seconds).argmin()]
        blink = np.maximum(blink, np.clip(1.35 * np.exp(-0.5 * ((times - middle) / 0.058) ** 2) - 0.05, 0, 1))
    return blink


def _drift(times: Track, hertz: float, rng: np.random.Generator) -> Track:
    """A slow wandering between about -1 and 1."""
    waves = [
        np.sin(2 * np.pi * hertz * factor * times + rng.uniform(0, 2 * np.pi)) * weight
        for factor, weight in ((0.35, 0.55), (0.8, 0.3), (1.6, 0.15))
    ]
    return np.asarray(np.sum(waves, axis=0))


def _glances(times: Track, rng: np.random.Generator) -> Track:
    """The eyes rest, then jump."""
    jumps = np.cumsum(rng.uniform(0.4, 1.1, 2 + int(times[-1] / 0.4)))
    places = np.concatenate([[0.0], np.clip(rng.normal(0, 0.35, len(jumps)), -1, 1)])
    return places[np.searchsorted(jumps, times)]


def _poses(times: Track, size: tuple[int, int], unit: float, rng: np.random.Generator) -> list[Pose]:
    yaw, pitch, roll = (np.radians(limit) * _drift(times, 0.7, rng) for limit in (7.0, 3.5, 2.5))
    x = 0.5 * size[0] + unit * 0.22 * _drift(times, 0.5, rng)
    y = 0.475 * size[1] + unit * 0.10 * _drift(times, 0.5, rng)
    scale = unit * (1 + 0.03 * _drift(times, 0.4, rng))
    columns = (track.tolist() for track in (x, y, scale, yaw, pitch, roll))
    return [Pose(*values) for values in zip(*columns, strict=True)]
