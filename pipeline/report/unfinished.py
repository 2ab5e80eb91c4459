"""The page of a build that is under way, was stopped or has failed: what is done, what failed and why, how to go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.building.plan import Plan, load_inventory, load_plan
from pipeline.building.record import load_chunks
from pipeline.corpora.exclude import line_for
from pipeline.errors import BuildError, DatasetError, FlnetError
from pipeline.layout import DATASET_FILE, WORK, chunk_file, inventory_files, lock_file, plan_files
from pipeline.locks import is_taken
from pipeline.preparing.video import work_files
from pipeline.report.acting import acting_data
from pipeline.report.page import CORPORA, FailedVideo, Tile, failures_of, filled, tile
from pipeline.result import VideoResult, load_any_result

FAILURES_LISTED = 200  # a reason
SCRIPTS = ("dom.js", "choose.js", "fold.js", "unfinished.js")


@dataclass(frozen=True)
class Standing:
    """How far a build is.

    Attributes:
        plan: what it is to make.
        results: of the videos that it is through with, by id.
        chunks_done: finished shards.
        at_work: whether a program is building here now.
    """

    plan: Plan
    results: Mapping[str, VideoResult]
    chunks_done: int
    at_work: bool

    @property
    def failed(self) -> list[VideoResult]:
        """Those that gave nothing, sorted by id."""
        return sorted((one for one in self.results.values() if one.status != "ok"), key=lambda one: one.id)


class SplitStanding(NamedTuple):
    """A row of the table of splits."""

    name: str
    videos: int
    done: int
    failed: int


def standing(root: Path) -> Standing | None:
    """How far the newest build in a folder is; None where it is finished, or none was begun.

    Raises:
        DatasetError: its plan is damaged.
    """
    if (root / DATASET_FILE).exists() or not (plans := plan_files(root)):
        return None
    try:
        plan = load_plan(plans[-1])
    except BuildError as error:
        raise DatasetError(str(error)) from error
    records = load_chunks(chunk_file(root, chunk.name) for chunk in plan.chunks)
    results = {result.id: result for record in records for result in record.results}
    for source in plan.videos:
        if source.id not in results:
            found = load_any_result(work_files(root / WORK, source, plan.settings).result)
            if found is not None:
                results[source.id] = found
    ours = {source.id for source in plan.videos}
    results = {name: result for name, result in results.items() if name in ours}
    return Standing(plan, results, len(records), is_taken(lock_file(root)))


def render_unfinished(root: Path, found: Standing) -> str:
    """The whole page (`templates/unfinished.html`)."""
    videos = found.plan.videos
    failed = found.failed
    speakers = sorted({result.speaker for result in failed})
    data = {
        "speakers": [{"name": name} for name in speakers],
        "kinds": [],
        "digest": found.plan.digest,
        "videos": {
            "id": [result.id for result in failed],
            "speaker": [speakers.index(result.speaker) for result in failed],
            "ok": [0 for _ in failed],
            "error": [result.error for result in failed],
            "signs": [0 for _ in failed],
        },
        "acting": acting_data(root, [result.id for result in failed], *_left_out(root, found.plan)),
    }
    listed = [FailedVideo(place, result.id, result.error) for place, result in enumerate(failed)]
    return filled(
        "unfinished.html",
        SCRIPTS,
        data,
        name=CORPORA.get(found.plan.corpus, found.plan.corpus),
        state=_state(found),
        at_work=found.at_work,
        tiles=_tiles(found),
        splits=[_split(found, name) for name in sorted({source.split for source in videos})],
        failures=failures_of(listed, FAILURES_LISTED),
        some_failed=bool(failed),
        may_end_otherwise=any(result.is_transient for result in failed),
    )


def _left_out(root: Path, plan: Plan) -> tuple[list[str], int]:
    """The lines of what is left out already, and how many clips no line can name."""
    lines = [line_for(video.id, video.excluded) for video in plan.videos if video.excluded]
    ours = {video.id for video in plan.videos}
    for path in reversed(inventory_files(root)):
        try:
            listed = {source.id for source in load_inventory(path)}
        except FlnetError:
            continue
        if ours <= listed:  # the list that the plan was made of
            lines += [line_for(name) for name in sorted(listed - ours)]
            break
    known = [line for line in lines if line is not None]
    return known, len(lines) - len(known)


def _state(found: Standing) -> str:
    """In a sentence."""
    done, total, failed = len(found.results), len(found.plan.videos), len(found.failed)
    if found.at_work:
        return f"A build is at work: {done:,} of {total:,} videos are through. This page does not follow it."
    if done < total:
        return f"The build was stopped: {done:,} of {total:,} videos are through. What is done is kept."
    if failed:
        return f"The build failed: {failed:,} of {total:,} videos gave nothing, which is more than it was to allow."
    return "Every video is through, but the build did not come to its end."


def _tiles(found: Standing) -> list[Tile]:
    arrived = [result for result in found.results.values() if result.status == "ok"]
    chunks, seen = len(found.plan.chunks), sum(result.frames_seen for result in arrived)
    return [
        tile(len(found.results), "video", f"of {len(found.plan.videos):,} are through"),
        Tile(len(found.failed), "failed", "reasons below" if found.failed else "so far"),
        tile(sum(result.frames_kept for result in arrived), "frame", f"of {seen:,}"),
        tile(found.chunks_done, "shard", f"of {chunks:,} are finished"),
    ]


def _split(found: Standing, name: str) -> SplitStanding:
    ours = [source.id for source in found.plan.videos if source.split == name]
    done = [found.results[video] for video in ours if video in found.results]
    return SplitStanding(name, len(ours), len(done), sum(result.status != "ok" for result in done))
