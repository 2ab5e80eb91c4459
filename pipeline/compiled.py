"""Python functions over arrays as machine code: for the few inner loops that no library has and numpy is slow at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(*signature: Any) -> Callable[[Function], Function]:
    """Compile a function for arguments of these numba types, or, where none are given, for those of its callers.

    The result is kept beside the source, or in the user's cache folder; where neither can be written, every process
    compiles for itself, which takes seconds. Arithmetic is not reordered or fused, so that all machines get the same
    bits.
    """

    def decorate(function: Function) -> Function:
        arguments = [signature] if signature else []
        try:
            return numba.njit(*arguments, nogil=True, cache=True)(function)  # type: ignore[no-any-return]
        except RuntimeError:  # numba's answer where there is no place for its cache
            return numba.njit(*arguments, nogil=True)(function)  # type: ignore[no-any-return]

    return decorate
