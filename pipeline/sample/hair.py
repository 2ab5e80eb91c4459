"""The hair styles: where each one's hair grows, falls and ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.sample.canvas import curve
from pipeline.sample.landmarks import Points
from pipeline.sample.speakers import HairStyle
from pipeline.sample.tresses import Tresses, smooth

_HAIRLINE = [(-0.815, 0.02), (-0.775, -0.22), (-0.73, -0.48), (-0.62, -0.75), (-0.33, -0.93), (0.0, -0.96)]
_SKULL_SIDE = [
    (-0.80, 0.02),
    (-0.815, -0.3),
    (-0.80, -0.6),
    (-0.725, -0.93),
    (-0.5, -1.2),
    (-0.25, -1.33),
    (0.0, -1.36),
]

# Right locks from root to tip: the line beside the face, and the one of the silhouette.
_LONG_INNER = [
    (0.0, -0.97),
    (0.37, -0.9),
    (0.63, -0.6),
    (0.74, -0.2),
    (0.80, 0.3),
    (0.80, 0.8),
    (0.68, 1.25),
    (0.72, 1.85),
]
_LONG_OUTER = [
    (0.0, -1.43),
    (0.5, -1.4),
    (0.86, -1.08),
    (0.98, -0.55),
    (1.0, 0.0),
    (1.07, 0.6),
    (1.03, 1.15),
    (1.1, 1.85),
]
_BOB_INNER = [(0.0, -1.1), (0.4, -1.0), (0.66, -0.62), (0.735, -0.2), (0.78, 0.25), (0.77, 0.65), (0.66, 0.93)]
_BOB_OUTER = [(0.0, -1.43), (0.5, -1.39), (0.86, -1.08), (0.97, -0.55), (1.01, 0.05), (1.05, 0.55), (0.96, 0.93)]


def paint_hair(style: HairStyle, back: Tresses, front: Tresses) -> None:
    """Draw a style on two layers: what hangs behind the neck, and what lies over the face's edge."""
    _STYLES[style](back, front)


def _bald(_back: Tresses, _front: Tresses) -> None:
    """Nothing grows."""


def _cropped(_back: Tresses, front: Tresses) -> None:
    hairline, top = _across(_HAIRLINE), _across(_SKULL_SIDE, 0.03)
    front.mass(np.concatenate([hairline, top[::-1]]))
    rng = front.rng
    for _ in range(5200):
        place = rng.uniform(0, 1)
        depth = rng.uniform(-0.03, 1.02)
        root = _at(hairline, place) * (1 - depth) + _at(top, place) * depth
        lean = np.array([0.25 * root[0] + rng.normal(0, 0.3), -1.0]) * rng.uniform(0.02, 0.045)
        front.strand(np.stack([root, root + lean]), float(rng.uniform(0.5, 1.6)))


def _short(_back: Tresses, front: Tresses) -> None:
    _cap(front, lift=0.10, sweep=0.16, parting=-0.32)


def _quiff(_back: Tresses, front: Tresses) -> None:
    _cap(front, lift=0.15, sweep=-0.10, parting=None)


def _long(back: Tresses, front: Tresses) -> None:
    _hanging_back(back, width=1.08, end=1.95)
    for side in (-1, 1):
        front.lock(smooth(*_LONG_INNER) * (side, 1), smooth(*_LONG_OUTER) * (side, 1), 1400)
    front.strand(smooth((0.0, -0.96), (0.0, -1.2), (0.0, -1.42)), 0.62, width=2)  # the parting


def _bob(back: Tresses, front: Tresses) -> None:
    _hanging_back(back, width=1.02, end=0.95)
    for side in (-1, 1):
        front.lock(smooth(*_BOB_INNER) * (side, 1), smooth(*_BOB_OUTER) * (side, 1), 1100)
    fringe_left = smooth((-0.05, -1.38), (-0.45, -1.2), (-0.68, -0.8), (-0.735, -0.36))
    fringe_right = smooth((0.05, -1.38), (0.45, -1.2), (0.68, -0.8), (0.735, -0.36))
    middle = smooth((0.0, -1.38), (0.0, -1.1), (0.0, -0.75), (0.0, -0.45))
    for edge in (fringe_left, fringe_right):
        front.lock(middle, edge, 420, stray=0.006)


def _bun(_back: Tresses, front: Tresses) -> None:
    knot = np.array([0.05, -1.53])
    ring = np.linspace(0, 2 * np.pi, 40)
    front.mass(knot + np.stack([0.30 * np.cos(ring), 0.25 * np.sin(ring)], axis=-1))
    for radius in front.rng.uniform(0.05, 1.0, 240):
        turn = front.rng.uniform(0, 6.3) + np.linspace(0, 2.6, 12)
        wind = np.stack([0.30 * np.cos(turn), 0.25 * np.sin(turn)], axis=-1) * radius
        front.strand(knot + wind, float(front.rng.uniform(0.6, 1.35) * (0.75 + 0.35 * radius)))
    hairline, top = _across(_HAIRLINE), _across(_SKULL_SIDE, 0.05)
    front.mass(np.concatenate([hairline, top[::-1]]))
    for place in np.sort(front.rng.uniform(0, 1, 1100)):
        root, over = _at(hairline, place), _at(top, place)
        start = root + front.rng.uniform(0, 0.75) * (over - root)
        middle = 0.5 * (start + over) + np.array([-0.05 * np.sign(over[0]), -0.02])
        end = np.array([0.05 + 0.3 * (over[0]), -1.37])
        front.strand(
            curve(np.stack([start, middle, 0.6 * over + 0.4 * end, end])), float(front.rng.uniform(0.55, 1.35))
        )


def _curly(back: Tresses, front: Tresses) -> None:
    """A round head of ringlets; they stop at the hairline and hang beside the ears."""
    rng = front.rng
    hairline = _across(_HAIRLINE)
    crown = _across(
        [(-0.95, 0.05), (-1.10, -0.3), (-1.10, -0.7), (-0.95, -1.1), (-0.62, -1.42), (-0.28, -1.55), (0.0, -1.57)]
    )
    ring = np.linspace(0, 2 * np.pi, 60)
    back.mass(np.stack([1.02 * np.cos(ring), 1.0 * np.sin(ring) - 0.5], axis=-1))
    front.mass(np.concatenate([hairline, crown[::-1]]))
    for _ in range(620):
        place, depth = rng.uniform(0, 1), rng.uniform(0.02, 1.0) ** 0.8
        centre = _at(hairline, place) * (1 - depth) + _at(crown, place) * depth
        front.curl(centre + rng.normal(0, 0.012, 2), float(rng.uniform(0.035, 0.075)))


def _cap(front: Tresses, lift: float, sweep: float, parting: float | None) -> None:
    """Short hair combed up from the hairline, leaning by `sweep`, or to both sides of a parting."""
    rng = front.rng
    hairline = _across(_HAIRLINE)
    top = _across([(x * (1 + 0.3 * lift), y - lift * max(0.0, -y) ** 1.5) for x, y in _SKULL_SIDE], 0.015)
    front.mass(np.concatenate([hairline, top[::-1]]))
    clumps = rng.uniform(0.6, 1.35, 40)
    for place in rng.uniform(0, 1, 1900):
        lean = sweep if parting is None else sweep * (1.0 if _at(hairline, place)[0] > parting else -0.4)
        high = 1 - abs(2 * place - 1)  # the hair at the sides lies flat
        first = rng.uniform(-0.02, 0.7)
        root = _at(hairline, place) + first * (_at(top, place) - _at(hairline, place))
        tip = _at(top, np.clip(place + 0.5 * lean * (0.4 + high), 0, 1)) + rng.normal(0, 0.012, 2)
        middle = 0.5 * (root + tip) + np.array([-0.35 * lean, -0.07 * high])
        brightness = np.interp(place * 39, np.arange(40), clumps) * rng.uniform(0.75, 1.25)
        front.strand(curve(np.stack([root, middle, tip])), float(brightness))


def _hanging_back(back: Tresses, width: float, end: float) -> None:
    left = smooth((-0.75, -0.9), (-width, -0.3), (-width, end))
    right = smooth((0.75, -0.9), (width, -0.3), (width, end))
    back.colour *= 0.62
    back.lock(left, right, 700)


def _across(left: list[tuple[float, float]], outwards: float = 0.0) -> Points:
    """A curve from left to right whose left half is given, moved outwards from the head's middle."""
    half = np.array(left)
    whole = np.concatenate([half, half[-2::-1] * (-1, 1)])
    away = whole - (0.0, -0.4)
    return curve(whole + outwards * away / np.linalg.norm(away, axis=1, keepdims=True))


def _at(line: Points, share: float) -> Points:
    """The point at a share 0-1 of a line's samples."""
    place = float(np.clip(share, 0, 1)) * (len(line) - 1)
    low = min(int(place), len(line) - 2)
    return np.asarray(line[low] + (place - low) * (line[low + 1] - line[low]))


_STYLES: dict[HairStyle, Callable[[Tresses, Tresses], None]] = {
    "bald": _bald,
    "cropped": _cropped,
    "short": _short,
    "quiff": _quiff,
    "long": _long,
    "bob": _bob,
    "curly": _curly,
    "bun": _bun,
}
