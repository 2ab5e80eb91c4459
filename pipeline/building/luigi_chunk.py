"""A chunk of videos as a Luigi task."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

import luigi

from pipeline.building.chunk import Pool, build_chunk
from pipeline.building.earlier import Earlier
from pipeline.building.plan import Chunk, Plan, load_plan
from pipeline.building.record import chunk_done
from pipeline.child_process import end_with_parent
from pipeline.layout import chunk_file, plan_file
from pipeline.result import VideoResult


class Done(luigi.Target):  # type: ignore[misc]
    """A target that exists when a check says so: complete files, not merely present ones."""

    def __init__(self, path: Path, check: Callable[[], bool]) -> None:
        self.path = path
        self._check = check

    def exists(self) -> bool:
        return self._check()


@lru_cache(maxsize=1)
def _known_plan(path: Path) -> Plan:
    """A plan, read once for all its chunks: what a file of its name holds never changes."""
    return load_plan(path)


class PrepareChunk(luigi.Task):  # type: ignore[misc]
    """Prepares one chunk of a plan and writes its shard."""

    out = luigi.Parameter(description="the dataset's folder")
    plan = luigi.Parameter(description="digest of the plan, which lies in <out>/work/plans/")
    chunk = luigi.Parameter(description="name of the chunk")
    corpus_root = luigi.Parameter(significant=False, description="folder of the corpus")
    landmark_model = luigi.OptionalParameter(default=None, significant=False, description="dlib's landmark model")
    jobs = luigi.IntParameter(default=1, significant=False, description="processes inside the chunk")
    joblib_backend = luigi.Parameter(default="loky", significant=False, description="what runs them")
    dask_scheduler = luigi.OptionalParameter(default=None, significant=False, description="host:port")

    @property
    def _chunk(self) -> Chunk:
        return _known_plan(plan_file(Path(self.out), self.plan)).by_name[self.chunk]

    @property
    def priority(self) -> int:
        """The largest chunks first, so that no worker waits long for the last one."""
        return len(self._chunk.videos)

    def output(self) -> luigi.Target:
        out = Path(self.out)
        return Done(chunk_file(out, self._chunk.name), lambda: chunk_done(out, self._chunk))

    def run(self) -> None:
        worker = multiprocessing.parent_process()
        if worker is not None:  # Luigi forked us; do not outlive it when it is killed
            end_with_parent(worker.pid or 0)
        model = Path(self.landmark_model) if self.landmark_model else None
        pool = Pool(self.jobs, self.joblib_backend, self.dask_scheduler)
        out, root = Path(self.out), Path(self.corpus_root)
        tell = partial(self._tell, time.monotonic())
        earlier = Earlier.of(out, self.plan)
        settings = _known_plan(plan_file(out, self.plan)).settings
        build_chunk(out, root, self._chunk, settings, model, pool, tell, earlier)

    def _tell(self, started: float, results: Sequence[VideoResult]) -> None:
        """How far the chunk is, for luigid's page."""
        if self.set_status_message is None:  # run without a scheduler
            return
        done, videos = len(results), len(self._chunk.videos)
        seconds = time.monotonic() - started
        failures = sum(result.status != "ok" for result in results)
        rate = sum(result.frames_seen for result in results) / seconds
        left = seconds / done * (videos - done)
        self.set_status_message(f"{done} of {videos} videos, {rate:.0f} frames/s, {left:.0f} s left, {failures} failed")
        self.set_progress_percentage(round(100 * done / videos))
