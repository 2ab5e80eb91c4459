"""Smoothing: nothing by default, less jitter, no drag across gaps and cuts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.preparing.smoothing import smooth


def a_face(count: int, at: float = 200.0, jitter: float = 0.0) -> npt.NDArray[np.float32]:
    shape = np.random.default_rng(0).uniform(-50, 50, (68, 2))
    shape[0], shape[16] = (-60, 0), (60, 0)
    noise = np.random.default_rng(1).normal(0, 1, (count, 68, 2)) * jitter
    return (shape + at + noise).astype(np.float32)


def test_zero_changes_nothing() -> None:
    face = a_face(9, jitter=2)
    assert smooth(face, 0) is face


def test_a_still_face_stays_and_a_line_keeps_its_middle() -> None:
    np.testing.assert_allclose(smooth(a_face(12), 2.0), a_face(12), rtol=1e-6)
    moving = a_face(31) + np.arange(31, dtype=np.float32)[:, None, None]
    np.testing.assert_allclose(smooth(moving, 2.0)[10:21], moving[10:21], atol=1e-3)


def test_jitter_falls_as_the_kernel_says() -> None:
    noisy = a_face(400, jitter=1.0)
    spread = (smooth(noisy, 2.0) - a_face(400))[20:-20].std()
    assert abs(spread - np.sqrt(1 / (2 * np.sqrt(np.pi) * 2.0))) < 0.03  # of a Gaussian's mean over white noise


def test_gaps_and_cuts_are_not_crossed() -> None:
    face = np.concatenate([a_face(10), a_face(10, at=600), a_face(10)])
    face[25] = np.nan
    smoothed = smooth(face, 3.0)
    np.testing.assert_allclose(smoothed[:10], face[:10], rtol=1e-6)
    np.testing.assert_allclose(smoothed[10:20], face[10:20], rtol=1e-6)
    assert np.isnan(smoothed[25]).all()
    np.testing.assert_allclose(smoothed[26:], face[26:], rtol=1e-6)


def test_a_lone_frame_and_no_face_at_all() -> None:
    face = a_face(3)
    face[[0, 2]] = np.nan
    np.testing.assert_array_equal(smooth(face, 5.0), face)
    nothing = np.full((4, 68, 2), np.nan, np.float32)
    assert np.isnan(smooth(nothing, 1.0)).all()
