"""Published weights that cannot be bundled: found where torch.hub keeps them, or fetched there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.errors import InputError
from pipeline.files import sha256_of

NETWORK_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Weights:
    """A published file.

    Attributes:
        what: what it holds, for messages: "VGG16 weights".
        name: of the file.
        url: where it is published.
        sha256: its SHA-256, hexadecimal, all of it.
        flag: that names another place: "--vgg-weights".
        without: how to go on without it, for messages.
    """

    what: str
    name: str
    url: str
    sha256: str
    flag: str
    without: str


def verified_weights(weights: Weights, override: Path | None, download: bool) -> Path:
    """The path of the published file: `override`, else in `$TORCH_HOME/hub/checkpoints`.

    Args:
        download: fetch it into that folder if it is not there.

    Raises:
        InputError: it is missing and cannot be fetched, or is another file.
    """
    path = override if override is not None else _cached(weights, download)
    if not path.is_file():
        raise InputError(f"{weights.what} not found: {path}; {weights.without}")
    digest = sha256_of(path)
    if digest != weights.sha256:
        raise InputError(
            f"{weights.what} must have the sha256 {weights.sha256}, got {digest}: {path} is damaged or "
            f"another file; delete it to download it again, or {weights.without}"
        )
    return path


def _cached(weights: Weights, download: bool) -> Path:
    """The usual place of the file, after fetching it if it is not there and `download` allows it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "torch"
    path = Path(os.environ.get("TORCH_HOME", cache)).expanduser() / "hub" / "checkpoints" / weights.name
    if not path.is_file() and download:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _network_timeout(NETWORK_TIMEOUT_S):
                torch.hub.download_url_to_file(weights.url, str(path), hash_prefix=weights.sha256)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"{weights.what} are neither at {path} nor could they be downloaded ({error}); fetch {weights.url} on "
                f"another machine and pass {weights.flag}, or {weights.without}"
            ) from error
    return path


@contextmanager
def _network_timeout(seconds: float) -> Iterator[None]:
    """Let connections opened inside fail after `seconds` of silence: behind some firewalls they never would."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
