"""Temporal consistency by sequences made by hand: what moves, what stays, and where one batch ends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from model.evaluation.metrics import AnsweredBatch, Scores
from model.evaluation.temporal import STILL, TemporalMetric

SIDE = 4


def grey(*levels: float) -> Tensor:
    """(n, 3, 4, 6) one grey level a frame."""
    return torch.tensor(levels, dtype=torch.float32)[:, None, None, None].expand(-1, 3, SIDE, 6).clone()


def measure(
    truth: Tensor,
    answer: Tensor,
    *,
    numbers: Sequence[int] | None = None,
    batch: int = 99,
    video: str = "a",
    metric: TemporalMetric | None = None,
) -> Scores:
    """Feed a video in batches."""
    metric = metric or TemporalMetric()
    frames = torch.arange(len(truth)) if numbers is None else torch.tensor(numbers)
    for start in range(0, len(truth), batch):
        part = slice(start, start + batch)
        landmarks = torch.zeros(len(truth[part]), 68, 2)
        metric.update(AnsweredBatch(truth[part], {"model": answer[part]}, landmarks, "08F", video, frames[part]))
    return metric.scores(None)


def test_a_fault_that_stays_costs_nothing_and_one_that_moves_does() -> None:
    truth = grey(10, 40, 60)
    assert measure(truth, truth + 25)["model"] == {"motion_error": 0.0}
    # The truth rises by 30 and by 20, the answer by 10 and by 50.
    assert measure(truth, grey(0, 10, 60))["model"]["motion_error"] == (20 + 30) / 2


def test_motion_in_the_wrong_direction_counts_twice() -> None:
    assert measure(grey(10, 40), grey(40, 10))["model"]["motion_error"] == 60


def test_flicker_is_the_change_where_the_truth_is_still() -> None:
    truth, answer = grey(10, 10, 10), grey(10, 10, 10)
    truth[:, :, :, 3:] = torch.tensor([0.0, 90.0, 10.0])[:, None, None, None]  # the right half moves
    answer[:, :, :, 3:] = torch.tensor([0.0, 50.0, 200.0])[:, None, None, None]
    answer[1, 0, :, :3] += 6  # in the left half one colour of the second frame is off by six
    scores = measure(truth, answer)["model"]
    assert scores["flicker"] == pytest.approx(6 / 3)
    assert scores["motion_error"] == pytest.approx(((2 + 40) / 2 + (2 + 230) / 2) / 2)


def test_a_pixel_is_still_below_the_threshold_in_every_colour() -> None:
    truth, answer = grey(0, 0), grey(0, 7)
    truth[1, 0], truth[1, 1, 0] = STILL - 0.01, STILL
    answer[1, :, 0] = 99  # in the row that is not still
    assert measure(truth, answer)["model"]["flicker"] == pytest.approx(7)
    truth[1, 1] = STILL
    assert "flicker" not in measure(truth, answer)["model"], "nothing is still"


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_last_frame_is_carried_over_a_batchs_end(batch: int) -> None:
    truth, answer = grey(*range(0, 70, 10)), grey(3, 8, 30, 30, 90, 20, 21)
    assert measure(truth, answer, batch=batch) == measure(truth, answer)


def test_pairs_are_of_consecutive_frames_of_one_video() -> None:
    truth, answer = grey(0, 0, 0, 0), grey(0, 10, 90, 94)
    found = measure(truth, answer, numbers=[4, 5, 7, 8])["model"]
    assert found["motion_error"] == found["flicker"] == (10 + 4) / 2, "not across the frame that is missing"
    assert measure(truth, answer, numbers=[0, 2, 4, 6]) == {}, "with a stride nothing is measured"
    metric = TemporalMetric()
    measure(grey(0), grey(0), metric=metric)
    scores = measure(grey(0, 0), grey(50, 60), numbers=[1, 2], video="b", metric=metric)
    assert scores["model"]["motion_error"] == 10, "one video's last frame is no neighbour of the next one's first"


def test_every_answer_and_speaker_has_its_own() -> None:
    metric = TemporalMetric()
    for speaker, step in (("08F", 4.0), ("09F", 8.0)):
        frames = torch.arange(3)
        still, moving = grey(0, 0, 0), grey(0, step, 2 * step)
        answers = {"model": moving, "trivial": still}
        metric.update(AnsweredBatch(still, answers, torch.zeros(3, 68, 2), speaker, speaker, frames))
    assert metric.scores("08F") == {
        "model": {"motion_error": 4.0, "flicker": 4.0},
        "trivial": {"motion_error": 0.0, "flicker": 0.0},
    }
    assert metric.scores(None)["model"]["motion_error"] == 6.0
