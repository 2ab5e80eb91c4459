"""Finishing a dataset: from finished chunks to the manifest and `dataset.json`; what the Luigi tasks call."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.building.earlier import forget_earlier
from pipeline.building.plan import Plan
from pipeline.building.record import ChunkResult, load_chunk
from pipeline.building.upkeep import tidy
from pipeline.cli import printable
from pipeline.corpora import left_aside_lines, named
from pipeline.errors import BuildError, DatasetError
from pipeline.files import atomic_write, drop_own_file, is_own_file, sha256_of, walk_own
from pipeline.layout import DATASET_FILE, MANIFEST_FILE, SHARDS, chunk_file
from pipeline.manifest import ManifestRow, write_manifest
from pipeline.result import DROP_REASONS, REQUIRED, VideoResult
from pipeline.shards import dataset_digest, open_dataset
from pipeline.shards.dataset import contents_digest
from pipeline.shards.schema import DATASET_SCHEMA, SHARD_NAME

# The packages whose version can change a shard's bytes.
PACKAGES = ("av", "dlib-bin", "h5py", "hdf5plugin", "numba", "numpy", "opencv-python-headless")


def dataset_done(out: Path, plan: Plan, notes: Mapping[str, Any] | None = None) -> bool:
    """Whether `dataset.json` is that of this plan and all its shards are there in full length.

    Args:
        notes: what `finish` is to note beside; a dataset of an earlier version, which has no such notes, is done too.
    """
    try:
        contents = open_dataset(out).contents
    except (OSError, DatasetError):
        return False
    if contents.get("contents_sha256") != contents_digest(contents):
        return False  # damaged: it is written anew
    if contents.get("plan") != plan.digest or not is_own_file(out, out / MANIFEST_FILE):
        return False
    if any(contents.get(name, note) != note for name, note in (notes or {}).items()):
        return False
    shards = [(out / shard["path"], shard.get("bytes")) for shard in contents["shards"]]
    return all(is_own_file(out, path) and path.stat().st_size == size for path, size in shards)


def finish(
    out: Path, root: Path, plan: Plan, max_failures: float, notes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write the manifest, then `dataset.json`; drop the shards and leftovers of earlier builds in the same folder.

    Args:
        max_failures: fraction of the videos that may fail.
        notes: plain values for `dataset.json` that change no shard: where banks come from, what was left aside.

    Returns:
        The contents of `dataset.json`.

    Raises:
        BuildError: more videos failed, or none arrived. The manifest is written all the same, the dataset is not.
    """
    # The manifest first, whatever the verdict: it says which videos failed, and why.
    chunks = [load_chunk(chunk_file(out, chunk.name)) for chunk in plan.chunks]
    rows = [ManifestRow(result, root, done.shard) for done in chunks for result in done.results]
    write_manifest(out / MANIFEST_FILE, rows)
    results = [row.result for row in rows]
    if (verdict := _verdict(out, results, max_failures)) is not None:
        _forget_records(out, plan, chunks)
        raise verdict
    # What a reader needs to find and check every shard without opening it.
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
        "splits": splits_of(results),
        "counts": counts_of(results),
        **(notes or {}),
        "same_content": _same_content(results),
        "shards": shards,
        "manifest_sha256": sha256_of(out / MANIFEST_FILE),
    }
    contents["contents_sha256"] = contents_digest(contents)
    # From here on the dataset is there, and complete.
    with atomic_write(out / DATASET_FILE) as temporary:
        temporary.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
    # Only now is it certain that nobody needs what it does not name.
    _remove_stale_shards(out, {str(shard["path"]) for shard in shards})
    forget_earlier(out, plan)
    if removed := tidy(out, plan):
        print(printable(removed))
    return contents


def forget_transient(out: Path, plan: Plan) -> None:
    """Have a finished build try those videos again whose failure may have been a matter of circumstances."""
    chunks = [load_chunk(path) for chunk in plan.chunks if (path := chunk_file(out, chunk.name)).is_file()]
    if any(done.is_transient for done in chunks):
        (out / DATASET_FILE).unlink(missing_ok=True)
        _forget_records(out, plan, chunks)


def _forget_records(out: Path, plan: Plan, chunks: Sequence[ChunkResult]) -> None:
    places = {chunk.name: chunk_file(out, chunk.name) for chunk in plan.chunks}
    for done in chunks:
        if done.is_transient:
            places[done.name].unlink(missing_ok=True)


def summary(out: Path, contents: Mapping[str, Any]) -> str:
    """What was built, in a few lines for the terminal."""
    counts = contents["counts"]
    failed = ", ".join(f"{count} {reason}" for reason, count in counts["videos_failed"].items())
    dropped = ", ".join(f"{count} {reason}" for reason, count in counts["frames_dropped"].items() if count)
    left_aside, warned = contents.get("left_aside"), counts.get("videos_warned", 0)
    lines = [
        f"{out}: {counts['videos_ok']} of {counts['videos']} videos" + (f" (failed: {failed})" if failed else ""),
        f"  {counts['frames_kept']} of {counts['frames_seen']} frames" + (f" (dropped: {dropped})" if dropped else ""),
        *(
            f"  {split}: {size['speakers']} speakers, {size['videos']} videos, {size['frames']} frames"
            for split, size in contents["splits"].items()
        ),
        *(f"  left aside: {line}" for line in (left_aside_lines(left_aside) if left_aside else ())),
        *(f"  warning: {line}" for line in (*contents.get("warnings", ()), *contents.get("same_content", ()))),
        *([f"  {_with_warnings(warned)}, see the column 'warning' of {MANIFEST_FILE}"] if warned else ()),
        f"  digest {contents['digest']}",
    ]
    return "\n".join(map(printable, lines))


def _with_warnings(count: int) -> str:
    return "1 video has a warning" if count == 1 else f"{count} videos have warnings"


def _same_content(results: Iterable[VideoResult]) -> list[str]:
    """Warnings of files that are the same to the byte, but not of one speaker."""
    alike: dict[str, list[VideoResult]] = {}
    for result in results:
        if result.sha256:
            alike.setdefault(result.sha256, []).append(result)
    warnings = []
    for group in alike.values():
        several = len({result.path or result.id for result in group}) > 1  # and not many clips cut from one file
        if several and len({result.speaker for result in group}) > 1:
            splits = sorted({result.split for result in group})
            where = f"in {' and in '.join(splits)}" if len(splits) > 1 else f"all in {splits[0]}"
            warnings.append(
                f"{len(group)} files of different speakers are the same ({named(result.id for result in group)}), "
                f"{where}: name them in --exclude, or give them one speaker"
            )
    return warnings


def _verdict(out: Path, results: Sequence[VideoResult], max_failures: float) -> BuildError | None:
    lost = [result for result in results if result.status != "ok"]
    failed = [result for result in lost if result.reason != REQUIRED]  # those are as the user wants it
    if len(lost) < len(results) and len(failed) <= max_failures * len(results):
        return None
    reasons = Counter(result.reason for result in failed)
    listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return BuildError(
        f"{out / MANIFEST_FILE}: {len(failed)} of {len(results)} videos failed ({listed}), more than "
        f"--max-failures {max_failures:g} allows; "
        "see the column 'error', then mend them or allow more: finished work is kept"
    )


def splits_of(results: Iterable[VideoResult]) -> dict[str, dict[str, int]]:
    """What `dataset.json` says of each split: speakers, videos and frames that arrived."""
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


def counts_of(results: Sequence[VideoResult]) -> dict[str, Any]:
    """What `dataset.json` says of all videos: how many arrived, failed and why, and frames likewise."""
    failures = Counter(result.reason for result in results if result.status != "ok")
    return {
        "videos": len(results),
        "videos_ok": sum(result.status == "ok" for result in results),
        "videos_failed": dict(sorted(failures.items())),
        "videos_warned": sum(bool(result.warning) for result in results),
        "frames_seen": sum(result.frames_seen for result in results),
        "frames_kept": sum(result.frames_kept for result in results if result.status == "ok"),
        "frames_dropped": {reason: sum(r.drops.get(reason, 0) for r in results) for reason in DROP_REASONS},
    }


def _remove_stale_shards(out: Path, ours: set[str]) -> None:
    """Shards that `dataset.json` no longer names: of other settings, or of a list that has changed.

    Only files that a build named, in the dataset's own folders.
    """
    for path in walk_own(out / SHARDS):
        name = path.relative_to(out)
        if name.as_posix() not in ours and len(name.parts) == 3 and SHARD_NAME.fullmatch(name.name):
            drop_own_file(out, path)
