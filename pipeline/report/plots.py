"""Plots as inline SVG: histograms whose outliers link to their video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

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
    title = f"<figcaption><h3>{escape(plot.title)}</h3><p>{escape(plot.note)}</p></figcaption>"
    if not len(plot.values):
        return f'<figure class="plot">{title}<p class="none">nothing to show</p></figure>'
    far = outliers(plot)
    low, middle, high = (_number(value, plot) for value in np.percentile(plot.values, [5, 50, 95]))
    facts = f"median {middle}, 5 to 95 %: {low} to {high} {plot.unit}".rstrip()
    return (
        f'<figure class="plot">{title}{_histogram(plot, far, facts)}<p class="facts">{escape(facts)}</p>'
        f"{_names(plot, far)}</figure>"
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


def _histogram(plot: Plot, far: Sequence[Point], facts: str) -> str:
    axis = _axis(plot.values)
    bins = int(np.clip(2 * np.sqrt(len(plot.values)), FEWEST_BINS, MOST_BINS))
    counts, edges = np.histogram(np.clip(plot.values, axis.low, axis.high), bins, (axis.low, axis.high))
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="{escape(plot.title)}: {escape(facts)}">',
        f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{BASE}" y2="{BASE}"/>',
    ]
    for count, first, last in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if count:
            height = max(round((BASE - TOP) * count / int(counts.max()), 1), 1.5)
            left, right = axis.x(first), axis.x(last)
            span = f"{_number(first, plot)} to {_number(last, plot)} {plot.unit}".rstrip()
            parts.append(
                f'<rect class="bar" x="{left + 0.5:.1f}" y="{BASE - height:.1f}" '
                f'width="{max(right - left - 1, 0.8):.1f}" height="{height}"><title>{span}: {count}</title></rect>'
            )
    for tick in _ticks(axis, plot.decimals):
        anchor = "start" if axis.x(tick) < LEFT + 12 else "end" if axis.x(tick) > RIGHT - 12 else "middle"
        parts.append(f'<text class="tick" x="{axis.x(tick)}" y="{BASE + 17}" text-anchor="{anchor}">{tick:g}</text>')
    parts += [_dot(point, axis, plot) for point in far[:DRAWN]]
    return "".join(parts) + "</svg>"


def _dot(point: Point, axis: _Axis, plot: Plot) -> str:
    text = f"{point.label}: {_number(point.value, plot)} {plot.unit}".rstrip()
    return (
        f'<a href="#v{point.place}" tabindex="-1" aria-hidden="true"><circle class="dot" cx="{axis.x(point.value)}" '
        f'cy="{BASE - 6}" r="5"><title>{escape(text)}</title></circle></a>'
    )


def _names(plot: Plot, far: Sequence[Point]) -> str:
    """The outliers as text links, which fingers and screen readers can use."""
    if not far:
        return ""
    links = "".join(
        f'<li><a href="#v{point.place}">{escape(point.label)}</a> {_number(point.value, plot)}</li>'
        for point in far[:LISTED]
    )
    more = f"<li>and {len(far) - LISTED} more</li>" if len(far) > LISTED else ""
    return f'<div class="far"><h4>Far out</h4><ul>{links}{more}</ul></div>'


def _ticks(axis: _Axis, decimals: int) -> list[float]:
    """Some round numbers within the axis, of no more decimals than the values."""
    raw = max((axis.high - axis.low) / 5, 10.0**-decimals)
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.999 * raw)
    first, last = int(np.ceil(axis.low / step)), int(np.floor(axis.high / step))
    return [round(float(number * step), 10) for number in range(first, last + 1)]


def _number(value: float, plot: Plot) -> str:
    return f"{value:.{plot.decimals}f}"
