"""The ensemble of regression trees behind dlib's landmarks (Kazemi and Sullivan 2014), laid out for the cache.

dlib holds each of its 120 000 leaves in memory of its own, and looking one up costs several misses in a row. Here
thresholds and leaves are arrays, and a frame first goes down all trees of a cascade, then adds up the leaves it came
to: the same numbers in the same order, in a third of the time where pictures have just been decoded.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from pipeline.compiled import compiled, fetch_soon
from pipeline.geometry import LANDMARKS

CASCADES, TREES, DEPTH, FEATURES = 15, 500, 4, 500
SPLITS, LEAVES = 2**DEPTH - 1, 2**DEPTH
AT_ONCE = 4  # leaves added in one go; TREES is a multiple
AHEAD = 8  # trees whose leaves are on their way from memory
LINE = 16  # float32s of a line of the processor's cache

Float32s = npt.NDArray[np.float32]


class Ensemble(NamedTuple):
    """A landmark model. Shapes are (x, y) of 68 points in units of the box, (0, 0) its corner at the top left.

    A feature is the level at a place that moves with the face: `offsets` from the point `anchors`, turned and scaled
    as the mean shape must be to lie on the present one.
    """

    mean_shape: Float32s  # (136,)
    compared: npt.NDArray[np.int16]  # (15, 500, 15, 2) the two features whose difference a split looks at
    thresholds: Float32s  # (15, 500, 15) above it, on to the first child
    leaves: Float32s  # (15, 500, 16, 136) what is added to the shape
    anchors: npt.NDArray[np.int16]  # (15, 500)
    offsets: Float32s  # (15, 500, 2)


def read_ensemble(path: Path) -> Ensemble:
    """Read dlib's verified 68-point model file (`landmark_model_path`).

    dlib writes everything as integers of varying length, and real numbers as pairs of them, mantissa and exponent.
    """
    data = np.fromfile(path, np.uint8)
    head = np.empty(3 + 4 * LANDMARKS + 1, np.int32)  # version, rows, columns, the mean shape, count of cascades
    at = _unpack(data, 0, head)
    compared = np.empty((CASCADES, TREES, SPLITS, 2), np.int16)
    thresholds = np.empty((CASCADES, TREES, SPLITS), np.float32)
    leaves = np.empty((CASCADES, TREES, LEAVES, 2 * LANDMARKS), np.float32)
    # Of a tree: count of splits, the splits, count of leaves, and the leaves, each with its rows and columns.
    tree = np.empty((TREES, 1 + 4 * SPLITS + 1 + LEAVES * (2 + 4 * LANDMARKS)), np.int32)
    count = np.empty(1, np.int32)
    for cascade in range(CASCADES):
        at = _unpack(data, _unpack(data, at, count), tree.reshape(-1))
        split = tree[:, 1 : 1 + 4 * SPLITS].reshape(TREES, SPLITS, 4)
        leaf = tree[:, 2 + 4 * SPLITS :].reshape(TREES, LEAVES, 2 + 4 * LANDMARKS)
        compared[cascade] = split[..., :2]
        thresholds[cascade] = _reals(split[..., 2:])
        leaves[cascade] = _reals(leaf[..., 2:])
    anchors, offsets = np.empty((CASCADES, 1 + FEATURES), np.int32), np.empty((CASCADES, 1 + 4 * FEATURES), np.int32)
    at = _unpack(data, _unpack(data, at, count), anchors.reshape(-1))
    at = _unpack(data, _unpack(data, at, count), offsets.reshape(-1))
    assert at == len(data), f"{path}: {len(data) - at} bytes are left over"
    return Ensemble(
        _reals(head[3:-1]),
        compared,
        thresholds,
        leaves,
        anchors[:, 1:].astype(np.int16),
        _reals(offsets[:, 1:]).reshape(CASCADES, FEATURES, 2),
    )


def _reals(pairs: npt.NDArray[np.int32]) -> Float32s:
    """Mantissas and exponents, the last axis in pairs or a pair, as real numbers."""
    return np.squeeze(np.ldexp(pairs[..., ::2].astype(np.float32), pairs[..., 1::2]))


@compiled(types.uint8[::1], types.int64, types.int32[::1])
def _unpack(data: npt.NDArray[np.uint8], at: int, out: npt.NDArray[np.int32]) -> int:
    """Read as many integers as `out` holds; returns where they end. A byte tells their length and sign."""
    for i in range(len(out)):
        length, negative = data[at] & 0x0F, data[at] & 0x80
        value = np.int64(0)
        for k in range(length):
            value |= np.int64(data[at + 1 + k]) << (8 * k)
        out[i] = -value if negative else value
        at += 1 + length
    return at


@compiled(types.float32[::1], types.float32[::1])
def _turn(mean_shape: Float32s, shape: Float32s) -> tuple[np.float32, np.float32]:
    """The turn and scaling that takes one shape to another as nearly as can be: its cosine and sine, scaled."""
    count = len(shape) // 2
    from_x, from_y, to_x, to_y = 0.0, 0.0, 0.0, 0.0
    for i in range(count):
        from_x += mean_shape[2 * i]
        from_y += mean_shape[2 * i + 1]
        to_x += shape[2 * i]
        to_y += shape[2 * i + 1]
    along, across, power = 0.0, 0.0, 0.0
    for i in range(count):
        ax, ay = mean_shape[2 * i] - from_x / count, mean_shape[2 * i + 1] - from_y / count
        bx, by = shape[2 * i] - to_x / count, shape[2 * i + 1] - to_y / count
        along += ax * bx + ay * by
        across += ax * by - ay * bx
        power += ax * ax + ay * ay
    return np.float32(along / power), np.float32(across / power)


@compiled(
    types.Array(types.uint8, 2, "A", readonly=True),
    types.float32[::1],
    types.float64,
    types.float64,
    types.float64,
    types.NamedTuple(
        (
            types.float32[::1],
            types.int16[:, :, :, ::1],
            types.float32[:, :, ::1],
            types.float32[:, :, :, ::1],
            types.int16[:, ::1],
            types.float32[:, :, ::1],
        ),
        Ensemble,
    ),
)
def predict(
    luma: npt.NDArray[np.uint8], levels: Float32s, left: float, top: float, size: float, ensemble: Ensemble
) -> Float32s:
    """The landmarks of the face in a box.

    Args:
        luma: (H, W); outside it everything is black.
        levels: (256,) what each level of `luma` counts as, 0 to 255.
        left, top, size: the square box, in pixels whose centres are at integers.
        ensemble: the model.

    Returns:
        (68, 2) x, y in pixels. dlib's, before it rounds them.
    """
    height, width = luma.shape
    shape = ensemble.mean_shape.copy()
    features = np.empty(ensemble.anchors.shape[1], np.float32)
    leaves = ensemble.leaves.reshape(-1)
    reached = np.empty(TREES, np.int64)  # places in them
    for cascade in range(len(ensemble.leaves)):
        # Where the features are now.
        cosine, sine = _turn(ensemble.mean_shape, shape)
        for i in range(len(features)):
            anchor = 2 * ensemble.anchors[cascade, i]
            dx, dy = ensemble.offsets[cascade, i]
            x = left + size * np.float64(shape[anchor] + (cosine * dx - sine * dy))
            y = top + size * np.float64(shape[anchor + 1] + (sine * dx + cosine * dy))
            column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
            inside = 0 <= column < width and 0 <= row < height
            features[i] = levels[luma[row, column]] if inside else np.float32(0)
        # Down all trees, then all leaves: what the processor waits for, it waits for side by side, and beforehand.
        for tree in range(len(reached)):
            node = 0
            for _ in range(DEPTH):
                one, other = ensemble.compared[cascade, tree, node]
                above = features[one] - features[other] > ensemble.thresholds[cascade, tree, node]
                node = 2 * node + (1 if above else 2)
            reached[tree] = ((cascade * TREES + tree) * LEAVES + node - SPLITS) * len(shape)
            fetch_soon(leaves, reached[tree])
        for tree in range(0, len(reached), AT_ONCE):
            for later in range(tree + AHEAD, min(tree + AHEAD + AT_ONCE, len(reached))):
                for k in range(0, len(shape), LINE):
                    fetch_soon(leaves, reached[later] + k)
            one, two = leaves[reached[tree] :][: len(shape)], leaves[reached[tree + 1] :][: len(shape)]
            three, four = leaves[reached[tree + 2] :][: len(shape)], leaves[reached[tree + 3] :][: len(shape)]
            for k in range(len(shape)):
                shape[k] = shape[k] + one[k] + two[k] + three[k] + four[k]
    points = np.empty((len(shape) // 2, 2), np.float32)
    for i in range(len(points)):
        points[i, 0] = left + size * np.float64(shape[2 * i])
        points[i, 1] = top + size * np.float64(shape[2 * i + 1])
    return points
