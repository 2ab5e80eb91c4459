"""Work in several child processes: answers in order, and an end to all of it when its caller ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from pipeline.child_process import Answer, CrashError, in_children


def _answer(number: int) -> int:
    if number == 2:
        os._exit(5)
    return 10 * number


@pytest.mark.parametrize("jobs", [1, 3])
def test_answers_come_in_order_and_a_child_that_dies_takes_its_own_along(jobs: int) -> None:
    with in_children(_answer, [(number,) for number in range(6)], jobs) as answers:
        for number, answer in enumerate(answers):
            if number == 2:
                with pytest.raises(CrashError, match="ended with status 5"):
                    answer.result()
            else:
                assert answer.result() == 10 * number


def _interrupted(answers: Iterator[Answer[None]]) -> None:
    """As Ctrl-C does while the first answer is waited for."""
    timer = signal.getsignal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        next(answers)
    finally:
        signal.signal(signal.SIGALRM, timer)


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_is_under_way_is_killed_when_the_caller_is_interrupted(jobs: int) -> None:
    before = set(psutil.Process().children())
    with pytest.raises(KeyboardInterrupt), in_children(time.sleep, [(3600.0,)] * 5, jobs) as answers:
        _interrupted(answers)
    assert set(psutil.Process().children()) <= before
