"""Python functions over arrays as machine code: for the few inner loops that no library has and numpy is slow at."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding as llvm
import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(*signature: Any) -> Callable[[Function], Function]:
    """Compile a function for arguments of these numba types.

    The result is kept beside the source, or in the user's cache folder; where neither can be written, or what is there
    cannot be read, every process compiles for itself, which takes seconds. Arithmetic is not reordered or fused, so
    that all machines get the same bits.
    """

    def decorate(function: Function) -> Function:
        try:
            return numba.njit(signature, nogil=True, cache=True)(function)  # type: ignore[no-any-return]
        except Exception:  # noqa: BLE001 - the cache's, whatever ails it; a fault of the function's comes again
            return numba.njit(signature, nogil=True)(function)  # type: ignore[no-any-return]

    return decorate


def _keep_apart_by_processor() -> None:
    """Hosts that share a disk each keep their own machine code: another's may have instructions that they lack."""
    if numba.config.CACHE_DIR:  # the user's own wish, NUMBA_CACHE_DIR
        return
    features = sorted(llvm.get_host_cpu_features().items())
    processor = hashlib.sha256(f"{llvm.get_host_cpu_name()} {features}".encode()).hexdigest()[:12]
    package = Path(__file__).parent
    if os.access(package, os.W_OK):
        folder = package / "__pycache__"
    else:
        home = os.path.expanduser("~")  # noqa: PTH111 - for users without a home, where pathlib's raises
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path(home, ".cache"), "flnet")
    numba.config.CACHE_DIR = str(folder / f"machine-code-{processor}")


_keep_apart_by_processor()
