"""A chunk of a build: its videos prepared, side by side if wanted, and merged into one shard; a Luigi task runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import joblib

from pipeline.building.earlier import Earlier
from pipeline.building.plan import Chunk
from pipeline.building.record import ChunkResult, chunk_done, load_chunk, save_chunk
from pipeline.child_process import Children, CrashError, StallError, run_in_child
from pipeline.content import stamp_of
from pipeline.corpora import Source
from pipeline.errors import DatasetError, InputError
from pipeline.files import drop_own_file, sha256_of
from pipeline.layout import WORK, chunk_file, video_files
from pipeline.preparing.video import load_models, prepare_video, work_files
from pipeline.result import VideoResult, failed, save_result
from pipeline.settings import Settings
from pipeline.shards import Part, merge_shards
from pipeline.tracking.landmark_model import landmark_model_path

BACKENDS = ("loky", "threading", "dask")
CRASHES = 2  # a video that crashes its process so often is given up; the first time may have been the machine's fault


@dataclass(frozen=True)
class Pool:
    """How a chunk's videos are prepared side by side."""

    jobs: int = 1  # processes; with dask the cluster's, whatever their number
    backend: str = "loky"  # joblib's; see `BACKENDS`
    dask_scheduler: str | None = None  # host:port

    @contextmanager
    def open(self) -> Iterator[joblib.Parallel]:
        """A `joblib.Parallel` on this backend; what it returns is to be iterated.

        Raises:
            InputError: dask is wanted and not installed, or its scheduler does not answer.
        """
        if self.backend != "dask":
            yield joblib.Parallel(n_jobs=self.jobs, backend=self.backend, return_as="generator")
            return
        if self.dask_scheduler is None:
            raise InputError("--joblib-backend dask needs --dask-scheduler host:port")
        try:
            from distributed import Client
        except ImportError as error:
            raise InputError("--joblib-backend dask needs dask: pip install -e '.[dask]' in the clone") from error
        try:
            client = Client(self.dask_scheduler)
        except OSError as error:
            raise InputError(f"--dask-scheduler {self.dask_scheduler}: no dask scheduler answers there") from error
        with client, joblib.parallel_config("dask", n_jobs=-1):
            yield joblib.Parallel()


def build_chunk(
    out: Path,
    root: Path,
    chunk: Chunk,
    settings: Settings,
    landmark_model: Path | None,
    pool: Pool | None = None,
    on_video: Callable[[Sequence[VideoResult]], None] | None = None,
    earlier: Earlier | None = None,
) -> ChunkResult:
    """Prepare the videos of a chunk, each kept as soon as it is done, and merge them into one shard.

    A video that an earlier shard holds already, of the same settings and content, is copied from there.

    Args:
        out: the dataset's folder.
        root: the corpus root.
        pool: how videos are prepared side by side; by default one after the other.
        on_video: called after each video that was prepared, with all results so far.
        earlier: the shards of earlier builds in this folder.

    Raises:
        FlnetError, OSError, MemoryError: what is no fault of a video, such as a full disk; run again to go on.
    """
    out, root = out.resolve(), root.resolve()  # the pool's processes may stand elsewhere
    kept = {} if earlier is None else earlier.find(root, chunk.videos, settings)
    with (pool or Pool()).open() as parallel, Children(prepare_video) as children:
        work = (
            joblib.delayed(prepare_safely)(root, source, settings, out / WORK, landmark_model, children)
            for source in chunk.videos
            if source.id not in kept
        )
        results = {name: result for name, (result, _) in kept.items()}
        for result in parallel(work):
            results[result.id] = result
            if on_video is not None:
                on_video(list(results.values()))
    try:
        done = _merge(out, chunk, settings, results, {name: shard for name, (_, shard) in kept.items()})
    except (OSError, DatasetError):
        if chunk_done(out, chunk):  # a host that was thought dead made it as well, and cleared the parts away
            return load_chunk(chunk_file(out, chunk.name))
        raise
    if not done.is_transient:
        clear_parts(out, chunk, settings)
    return done


def prepare_safely(
    root: Path,
    source: Source,
    settings: Settings,
    work: Path,
    landmark_model: Path | None,
    in_child: Callable[..., VideoResult] | None = None,
) -> VideoResult:
    """`prepare_video` in another process: what crashes or hangs there becomes the result `crashed` or `timeout`.

    Args:
        in_child: `prepare_video` in another process; by default in one for this video alone.

    Raises:
        FlnetError, OSError, MemoryError: as `prepare_video`; also when the process was killed from outside.
    """
    import cv2

    model = landmark_model_path(landmark_model)
    load_models(model)  # here, so that every child has them at once
    cv2.setNumThreads(1)  # here: in a child, this would wait for ever for threads that are not there
    in_child = in_child or partial(run_in_child, prepare_video)
    stamp = stamp_of(root / source.path)
    for _ in range(CRASHES):
        try:
            return in_child(root, source, settings, work, model)
        except StallError:
            reason, message = "timeout", "ffmpeg gave nothing for too long and was stopped"
            break
        except CrashError as error:
            reason, message = "crashed", str(error)
    result = failed(source, reason, f"{root / source.path}: {message}", stamp)
    save_result(work_files(work, source, settings).result, result)
    return result


def _merge(
    out: Path, chunk: Chunk, settings: Settings, results: Mapping[str, VideoResult], kept: Mapping[str, Path]
) -> ChunkResult:
    """Join what is in `kept`, by id, and in the single videos' files."""
    parts = [
        Part(kept.get(source.id, work_files(out / WORK, source, settings).shard), source.id, source.speaker)
        for source in chunk.videos
        if results[source.id].status == "ok"
    ]
    ordered = [results[source.id] for source in chunk.videos]
    done = ChunkResult(chunk.name, chunk.split, None, "", 0, ordered, settings.digest)
    if parts:
        path = out / chunk.shard
        merge_shards(path, parts, {"split": chunk.split, "settings": settings.digest})
        done = replace(done, shard=chunk.shard, sha256=sha256_of(path), bytes=path.stat().st_size)
    save_chunk(chunk_file(out, chunk.name), done)
    return done


def has_parts(out: Path, settings: Settings) -> bool:
    """Whether there is any work on single videos that could be cleared away."""
    folder = video_files(out / WORK, settings.digest, "any")[0].parent
    return folder.is_dir() and any(folder.iterdir())


def clear_parts(out: Path, chunk: Chunk, settings: Settings) -> int:
    """Remove the work on single videos of a finished chunk, whose shard stands for them; returns the bytes freed."""
    freed = 0
    for source in chunk.videos:
        files = work_files(out / WORK, source, settings)
        for path in (files.result, files.shard):  # in this order: a result without its shard would be in the way
            freed += drop_own_file(out, path)
    return freed
