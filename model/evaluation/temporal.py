"""Temporal consistency, which the paper claims ("Qualitative evaluation") and gives no figure of.

Two figures of pairs of consecutive frames t and t + 1 of one video; Î is an answer and I the truth, in 0-255 units:

- "motion_error", the mean over pixels and colours of |(Î_{t+1} − Î_t) − (I_{t+1} − I_t)|: what moves in the answer and
  not in the truth, or the other way round. A fault that stays where it is costs nothing here.
- "flicker", the mean of |Î_{t+1} − Î_t| over the pixels where the truth is still: where no colour changes by `STILL`
  or more.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from model.evaluation.metrics import AnsweredBatch, Means, Scores, mean_inside

MOTION_ERROR, FLICKER = "motion_error", "flicker"
STILL = 2.0
"""Grey levels of 255: what encoding and resampling change in a pixel at rest."""


class TemporalMetric:
    """Both figures, a mean over pairs of frames: every pair counts alike.

    A pair is two frames that follow each other in the source video. With a stride there is none, and there is none
    across a frame that the dataset left out. Only the last frame of a batch is kept for the next one.
    """

    def __init__(self) -> None:
        self._means = Means()
        self._last: AnsweredBatch | None = None

    def update(self, batch: AnsweredBatch) -> None:
        """Note the values of every pair that ends in this batch."""
        frames = batch if self._last is None or self._last.video != batch.video else _joined(self._last, batch)
        self._last = _last_frame(batch)
        consecutive = (frames.frame_index.diff() == 1).to(frames.target.device)
        truth = frames.target.diff(dim=0)[consecutive]
        still = (truth.abs().amax(dim=1) < STILL).float()
        for answer, images in frames.answers.items():
            change = images.diff(dim=0)[consecutive]
            error = (change - truth).abs().mean(dim=(1, 2, 3))
            self._means.add(batch.speaker, answer, MOTION_ERROR, error)
            self._means.add(batch.speaker, answer, FLICKER, mean_inside(change.abs().mean(dim=1), still))

    def scores(self, speaker: str | None) -> Scores:
        """The means over the pairs; none where there is no pair, or no pixel that is still."""
        return self._means.scores(speaker)


def _last_frame(batch: AnsweredBatch) -> AnsweredBatch:
    return replace(
        batch,
        target=batch.target[-1:],
        answers={name: images[-1:] for name, images in batch.answers.items()},
        landmarks=batch.landmarks[-1:],
        frame_index=batch.frame_index[-1:],
    )


def _joined(first: AnsweredBatch, second: AnsweredBatch) -> AnsweredBatch:
    return replace(
        second,
        target=torch.cat((first.target, second.target)),
        answers={name: torch.cat((first.answers[name], images)) for name, images in second.answers.items()},
        landmarks=torch.cat((first.landmarks, second.landmarks)),
        frame_index=torch.cat((first.frame_index, second.frame_index)),
    )
