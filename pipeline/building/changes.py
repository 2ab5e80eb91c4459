"""What has become of the sources of finished work: changed, gone, new."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline import log
from pipeline.building.earlier import set_aside
from pipeline.building.plan import Plan
from pipeline.building.record import ChunkResult, load_chunks, save_chunk
from pipeline.content import has_changed, stamp_of
from pipeline.corpora.source import Source, named
from pipeline.errors import DatasetError
from pipeline.files import regular_size, sha256_of
from pipeline.layout import DATASET_FILE, MANIFEST_FILE, chunk_file
from pipeline.manifest import read_rows, result_of_row
from pipeline.result import VideoResult, blank
from pipeline.shards.dataset import contents_digest, open_dataset

READERS = 4  # files read at a time to see whether they have changed


@dataclass(frozen=True)
class Changes:
    """Sources of finished work, by id."""

    changed: list[str] = field(default_factory=list)  # hold something else now
    gone: list[str] = field(default_factory=list)  # are not there any more

    def __str__(self) -> str:
        changed = f"{len(self.changed)} of its sources changed since ({named(self.changed)}); they are read again"
        return changed if self.changed else ""


def find_changes(out: Path, root: Path, plan: Plan) -> Changes:
    """Compare the sources of finished chunks with what they were; chunks with a changed one are to be made again.

    Size and times are the quick test; where they differ, the SHA-256 decides.

    Args:
        out: the dataset's folder. What is found out is noted there, unless it cannot be written.
        root: the corpus root; where it is not there, nothing can be said.

    Raises:
        OSError: a source cannot be read for a reason that is not its own.
    """
    if not root.is_dir():
        return Changes()
    records = load_chunks(chunk_file(out, chunk.name) for chunk in plan.chunks)
    paths = {source.id: root / source.path for source in plan.videos}
    now = {result.id: stamp_of(paths[result.id]) for record in records for result in record.results}
    doubtful = {result.id: result for record in records for result in record.results if now[result.id] != result.stamp}
    gone = sorted(name for name in doubtful if not now[name])
    looked_at = [name for name in doubtful if now[name]]
    with ThreadPoolExecutor(READERS) as threads:
        answers = threads.map(
            lambda name: has_changed(paths[name], doubtful[name].stamp, doubtful[name].sha256), looked_at
        )
        bar = log.progress(
            answers, "reading sources whose time has changed", total=len(looked_at), unit="videos", delay=1
        )
        changed = {name for name, is_new in zip(looked_at, bar, strict=True) if is_new}
    if looked_at and os.access(out, os.W_OK):
        _note(out, records, {name: now[name] for name in looked_at}, changed)
    return Changes(sorted(changed), gone)


def _note(out: Path, records: Sequence[ChunkResult], stamps: dict[str, str], changed: set[str]) -> None:
    """Set the chunks with a changed source aside; remember the stamps of the others, so as not to read them again."""
    if changed:
        (out / DATASET_FILE).unlink(missing_ok=True)
    for record in records:
        results = [
            replace(result, stamp=stamps[result.id]) if result.id in stamps and result.id not in changed else result
            for result in record.results
        ]
        path = chunk_file(out, record.name)
        if load_chunks([path]) != [record]:
            continue  # another host has seen to it meanwhile
        if results != record.results:
            save_chunk(path, replace(record, results=results))
        if any(result.id in changed for result in results):
            set_aside(out, path)


def listed_changes(known: Sequence[str], now: Sequence[str], gone: Sequence[str]) -> list[str]:
    """What has come to a corpus and gone from it since it was listed, in lines for the terminal.

    Args:
        known: ids as they were listed.
        now: as they are listed now.
        gone: ids whose source was found missing.
    """
    come, left = sorted(set(now) - set(known)), sorted({*gone} | (set(known) - set(now)))
    lines = []
    if come:
        lines.append(f"{len(come)} clips have come to the corpus since ({named(come)}); --rescan takes them in")
    if left:
        lines.append(
            f"{len(left)} clips are gone from the corpus since ({named(left)}); what was made of them is kept, "
            "--rescan drops it"
        )
    return lines


def restore_records(out: Path, plan: Plan) -> None:
    """Make the records of a finished dataset again, of which somebody has deleted `work/`."""
    if not os.access(out, os.W_OK) or not (contents := _sound_contents(out)):
        return
    shards = {Path(shard["path"]).stem: shard for shard in contents["shards"]}
    chunks = {chunk.name: chunk for chunk in plan.chunks if chunk.name in shards or contents["plan"] == plan.digest}
    missing = [name for name in {**shards, **chunks} if not chunk_file(out, name).is_file()]
    if not missing:
        return
    rows = {row["id"]: row for row in read_rows(out / MANIFEST_FILE)}
    for name in missing:
        shard = shards.get(name, {"path": None, "split": name.partition("-")[0], "sha256": "", "bytes": 0})
        results = (
            [_result(rows[video.id], video) for video in chunks[name].videos]
            if name in chunks
            else [result_of_row(row) for row in rows.values() if row["shard"] == shard["path"] and _is_plain(row)]
        )
        about = (shard["split"], shard["path"], shard["sha256"], shard["bytes"], results, contents["config_digest"])
        save_chunk(chunk_file(out, name), ChunkResult(name, *about))


def _sound_contents(out: Path) -> dict[str, Any]:
    """A finished dataset's table of contents, if it and the manifest are what the build wrote."""
    try:
        contents = open_dataset(out).contents
        regular_size(out / MANIFEST_FILE, kind=DatasetError, follow=False)
        sound = (
            contents.get("contents_sha256") == contents_digest(contents)
            and contents.get("manifest_sha256") == sha256_of(out / MANIFEST_FILE)
            and all({"sha256", "bytes"} <= shard.keys() for shard in contents["shards"])
            and {"plan", "config_digest"} <= contents.keys()
        )
    except (OSError, DatasetError):
        return {}
    return dict(contents) if sound else {}


def _result(row: Mapping[str, str], video: Source) -> VideoResult:
    return replace(result_of_row(row), path=blank(video).path, excluded=blank(video).excluded)


def _is_plain(row: Mapping[str, str]) -> bool:
    """Whether a row tells all about its video: not which frames the user did not want."""
    return row.get("dropped_excluded", "0") == "0"
