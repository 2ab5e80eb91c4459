"""Python functions over arrays as machine code: for the few inner loops that no library has and numpy is slow at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

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


@intrinsic  # type: ignore[untyped-decorator]
def fetch_soon(_context: Any, array: Any, _place: Any) -> Any:
    """Have the processor bring the memory about the `place`-th item of a contiguous array into its cache meanwhile.

    For compiled functions that know beforehand which far places they will read; it changes no result.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        items = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        address = builder.bitcast(builder.gep(items, [arguments[1]]), pointer)
        reading, often, data = number(0), number(3), number(1)
        builder.call(prefetch, [address, reading, often, data])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate
