"""Python functions over arrays as machine code: for the few inner loops that no library has and numpy is slow at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

from pipeline.machine_code import CodeCache

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(*signature: Any) -> Callable[[Function], Function]:
    """Compile a function for arguments of these numba types.

    The result is kept in a folder of the user's own (`pipeline.machine_code`); where there is none, or what is there
    cannot be used, every process compiles for itself, which takes seconds. Arithmetic is not reordered or fused, so
    that all machines get the same bits.
    """

    def decorate(function: Function) -> Function:
        made = numba.njit(nogil=True)(function)
        made._cache = CodeCache(function)
        made.compile(signature)
        made.disable_compile()
        return made  # type: ignore[no-any-return]

    return decorate
