"""Compiled functions work with and without a place for the machine code."""

from __future__ import annotations

import numpy as np

from pipeline.compiled import compiled


def test_compiled_functions_do_what_their_source_says() -> None:
    @compiled()
    def total(values: np.ndarray) -> float:  # type: ignore[type-arg]
        result = 0.0
        for value in values:
            result += value
        return result

    assert total(np.arange(5.0)) == 10


def test_a_function_whose_machine_code_cannot_be_kept_is_compiled_all_the_same() -> None:
    # Source that lies in no file has no place beside it, as one in a folder that cannot be written, for a user
    # without a home.
    scope = {"compiled": compiled}
    exec("@compiled()\ndef double(x):\n    return 2 * x\n", scope)
    assert scope["double"](21) == 42  # type: ignore[operator]
