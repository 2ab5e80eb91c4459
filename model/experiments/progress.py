"""One progress bar for all trainings of an experiment, read off their run folders, whichever host trains them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from model.experiments.runs import RunFolder
from pipeline import log

POLL_SECONDS = 2.0


class Progress(threading.Thread):
    """Watches the runs in the background until all have ended or the program ends.

    Args:
        runs: all of them.
        batches: that each draws.
    """

    def __init__(self, runs: Sequence[RunFolder], batches: int) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self._runs = runs
        self._batches = batches

    def run(self) -> None:
        """Draw the bar: batches of all trainings, and how many have ended."""
        total, done = self._batches * len(self._runs), self._done([run.done_share for run in self._runs])
        with log.progress(what="trainings", total=total, initial=done, unit="batches", smoothing=0.1) as bar:
            over = False
            while not over:
                over = self._over.wait(POLL_SECONDS)
                self._update(bar)

    def stop(self) -> None:
        """Bring the bar up to date and leave it."""
        self._over.set()
        self.join()

    def _done(self, shares: Sequence[float]) -> int:
        return round(sum(shares) * self._batches)

    def _update(self, bar: Any) -> None:
        shares = [run.done_share for run in self._runs]
        under_way = [run.name for run, share in zip(self._runs, shares, strict=True) if 0 < share < 1]
        ended = sum(share == 1 for share in shares)
        bar.set_postfix_str(f"{ended} of {len(shares)} done; {', '.join(under_way)}", refresh=False)
        bar.update(self._done(shares) - bar.n)
