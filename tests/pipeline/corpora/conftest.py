"""Trees of empty files, for what is only listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Touch = Callable[..., Path]


@pytest.fixture
def touch(tmp_path: Path) -> Touch:
    """touch(*names) -> the folder that holds them."""

    def make(*names: str) -> Path:
        root = tmp_path / "corpus"
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        return root

    return make
