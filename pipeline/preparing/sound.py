"""A video's sound beside its frames, and whether it goes with the mouth: a measure without a network.

Speech is loud while the mouth is open, vowels above all: the correlation of the mouth's openness with the sound's
loudness, at the lag where it is highest, tells sound that is late or early, and low values sound that is of somebody
else.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.arithmetic import ordered_sum
from pipeline.corpora import Source
from pipeline.decode import SOUND_RATE, Samples, read_sound
from pipeline.track import Track

STEP = 320  # samples: loudness and openness are compared 50 times a second
FARTHEST = 25  # steps that sound may be late or early
LEAST_STEPS = 50  # that must be left to compare

Values = npt.NDArray[np.float64]


class KeptSound(NamedTuple):
    """The sound of a video's kept frames.

    Attributes:
        samples: (m,) int16, 16 kHz, from the first kept frame's time to the end of the last one, sound of dropped
            frames between them included: the time of a row tells its sample. Empty where there is none.
        warning: what is not as it should be, or "".
    """

    samples: Samples
    warning: str = ""


class Agreement(NamedTuple):
    """How sound and mouth go together."""

    correlation: float  # of openness and loudness, as they are, in [-1, 1]
    best: float  # the highest at any lag
    lag_ms: float  # where that is; above 0: the sound comes late


def sound_length(seconds: npt.NDArray[np.float64], fps: float) -> int:
    """The samples from the first of some frames to the end of the last one."""
    return round((float(seconds[-1] - seconds[0]) + 1 / fps) * SOUND_RATE)


def kept_sound(path: Path, source: Source, track: Track, kept: npt.NDArray[np.int64]) -> KeptSound:
    """The sound of the frames (k,) of a track that are kept."""
    nothing = np.zeros(0, np.int16)
    if path.is_dir():
        return KeptSound(nothing, "folders of pictures have no sound")
    if track.jumps:
        return KeptSound(nothing, "its sound is left out, since the clock jumps")
    seconds = track.pts_seconds[kept]
    samples, warning = read_sound(path, float(seconds[0]), sound_length(seconds, track.fps))
    return KeptSound(nothing, f"{source.id}: has no sound") if samples is None else KeptSound(samples, warning)


def agreement(samples: Samples, seconds: Values, openness: npt.NDArray[np.float32]) -> Agreement | None:
    """Whether the sound goes with the mouth.

    Args:
        samples: (m,) int16, 16 kHz, from the time of the first frame on.
        seconds: (n,) rising times of the frames.
        openness: (n,) of the mouth, in any unit.

    Returns:
        None where there is less than a second of it, or no motion, or silence.
    """
    loud = _loudness(samples)
    places = (np.arange(len(loud)) + 0.5) * (STEP / SOUND_RATE)
    opened = np.interp(places, seconds - seconds[0], openness)
    found = {lag: _correlation(opened, loud, lag) for lag in range(-FARTHEST, FARTHEST + 1)}
    known = {lag: value for lag, value in found.items() if value is not None}
    as_is = known.get(0)
    if as_is is None:
        return None
    best = max(known, key=lambda lag: (known[lag], -abs(lag)))
    return Agreement(round(as_is, 3), round(known[best], 3), best * 1000 * STEP / SOUND_RATE)


def _loudness(samples: Samples) -> Values:
    """(m // STEP,): the square root of the root mean square, so that a shout does not outweigh all the rest."""
    steps = len(samples) // STEP
    squares = samples[: steps * STEP].astype(np.int64).reshape(steps, STEP)
    total = np.add.reduce(squares * squares, axis=1)  # of whole numbers: no order changes it
    return np.asarray(np.sqrt(np.sqrt(total / STEP)), np.float64)


def _correlation(opened: Values, loud: Values, lag: int) -> float | None:
    """Of openness with the loudness `lag` steps later."""
    a = opened[max(-lag, 0) : len(opened) - max(lag, 0)]
    b = loud[max(lag, 0) : len(loud) + min(lag, 0)]
    if len(a) < LEAST_STEPS:
        return None
    a, b = a - ordered_sum(a) / len(a), b - ordered_sum(b) / len(b)
    scale = float(ordered_sum(a * a)) * float(ordered_sum(b * b))
    return float(ordered_sum(a * b)) / float(np.sqrt(scale)) if scale > 0 else None
