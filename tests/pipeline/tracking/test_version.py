"""Tracks are kept from build to build: code that makes others must have another version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from pipeline.settings import Settings
from pipeline.tracking import FaceTracker, TrackSettings
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.tracking.settings import TRACKER_VERSION

# What each version makes of the pictures below. Where the tracker's results have changed on purpose: raise
# TRACKER_VERSION and add its line. Lines of earlier versions stay as they are.
GOLDEN = {1: "79737a875f1d", 2: "cd5261d6b2b0"}


def pictures() -> Iterator[npt.NDArray[np.uint8]]:
    """A face that holds still, drifts, leaps, turns round at a cut, shrinks, is gone, and comes back; with noise."""
    face = cv2.imread(str(Path(__file__).with_name("drawn_face.png")), cv2.IMREAD_GRAYSCALE)
    assert face is not None
    dice = np.random.default_rng(0)
    for number in range(-24, 48):
        shown = face[:, ::-1] if number >= 20 else face
        if number >= 28:
            shown = cv2.resize(shown, (180, 180), interpolation=cv2.INTER_LINEAR_EXACT)
        picture = np.full((288, 360), 200 if number >= 20 else 90, np.int16)
        left, top = 2 * max(number, 0) + (40 if number >= 12 else 0), max(number, 0)
        if not 34 <= number < 40:
            picture[top : top + len(shown), left : left + len(shown)] = shown
        yield (picture + dice.integers(-3, 4, picture.shape)).clip(0, 255).astype(np.uint8)


def test_a_track_is_what_its_version_says() -> None:
    tracker, digest, seen = FaceTracker(TrackSettings(), landmark_model_path()), hashlib.sha256(), 0
    for picture in pictures():
        found = tracker.observe(picture)
        digest.update(repr((found.faces, found.drop, found.begins)).encode())
        if found.landmarks is not None:
            seen += 1
            digest.update(found.landmarks.astype("<f4").tobytes())
    assert seen > 60
    assert GOLDEN[TRACKER_VERSION] == digest.hexdigest()[:12], "results differ: raise TRACKER_VERSION, add its line"
    assert len(set(GOLDEN.values())) == len(GOLDEN)


def test_another_version_has_other_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Settings().track_digest
    monkeypatch.setattr("pipeline.settings.TRACKER_VERSION", TRACKER_VERSION + 1)
    assert Settings().track_digest != before
