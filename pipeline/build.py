"""Building a dataset: from a plan to shards, manifest and `dataset.json`; what the Luigi tasks call."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from pipeline.errors import BuildError
from pipeline.files import atomic_write, sha256_of
from pipeline.manifest import ManifestRow, write_manifest
from pipeline.plan import Chunk, Plan
from pipeline.prepare import DROP_REASONS, VideoResult, places, prepare_video
from pipeline.settings import Settings
from pipeline.shards import dataset_digest, merge_shards
from pipeline.shards.dataset import DATASET_FILE
from pipeline.shards.schema import DATASET_SCHEMA

# The packages whose version can change a shard's bytes.
PACKAGES = ("dlib-bin", "h5py", "hdf5plugin", "imageio-ffmpeg", "numpy", "opencv-python-headless", "pillow")


@dataclass(frozen=True)
class ChunkResult:
    """A finished chunk: its shard, if any video arrived, and what became of each video."""

    name: str
    split: str
    shard: str | None  # path below the dataset
    sha256: str
    bytes: int
    results: list[VideoResult] = field(default_factory=list)


def build_chunk(
    out: Path, root: Path, chunk: Chunk, settings: Settings, landmark_model: Path | None, jobs: int = 1
) -> ChunkResult:
    """Prepare the videos of a chunk, each kept as soon as it is done, and merge them into one shard.

    Args:
        out: the dataset's folder.
        root: the corpus root.
        jobs: processes inside the chunk (joblib).

    Raises:
        FlnetError, OSError: what is no fault of a video, such as a full disk; run again to go on.
    """
    work = out / "work"
    results: list[VideoResult] = Parallel(n_jobs=jobs)(
        delayed(prepare_video)(root, source, settings, work, landmark_model) for source in chunk.videos
    )
    put = [places(work, source, settings) for source in chunk.videos]
    parts = [place.shard for place, result in zip(put, results, strict=True) if result.status == "ok"]
    path = out / chunk.shard
    if parts:
        merge_shards(path, parts, {"split": chunk.split, "settings": settings.digest})
        done = ChunkResult(chunk.name, chunk.split, chunk.shard, sha256_of(path), path.stat().st_size, results)
    else:
        done = ChunkResult(chunk.name, chunk.split, None, "", 0, results)
    save_chunk(chunk_file(out, chunk), done)
    for place in put:  # the chunk's file stands for them now
        place.shard.unlink(missing_ok=True)
        place.result.unlink(missing_ok=True)
    return done


def chunk_file(out: Path, chunk: Chunk) -> Path:
    """Where a finished chunk is recorded."""
    return out / "work" / "chunks" / f"{chunk.name}.json"


def chunk_done(out: Path, chunk: Chunk) -> bool:
    """Whether a chunk is recorded as finished and its shard is there in full length."""
    path = chunk_file(out, chunk)
    return path.is_file() and _shard_there(out, load_chunk(path))


def _shard_there(out: Path, done: ChunkResult) -> bool:
    if done.shard is None:
        return True
    shard = out / done.shard
    return shard.is_file() and shard.stat().st_size == done.bytes


def save_chunk(path: Path, done: ChunkResult) -> None:
    """Record a finished chunk."""
    values = {**vars(done), "results": [vars(result) for result in done.results]}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values), encoding="utf-8")


def load_chunk(path: Path) -> ChunkResult:
    """The inverse of `save_chunk`.

    Raises:
        BuildError: the file is damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return ChunkResult(**{**values, "results": [VideoResult(**result) for result in values["results"]]})
    except (ValueError, TypeError, KeyError) as error:
        raise BuildError(f"{path}: cannot be read ({error}); delete it and build again") from error


def dataset_done(out: Path, plan: Plan) -> bool:
    """Whether `dataset.json` is that of this plan and all its shards are there in full length."""
    try:
        contents = json.loads((out / DATASET_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if contents.get("schema") != DATASET_SCHEMA or contents.get("plan") != plan.digest:
        return False
    shards = [(out / shard["path"], shard["bytes"]) for shard in contents["shards"]]
    return all(path.is_file() and path.stat().st_size == size for path, size in shards)


def finish(out: Path, root: Path, plan: Plan, max_failures: float) -> dict[str, Any]:
    """Write the manifest, then `dataset.json`; drop the shards of earlier builds in the same folder.

    Args:
        max_failures: fraction of the videos that may fail.

    Returns:
        The contents of `dataset.json`.

    Raises:
        BuildError: more videos failed, or none arrived. The manifest is written all the same, the dataset is not.
    """
    chunks = [load_chunk(chunk_file(out, chunk)) for chunk in plan.chunks]
    rows = [ManifestRow(result, root, done.shard) for done in chunks for result in done.results]
    write_manifest(out / "manifest.csv", rows)
    results = [row.result for row in rows]
    _judge(out, results, max_failures)
    shards = [
        {
            "path": done.shard,
            "split": done.split,
            "sha256": done.sha256,
            "bytes": done.bytes,
            "videos": sum(result.status == "ok" for result in done.results),
            "frames": sum(result.frames_kept for result in done.results if result.status == "ok"),
        }
        for done in chunks
        if done.shard is not None
    ]
    contents = {
        "schema": DATASET_SCHEMA,
        "corpus": plan.corpus,
        "plan": plan.digest,
        "digest": dataset_digest({str(shard["path"]): str(shard["sha256"]) for shard in shards}),
        "config": plan.settings.to_dict(),
        "config_digest": plan.settings.digest,
        "packages": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "splits": _splits(results),
        "counts": _counts(results),
        "shards": shards,
    }
    with atomic_write(out / DATASET_FILE) as temporary:
        temporary.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
    _drop_strangers(out, {str(shard["path"]) for shard in shards})
    return contents


def summary(out: Path, contents: Mapping[str, Any]) -> str:
    """What was built, in a few lines for the terminal."""
    counts = contents["counts"]
    failed = ", ".join(f"{count} {reason}" for reason, count in counts["videos_failed"].items())
    dropped = ", ".join(f"{count} {reason}" for reason, count in counts["frames_dropped"].items() if count)
    lines = [
        f"{out}: {counts['videos_ok']} of {counts['videos']} videos" + (f" (failed: {failed})" if failed else ""),
        f"  {counts['frames_kept']} of {counts['frames_seen']} frames" + (f" (dropped: {dropped})" if dropped else ""),
        *(
            f"  {split}: {size['speakers']} speakers, {size['videos']} videos, {size['frames']} frames"
            for split, size in contents["splits"].items()
        ),
        f"  digest {contents['digest']}",
    ]
    return "\n".join(lines)


def _judge(out: Path, results: Sequence[VideoResult], max_failures: float) -> None:
    failed = [result for result in results if result.status != "ok"]
    if len(failed) == len(results) or len(failed) > max_failures * len(results):
        reasons = Counter(result.error.split(":")[0] for result in failed)
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        raise BuildError(
            f"{out / 'manifest.csv'}: {len(failed)} of {len(results)} videos failed ({listed}), more than "
            f"--max-failures {max_failures:g} allows; "
            "see the column 'error', then mend them or allow more: finished work is kept"
        )


def _splits(results: Iterable[VideoResult]) -> dict[str, dict[str, int]]:
    arrived: dict[str, list[VideoResult]] = {}
    for result in results:
        if result.status == "ok":
            arrived.setdefault(result.split, []).append(result)
    return {
        split: {
            "speakers": len({result.speaker for result in ours}),
            "videos": len(ours),
            "frames": sum(result.frames_kept for result in ours),
        }
        for split, ours in sorted(arrived.items())
    }


def _counts(results: Sequence[VideoResult]) -> dict[str, Any]:
    failures = Counter(result.error.split(":")[0] for result in results if result.status != "ok")
    return {
        "videos": len(results),
        "videos_ok": sum(result.status == "ok" for result in results),
        "videos_failed": dict(sorted(failures.items())),
        "frames_seen": sum(result.frames_seen for result in results),
        "frames_kept": sum(result.frames_kept for result in results if result.status == "ok"),
        "frames_dropped": {reason: sum(r.drops.get(reason, 0) for r in results) for reason in DROP_REASONS},
    }


def _drop_strangers(out: Path, ours: set[str]) -> None:
    """Shards that `dataset.json` no longer names: of other settings, or of a list that has changed."""
    for path in sorted((out / "shards").glob("*/*.h5")):
        if path.relative_to(out).as_posix() not in ours:
            path.unlink()
            chunk = out / "work" / "chunks" / f"{path.stem}.json"
            chunk.unlink(missing_ok=True)
