"""Arithmetic that every processor rounds alike, for all that decides a result or is stored.

IEEE 754 fixes what + - * / and the square root of two given numbers are, and whole numbers have no rounding at all.
What it leaves open is chosen at run time, for the processor's sake: the order in which BLAS (`@`, `dot`, `vdot`,
`linalg`) adds up, products and sums fused into one rounding, and the last bit of exp, log, pow, sin and their like, in
numpy, in OpenCV's filters of real numbers and in the C library behind `math`. So none of those decides here, but

- numpy's operators on whole arrays, `sqrt`, `rint`, `floor`, comparisons, sorting and medians;
- sums of whole numbers; other sums by `ordered_sum`, or in a loop that is `compiled`, which neither reorders nor fuses;
- OpenCV's functions on bytes that compute in whole numbers: halving, INTER_LINEAR_EXACT, `transform`, JPEG;
- the decoders, whose SIMD is exact, and conversions of pictures with swscale's flags `accurate_rnd+bitexact`;
- powers by repeated multiplication, or for tables by `power` below.

`tests/pipeline/test_arithmetic.py` looks for the others, and `benchmarks/processors.py` builds on other processors.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

_DIGITS = Context(prec=40)  # far more than a float64 holds: rounding twice is rounding once
Reals = npt.NDArray[np.float64]


def ordered_sum(values: npt.ArrayLike) -> Any:
    """The sum along the last axis, (..., n) -> (...) float64, n >= 1: the first two, then one more after the other."""
    return np.cumsum(np.asarray(values, np.float64), axis=-1)[..., -1]


def power(base: float, exponents: Iterable[float]) -> Reals:
    """`base`, above 0, to each of the exponents, rounded correctly. Slow: for tables that are made once."""
    logarithm = Decimal(base).ln(_DIGITS)
    return np.array([float(_DIGITS.multiply(logarithm, Decimal(float(x))).exp(_DIGITS)) for x in exponents])


def exp(exponents: Iterable[float]) -> Reals:
    """e to each of the exponents, as `power`."""
    return np.array([float(Decimal(float(x)).exp(_DIGITS)) for x in exponents])
