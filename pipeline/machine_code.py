"""Machine code kept between processes, in a folder that nobody else can write to, each piece with its checksum.

numba's own cache takes whatever lies in its folder: it unpickles it, which runs what is in there, and jumps into it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import stat
import uuid
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

MOST_BYTES = 64 << 20
_SUM_BYTES = 32


class CodeCache(_Cache):  # type: ignore[misc]
    """What numba asks for the machine code of one function, and gives it to keep.

    Args:
        function: of a source file; of another one nothing is kept.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.key = _key(function)
        self._name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")

    @property
    def cache_path(self) -> str | None:
        """The folder, for numba's statistics."""
        return str(own_folder()) if own_folder() else None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The code for these arguments; None where it must be made."""
        target_context.refresh()
        data = None if self.key is None else _read(self._file(sig))
        if data is None:
            return None
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(data))
        except Exception:  # noqa: BLE001 - of another version of numba, whatever ails it; it is made again
            return None

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Keep code for other processes, if that can be done."""
        if self.key is not None and not cres.library.has_dynamic_globals:
            _write(self._file(sig), dumps(cres._reduce()))

    def enable(self) -> None:
        """It always is."""

    def disable(self) -> None:
        """It never is."""

    def flush(self) -> None:
        """Nothing is held back."""

    def _file(self, sig: Any) -> str:
        digest = hashlib.sha256(f"{self.key} {sig}".encode()).hexdigest()
        return f"{self._name[-100:]}-{digest[:20]}.code"


def _key(function: Callable[..., Any]) -> str | None:
    """Of all that the code of a function depends on: its file, the compiled functions and constants that it uses."""
    try:
        source = Path(function.__code__.co_filename).read_bytes()
    except OSError:
        return None
    parts = [numba.__version__, platform.python_version(), function.__qualname__, hashlib.sha256(source).hexdigest()]
    for name in sorted(function.__code__.co_names):
        value = function.__globals__.get(name)
        if isinstance(value, Dispatcher):
            parts.append(f"{name} {getattr(getattr(value, '_cache', None), 'key', None)}")
        elif isinstance(value, (bool, int, float, str, tuple)):
            parts.append(f"{name} {value!r}")
        elif isinstance(value, np.ndarray):
            parts.append(f"{name} {value.dtype} {hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@lru_cache(maxsize=1)
def own_folder() -> Path | None:
    """The folder for this kind of processor, made if need be; None where there can be none.

    The first that is the user's own, absolute and closed to all others: in $NUMBA_CACHE_DIR, beside the source, in the
    user's cache folder. Hosts that share a disk each keep their own code: another's may have instructions they lack.
    """
    features = sorted(llvm.get_host_cpu_features().items())
    processor = hashlib.sha256(f"{llvm.get_host_cpu_name()} {features}".encode()).hexdigest()[:12]
    home = os.path.expanduser("~")  # noqa: PTH111 - for users without a home, where pathlib's raises
    places = [
        os.environ.get("NUMBA_CACHE_DIR", ""),
        str(Path(__file__).parent / "__pycache__"),
        os.environ.get("XDG_CACHE_HOME", ""),
        f"{home}/.cache",
    ]
    for place in places:
        if place.startswith("/"):
            folder = Path(place, f"flnet-machine-code-{processor}")
            if _is_own(folder):
                return folder
    return None


def _is_own(folder: Path) -> bool:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = _opened(folder)
    except OSError:
        return False
    os.close(handle)
    return os.access(folder, os.W_OK)


def _opened(folder: Path) -> int:
    """A handle on the folder, once it is known to be the user's own: what is done through it can go nowhere else.

    Raises:
        OSError: it is a link, or others may write to it.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    found = os.fstat(handle)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(handle)
        raise PermissionError(f"{folder}: belongs to others, or is open to them")
    return handle


def _read(name: str) -> bytes | None:
    """What was kept under a name; None where there is nothing, or something else than was written."""
    folder = own_folder()
    if folder is None:
        return None
    try:
        handle = _opened(folder)
        try:
            with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
                    return None
                whole = file.read()
        finally:
            os.close(handle)
    except OSError:
        return None
    return whole[_SUM_BYTES:] if hashlib.sha256(whole[_SUM_BYTES:]).digest() == whole[:_SUM_BYTES] else None


def _write(name: str, data: bytes) -> None:
    """Keep something under a name; where that cannot be done, it is not kept."""
    folder = own_folder()
    if folder is None:
        return
    try:
        handle = _opened(folder)
    except OSError:
        return
    partial = f".{name}.{uuid.uuid4().hex[:12]}.part"
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=handle), "wb") as file:
            file.write(hashlib.sha256(data).digest() + data)
        os.replace(partial, name, src_dir_fd=handle, dst_dir_fd=handle)
    except OSError:
        _drop(partial, handle)
    finally:
        os.close(handle)


def _drop(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return
