"""Compiled functions work whatever has become of the place for their machine code."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = """
from numba import types
from pipeline.compiled import compiled

@compiled(types.int64)
def double(x):
    return 2 * x

print(double(21))
"""


def run(folder: Path, cache: Path, before: str = "") -> str:
    (folder / "doubling.py").write_text(SOURCE.replace("@compiled", f"{before}@compiled"))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, str(folder / "doubling.py")]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.parametrize("damage", ["empty", "flipped", "another's pickle"])
def test_machine_code_is_kept_and_a_damaged_file_of_it_is_no_obstacle(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    assert run(tmp_path, cache) == "42\n"
    (kept,) = cache.rglob("*double*.code")
    whole = kept.read_bytes()
    evil = pickle.dumps(Evil(tmp_path / "ran"))
    for broken in {
        "empty": [b""],
        "flipped": [whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :] for place in (0, 40, 2000)],
        "another's pickle": [evil, bytes(32) + evil],
    }[damage]:
        kept.write_bytes(broken)
        assert run(tmp_path, cache) == "42\n"
        assert kept.read_bytes()[32:100] == whole[32:100]  # made again
    assert not (tmp_path / "ran").exists()


class Evil:
    """Runs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_what_is_kept_is_taken(tmp_path: Path) -> None:
    assert run(tmp_path, tmp_path / "cache") == "42\n"
    (kept,) = (tmp_path / "cache").rglob("*double*.code")
    assert kept.stat().st_mode & 0o077 == 0
    before = kept.stat().st_mtime_ns
    run(tmp_path, tmp_path / "cache")
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize("wrong", ["open to others", "a link", "relative"])
def test_a_folder_that_is_not_the_users_own_is_left_alone(tmp_path: Path, wrong: str) -> None:
    cache = tmp_path / "cache"
    assert run(tmp_path, cache) == "42\n"
    (folder,) = cache.iterdir()
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    for path in kept:
        path.unlink()
    if wrong == "open to others":
        folder.chmod(0o770)
    elif wrong == "a link":
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        cache = Path("cache")
    assert run(tmp_path, cache) == "42\n"
    assert not list((tmp_path / "elsewhere" if wrong == "a link" else folder).iterdir())


def test_a_full_disk_is_no_obstacle(tmp_path: Path) -> None:
    full = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    assert run(tmp_path, tmp_path / "cache", full + "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n") == "42\n"


def test_no_place_at_all_is_no_obstacle() -> None:
    # Source that lies in no file has no place beside it, as one in a folder that cannot be written, for a user
    # without a home.
    scope: dict[str, object] = {}
    exec(SOURCE, scope)
    assert scope["double"](21) == 42  # type: ignore[operator]


def test_every_kind_of_processor_has_a_folder_of_its_own() -> None:
    command = "import pipeline.machine_code as code; print(code.own_folder())"
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    told = subprocess.run(
        [sys.executable, "-c", command], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    assert Path(told.stdout.strip()).name.startswith("flnet-machine-code-")
    assert Path(told.stdout.strip()).is_absolute()


def test_a_function_that_uses_another_is_made_again_when_that_changes(tmp_path: Path) -> None:
    def told(constant: int) -> str:
        (tmp_path / "helper.py").write_text(
            "from numba import types\nfrom pipeline.compiled import compiled\n"
            f"@compiled(types.int64)\ndef more(x):\n    return x + {constant}\n"
        )
        (tmp_path / "main.py").write_text(
            "from numba import types\nfrom pipeline.compiled import compiled\nfrom helper import more\n"
            "@compiled(types.int64)\ndef twice(x):\n    return 2 * more(x)\nprint(twice(1))\n"
        )
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, str(tmp_path / "main.py")]
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    assert told(1) == "4\n"
    assert told(1) == "4\n"
    assert told(20) == "42\n"
