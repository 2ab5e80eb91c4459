"""When each frame is shown, and how many there are a second, from timestamps that are not always in order."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]

DEFAULT_FPS = 25.0
LONGEST_GAP = 10.0  # seconds; ffmpeg's own: what is longer is a jump of the clock, not a picture that stays
FEW = 3  # frames that may be out of order; more of them before a step back tell of a clock that was set back
ORDINARY = (0.55, 1.8)  # of the median interval, those that the rate is taken from: no frame doubled, none missing
# The container's nominal rate, exact where times are in milliseconds, is believed if it is as near to the measured one.
SAME_RATE, MILLISECOND = 0.001, 0.001


class Clock:
    """The times of a stream's pictures as they leave the decoder, in order.

    Where presentation timestamps step back more often than decoding ones, the decoding ones tell the time; so it is in
    ffmpeg. AVI files have decoding ones alone, though ffmpeg gives their packets others.

    Args:
        demuxer: ffmpeg's name.
    """

    def __init__(self, demuxer: str) -> None:
        self._is_avi = demuxer == "avi"
        self._backward = [0, 0]  # steps of presentation and of decoding timestamps
        self._last: list[int | None] = [None, None]

    def seconds(self, picture: av.VideoFrame) -> float:
        """When a picture is shown; NaN where nothing tells."""
        pts, dts, base = picture.pts, picture.dts, picture.time_base
        if self._is_avi:
            pts, dts = None, self._last[1] + 1 if dts is None and self._last[1] is not None else dts
        for kind, stamp in enumerate((pts, dts)):
            last = self._last[kind]
            if stamp is not None:
                self._backward[kind] += last is not None and stamp <= last
                self._last[kind] = stamp
        trusted = pts is not None and (dts is None or self._backward[0] <= self._backward[1])
        stamp = pts if trusted else dts
        return math.nan if stamp is None or base is None else float(stamp * base)


class Times(NamedTuple):
    """The times of a video's n frames."""

    seconds: Seconds  # (n,) rising
    fps: float
    jumps: tuple[float, ...]  # of the clock: seconds that were taken out, in order
    warnings: tuple[str, ...]  # what had to be mended


def mended_times(stamps: Seconds, nominal_fps: float) -> Times:
    """Rising times from timestamps, and the rate at which most frames follow each other.

    Gaps of up to ten seconds stay: a picture is shown until the next one. Longer ones are jumps of the clock, and so
    are steps back, unless they go behind three frames at most: the next frame follows after the usual interval. Other
    frames that are not later than those before, or have no time, share the time between their neighbours.

    Args:
        stamps: (n,) seconds in order of presentation, NaN where the file gives none.
        nominal_fps: the container's rate; 0 where it has none.
    """
    interval = _usual_interval(stamps) or 1 / (nominal_fps or DEFAULT_FPS)
    known = np.isfinite(stamps)
    steps = np.diff(stamps)
    if known.all() and (steps > 0).all() and (steps <= LONGEST_GAP).all():
        return Times(stamps, _rate(stamps, nominal_fps), (), ())
    places = np.flatnonzero(known)
    seconds, jumps = _without_jumps(stamps[places], interval)
    warnings = [f"the clock jumps by {step:+.2f} s at frame {places[place]}: closed" for place, step in jumps[:1]]
    if len(jumps) > 1:
        warnings[0] = warnings[0].replace(": closed", f" and {len(jumps) - 1} times more: closed")
    rising = _longest_rise(seconds)
    places, seconds = places[rising], seconds[rising]
    if len(places) < len(stamps):
        count = len(stamps) - len(places)
        warnings.append(
            f"{count} of {len(stamps)} frames have no time, or none that rises: put between their neighbours"
        )
    seconds = _filled(places, seconds, len(stamps), interval)
    taken_out = tuple(step - interval for _, step in jumps)
    return Times(seconds, _rate(seconds, nominal_fps), taken_out, tuple(warnings))


def _usual_interval(stamps: Seconds) -> float:
    """The median step forward between neighbours; 0 where there is none."""
    steps = np.diff(stamps)
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.median(steps)) if len(steps) else 0.0


def _rate(seconds: Seconds, nominal_fps: float) -> float:
    """Frames a second: the nominal rate where that agrees with the ordinary intervals, else their own."""
    usual = _usual_interval(seconds)
    if not usual:
        return nominal_fps or DEFAULT_FPS
    steps = np.diff(seconds)
    ordinary = (steps > ORDINARY[0] * usual) & (steps < ORDINARY[1] * usual)
    # Their mean: where times are in whole milliseconds, the median is off by up to one.
    span = math.fsum(steps[ordinary].tolist())
    measured = int(ordinary.sum()) / span
    near = (SAME_RATE + MILLISECOND / span) * measured
    return nominal_fps if abs(nominal_fps - measured) <= near else round(measured, 3)


def _without_jumps(stamps: Seconds, interval: float) -> tuple[Seconds, list[tuple[int, float]]]:
    """The same with jumps of the clock closed to the usual interval, and where they were and how long."""
    steps = np.diff(stamps)
    odd = np.flatnonzero((steps > LONGEST_GAP) | (steps < 0)).tolist()
    jumps = [place for place in odd if (_stays_ahead if steps[place] > 0 else _is_set_back)(stamps, place + 1)]
    seconds = stamps.copy()
    for place in jumps:
        seconds[place + 1 :] += interval - steps[place]
    return seconds, [(place + 1, float(steps[place])) for place in jumps]


def _stays_ahead(stamps: Seconds, place: int) -> bool:
    """Whether after a step forward to a frame the few after it do not go back behind it."""
    return bool((stamps[place : place + FEW + 1] >= stamps[place]).all())


def _is_set_back(stamps: Seconds, place: int) -> bool:
    """Whether a step back to a frame goes behind more than a few of those before it."""
    behind = stamps[max(place - FEW - 1, 0) : place] >= stamps[place]
    return len(behind) > FEW and bool(behind.all())


def _longest_rise(seconds: Seconds) -> npt.NDArray[np.int64]:
    """Places of the longest rising selection of some times; all of them in most videos."""
    ends: list[float] = []  # the lowest end of a rise of each length
    places: list[int] = []  # where that is
    before: list[int] = []  # of each time, the place of the one before it in its rise
    for place, value in enumerate(np.rint(seconds * 1e6).tolist()):  # microseconds: less is no rise
        length = bisect_left(ends, value)
        before.append(places[length - 1] if length else -1)
        ends[length : length + 1] = [value]
        places[length : length + 1] = [place]
    chosen, place = [], places[-1] if places else -1
    while place >= 0:
        chosen.append(place)
        place = before[place]
    return np.array(chosen[::-1], np.int64)


def _filled(places: npt.NDArray[np.int64], seconds: Seconds, count: int, interval: float) -> Seconds:
    """Times of `count` frames of which some are known: evenly between those, at the ends at the usual interval."""
    if not len(places):
        return np.asarray(np.arange(count) * interval, np.float64)
    frames = np.arange(count)
    filled = np.interp(frames, places, seconds)
    first, last = places[0], places[-1]
    filled[:first] = seconds[0] - interval * (first - frames[:first])
    filled[last + 1 :] = seconds[-1] + interval * (frames[last + 1 :] - last)
    return np.asarray(filled, np.float64)
