"""Plots as inline SVG: histograms whose outliers link to their video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.report.template import fill

WIDTH, HEIGHT = 360, 150
LEFT, RIGHT, TOP, BASE = 8, 352, 10, 122  # of the plotting area
MOST_BINS, FEWEST_BINS = 36, 18
FENCE = 3.0  # quartile distances beyond the quartiles: further out is an outlier (Tukey's outer fence)
ENOUGH = 8  # values, to speak of outliers
LISTED = 6  # outliers, by name
DRAWN = 40


@dataclass(frozen=True)
class Point:
    """A video's value."""

    value: float
    place: int  # of the video among the entries: its link
    label: str


@dataclass(frozen=True)
class Plot:
    """A distribution to draw."""

    title: str
    note: str  # what is counted, in a few words
    unit: str
    values: npt.NDArray[np.float64]  # (n,) finite
    points: Sequence[Point]  # one a video, of which the outliers are marked
    decimals: int = 1


class Bar(NamedTuple):
    """A bar that stands on the axis, and what it counts."""

    x: float
    width: float
    height: float
    text: str


class Tick(NamedTuple):
    """A number below the axis."""

    x: float
    anchor: str
    value: float


class Dot(NamedTuple):
    """An outlier."""

    x: float
    place: int
    text: str


class Named(NamedTuple):
    """An outlier in words."""

    place: int
    label: str
    value: str


class Drawing(NamedTuple):
    """A distribution as `templates/plot.html` draws it, in units of its view box."""

    facts: str  # its quantiles
    bars: list[Bar]
    ticks: list[Tick]
    dots: list[Dot]
    named: list[Named]
    unnamed: int  # outliers beyond those
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    base: int = BASE


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float

    def x(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(LEFT + share * (RIGHT - LEFT), 1)


def outliers(plot: Plot) -> list[Point]:
    """The videos far outside the usual, furthest first; none where there are too few values to tell."""
    if len(plot.values) < ENOUGH:
        return []
    low, high = _fences(plot.values)
    middle = (low + high) / 2
    far = [point for point in plot.points if not low <= point.value <= high]
    return sorted(far, key=lambda point: (-abs(point.value - middle), point.place))


def figure(plot: Plot) -> str:
    """An HTML `figure`: title, histogram with the outliers as dots, quantiles, and the outliers by name."""
    return fill("plot.html", plot=plot, drawing=_draw(plot) if len(plot.values) else None)


def _draw(plot: Plot) -> Drawing:
    axis, far = _axis(plot.values), outliers(plot)
    low, middle, high = (_number(value, plot) for value in np.percentile(plot.values, [5, 50, 95]))
    return Drawing(
        facts=f"median {middle}, 5 to 95 %: {low} to {high} {plot.unit}".rstrip(),
        bars=_bars(plot, axis),
        ticks=[_tick(value, axis) for value in _ticks(axis, plot.decimals)],
        dots=[_dot(point, axis, plot) for point in far[:DRAWN]],
        named=[Named(point.place, point.label, _number(point.value, plot)) for point in far[:LISTED]],
        unnamed=max(len(far) - LISTED, 0),
    )


def _fences(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    first, third = (float(value) for value in np.percentile(values, [25, 75]))
    spread = max(third - first, 1e-9)
    return first - FENCE * spread, third + FENCE * spread


def _axis(values: npt.NDArray[np.float64]) -> _Axis:
    """From the smallest to the largest value, but not far beyond the fences: one outlier must not squeeze the rest."""
    low, high = float(values.min()), float(values.max())
    if len(values) >= ENOUGH:
        lower, upper = _fences(values)
        room = (upper - lower) / 4
        low, high = max(low, lower - room), min(high, upper + room)
    if high - low < 1e-6:
        low, high = low - 1, high + 1
    return _Axis(low, high)


def _bars(plot: Plot, axis: _Axis) -> list[Bar]:
    bins = int(np.clip(2 * np.sqrt(len(plot.values)), FEWEST_BINS, MOST_BINS))
    counts, edges = np.histogram(np.clip(plot.values, axis.low, axis.high), bins, (axis.low, axis.high))
    bars = []
    for count, first, last in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if count:
            height = max(round((BASE - TOP) * count / int(counts.max()), 1), 1.5)
            left, right = axis.x(first), axis.x(last)
            span = f"{_number(first, plot)} to {_number(last, plot)} {plot.unit}".rstrip()
            bars.append(Bar(left + 0.5, max(right - left - 1, 0.8), height, f"{span}: {count}"))
    return bars


def _tick(value: float, axis: _Axis) -> Tick:
    x = axis.x(value)
    return Tick(x, "start" if x < LEFT + 12 else "end" if x > RIGHT - 12 else "middle", value)


def _dot(point: Point, axis: _Axis, plot: Plot) -> Dot:
    text = f"{point.label}: {_number(point.value, plot)} {plot.unit}".rstrip()
    return Dot(axis.x(point.value), point.place, text)


def _ticks(axis: _Axis, decimals: int) -> list[float]:
    """Some round numbers within the axis, of no more decimals than the values."""
    raw = max((axis.high - axis.low) / 5, 10.0**-decimals)
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.999 * raw)
    first, last = int(np.ceil(axis.low / step)), int(np.floor(axis.high / step))
    return [round(float(number * step), 10) for number in range(first, last + 1)]


def _number(value: float, plot: Plot) -> str:
    return f"{value:.{plot.decimals}f}"
