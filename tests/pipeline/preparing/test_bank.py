"""The bank by mouth openness."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.preparing.bank import choose_bank


def test_five_of_nine_by_hand() -> None:
    openness = [8, 0, 7, 1, 6, 2, 5, 3, 4]  # sorted: frames 1 3 5 7 8 6 4 2 0
    assert choose_bank(openness).tolist() == [1, 5, 8, 4, 0]


def test_both_ends_are_in_and_the_order_is_closed_to_open() -> None:
    openness = np.random.default_rng(0).uniform(0, 40, 173)
    bank = choose_bank(openness)
    assert openness[bank[0]] == openness.min()
    assert openness[bank[-1]] == openness.max()
    assert (np.diff(openness[bank]) >= 0).all()
    assert len(set(bank.tolist())) == 5


def test_equal_openness_keeps_the_order_of_time() -> None:
    assert choose_bank(np.zeros(5)).tolist() == [0, 1, 2, 3, 4]


def test_spacing_is_uniform_in_rank() -> None:
    ranks = np.argsort(np.argsort(np.arange(101.0)))[choose_bank(np.arange(101.0))]
    assert ranks.tolist() == [0, 25, 50, 75, 100]


def test_too_few_frames() -> None:
    with pytest.raises(ValueError, match="at least 5 frames, got 4"):
        choose_bank([1, 2, 3, 4])
