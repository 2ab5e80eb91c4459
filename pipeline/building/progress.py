"""One progress bar for a whole build, read off the files that its tasks leave, whichever process or host wrote them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path

from pipeline import log
from pipeline.building.plan import Plan
from pipeline.building.record import load_chunks
from pipeline.layout import WORK, chunk_file
from pipeline.preparing.video import work_files
from pipeline.result import VideoResult, load_any_result

POLL_SECONDS = 1.0


class Progress(threading.Thread):
    """Watches a build in the background until all its videos are done or the program ends."""

    def __init__(self, out: Path, plan: Plan) -> None:
        super().__init__(daemon=True)
        self._ended = threading.Event()
        self._out = out
        self._plan = plan
        self._counted: dict[str, tuple[bool, int]] = {}  # video id -> whether it arrived, its frames
        self._chunks = {chunk_file(out, chunk.name).name for chunk in plan.chunks}  # records that are still to come
        self._results: dict[Path, dict[str, str]] = {}  # folder -> name of a video's result there -> its id

    def run(self) -> None:
        """Draw the bar: videos, frames a second, failures, time left."""
        for video in self._plan.videos:
            path = work_files(self._out / WORK, video, self._plan.settings).result
            self._results.setdefault(path.parent, {})[path.name] = video.id
        self._count()
        frames_before, start = self._frames(), time.monotonic()
        with log.progress(
            what="building", total=len(self._plan.videos), initial=len(self._counted), unit="videos"
        ) as bar:
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
        """Read what has come since the last time: folders are listed, not asked for each video that is to come."""
        chunks = chunk_file(self._out, "any").parent
        for name in _names(chunks) & self._chunks:
            for record in load_chunks([chunks / name]):
                self._chunks.remove(name)
                self._note(record.results)
        for folder, ids in self._results.items():
            for name in _names(folder) & ids.keys():
                if ids[name] not in self._counted and (result := load_any_result(folder / name)) is not None:
                    self._note([result])

    def _note(self, results: Iterable[VideoResult]) -> None:
        for result in results:
            self._counted[result.id] = (result.status == "ok", result.frames_seen)


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return set()
