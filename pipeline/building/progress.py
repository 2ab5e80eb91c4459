"""One progress bar for a whole build, read off the files that its tasks leave, whichever process or host wrote them."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.building.plan import Plan
from pipeline.layout import WORK, chunk_file
from pipeline.preparing.video import places

POLL_SECONDS = 1.0


class Progress(threading.Thread):
    """Watches a build in the background until all its videos are done or the program ends."""

    def __init__(self, out: Path, plan: Plan) -> None:
        super().__init__(daemon=True)
        self._ended = threading.Event()
        self._out = out
        self._plan = plan
        self._counted: dict[str, tuple[bool, int]] = {}  # video id -> whether it arrived, its frames

    def run(self) -> None:
        """Draw the bar: videos, frames a second, failures, time left."""
        self._count()
        frames_before, start = self._frames(), time.monotonic()
        with tqdm(total=len(self._plan.videos), initial=len(self._counted), unit="video", desc="videos") as bar:
            ended = False
            while not ended and bar.n < bar.total:
                ended = self._ended.wait(POLL_SECONDS)
                self._count()
                rate = (self._frames() - frames_before) / (time.monotonic() - start)
                failed = sum(not arrived for arrived, _ in self._counted.values())
                bar.set_postfix_str(f"{rate:.0f} frames/s, {failed} failed", refresh=False)
                bar.update(len(self._counted) - bar.n)

    def stop(self) -> None:
        """Bring the bar up to date and leave it."""
        self._ended.set()
        self.join()

    def _frames(self) -> int:
        return sum(frames for _, frames in self._counted.values())

    def _count(self) -> None:
        for chunk in self._plan.chunks:
            waiting = [video for video in chunk.videos if video.id not in self._counted]
            if waiting:
                done = _read(chunk_file(self._out, chunk.name))
                single = [
                    _read(places(self._out / WORK, video, self._plan.settings).result) for video in waiting if not done
                ]
                for result in done.get("results", []) + [result for result in single if result]:
                    self._counted[result["id"]] = (result["status"] == "ok", result["frames_seen"])


def _read(path: Path) -> dict[str, Any]:
    """A task's file; empty while it is not there yet."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
