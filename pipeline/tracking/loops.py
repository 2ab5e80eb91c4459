"""What is done with a face's landmarks and levels on every frame, as machine code: looks, and shapes compared.

In numpy each of these is dozens of calls on small arrays, which cost many times what they compute.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import types

from pipeline.compiled import compiled

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

_POINTS = types.Array(types.float32, 2, "A", readonly=True)


@compiled(_POINTS)
def middle(points: Float32s) -> tuple[float, float]:
    """The mean (x, y) of (n, 2) points, added up in order."""
    x, y = 0.0, 0.0
    for i in range(len(points)):
        x += np.float64(points[i, 0])
        y += np.float64(points[i, 1])
    return x / len(points), y / len(points)


@compiled(_POINTS)
def spread(points: Float32s) -> float:
    """The root mean square distance of (n, 2) points to their mean."""
    x, y = middle(points)
    total = 0.0
    for i in range(len(points)):
        right = np.float64(points[i, 0]) - x
        total += right * right
    for i in range(len(points)):
        down = np.float64(points[i, 1]) - y
        total += down * down
    return math.sqrt(total / len(points))


@compiled(_POINTS, _POINTS)
def unlike(a: Float32s, b: Float32s) -> float:
    """What remains between two shapes (n, 2) after the best shift, turn and scaling, over the size."""
    (ax, ay), (bx, by) = middle(a), middle(b)
    # A turn with scaling is one complex factor; what the best one leaves is what the correlation lacks.
    along, across, power_a, power_b = 0.0, 0.0, 0.0, 0.0
    for i in range(len(a)):
        right_a, down_a = np.float64(a[i, 0]) - ax, np.float64(a[i, 1]) - ay
        right_b, down_b = np.float64(b[i, 0]) - bx, np.float64(b[i, 1]) - by
        along += right_a * right_b + down_a * down_b
        across += right_a * down_b - down_a * right_b
        power_a += right_a * right_a + down_a * down_a
        power_b += right_b * right_b + down_b * down_b
    return math.sqrt(max(1 - (along * along + across * across) / (power_a * power_b), 0.0))


@compiled(
    types.Array(types.uint8, 2, "A", readonly=True),
    types.Array(types.float64, 1, "C", readonly=True),
    types.Array(types.float64, 1, "C", readonly=True),
    *(types.float64,) * 4,
)
def sample_turned(
    luma: npt.NDArray[np.uint8], across: Float64s, down: Float64s, x: float, y: float, step_x: float, step_y: float
) -> Int64s:
    """Sums of 2x2 levels on a turned grid, outside the picture those of its edge.

    Args:
        luma: (H, W).
        across, down: (2n,) places of the grid's columns and rows, in its own units.
        x, y: the grid's origin in the picture.
        step_x, step_y: a unit down the grid in the picture; one across is the same turned by a quarter.

    Returns:
        (n, n), four levels each.
    """
    height, width = luma.shape
    out = np.zeros((len(down) // 2, len(across) // 2), np.int64)
    for i in range(len(down)):
        for j in range(len(across)):
            column = x + (across[j] * step_y + down[i] * step_x)
            row = y + (down[i] * step_y - across[j] * step_x)
            level = luma[int(min(max(row, 0.0), height - 1.0)), int(min(max(column, 0.0), width - 1.0))]
            out[i // 2, j // 2] += level
    return out


@compiled(types.Array(types.int64, 2, "C", readonly=True), types.Array(types.int32, 1, "C", readonly=True), types.int64)
def less_blur(samples: Int64s, weights: npt.NDArray[np.int32], total_weight: int) -> Int64s:
    """Samples less their blur, times the square of the total weight.

    Args:
        samples: (n, n), mirrored at their edges; times that square they must stay in 32 bits.
        weights: of the blur along one axis, from the middle on.
        total_weight: of both sides of it.

    Returns:
        (n * n,)
    """
    side, reach = len(samples), len(weights) - 1
    line = np.empty(side + 2 * reach, np.int32)
    blurred = samples.astype(np.int32)
    for _ in range(2):  # rows, then what were columns
        turned = np.empty_like(blurred)
        total = np.empty(side, np.int32)
        for i in range(side):
            for j in range(-reach, side + reach):
                inside = abs(j)
                line[j + reach] = blurred[i, inside if inside < side else 2 * (side - 1) - inside]
            total[:] = weights[0] * line[reach : reach + side]
            for k in range(1, reach + 1):
                # Slices, not offsets: an index that might be negative is not looked up several at a time.
                weight, before, behind = weights[k], line[reach - k :][:side], line[reach + k :][:side]
                for j in range(len(total)):
                    total[j] += weight * (before[j] + behind[j])
            turned[:, i] = total
        blurred = turned
    out = np.empty(side * side, np.int64)
    for i in range(side):
        for j in range(side):
            out[i * side + j] = total_weight * total_weight * samples[i, j] - np.int64(blurred[i, j])
    return out
