"""What a page lets its reader do: leave videos out, and build again; told as the command and the list that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.building.plan import load_plan
from pipeline.corpora.exclude import line_for
from pipeline.errors import FlnetError
from pipeline.layout import plan_file
from pipeline.run_file import RUN_FILE, command_in
from pipeline.shards import Dataset


def acting_data(root: Path, ids: Sequence[str], earlier: Sequence[str] = (), lost: int = 0) -> dict[str, Any]:
    """What the script needs to know beside the videos.

    Args:
        root: the dataset's folder.
        ids: of the videos.
        earlier: lines of what is left out already, which a new list must say again.
        lost: clips of which frames were left out that nobody knows any more.

    Returns:
        `command` that built it ("build folder"; "" where that is not known), `unlisted`: places of videos whose ids no
        line can name, `earlier` and `lost`.
    """
    command = command_in(root / RUN_FILE)
    unlisted = [place for place, name in enumerate(ids) if line_for(name) is None]
    return {
        "command": command if command.startswith("build ") else "",
        "unlisted": unlisted,
        "earlier": list(earlier),
        "lost": lost,
    }


def left_out(dataset: Dataset) -> tuple[list[str], int]:
    """The lines of what a dataset was built without, and of how many clips the frames are not known any more."""
    left_aside = dataset.contents.get("left_aside")
    excluded = left_aside.get("excluded") if isinstance(left_aside, dict) else None
    if not isinstance(excluded, dict):
        return [], 0
    clips, frames_of = _listed(excluded.get("clips")), _listed(excluded.get("frames_of"))
    lines = [line_for(name) for name in clips] + _lines_of_frames(dataset, set(frames_of))
    known = [line for line in lines if line is not None]
    return known, len(clips) + len(frames_of) - len(known)


def _listed(names: Any) -> list[str]:
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _lines_of_frames(dataset: Dataset, ids: set[str]) -> list[str | None]:
    """Which frames, the plan knows, as long as `work/` is there."""
    plan = dataset.contents.get("plan")
    if not ids or not isinstance(plan, str) or not plan.isalnum():
        return []
    try:
        videos = load_plan(plan_file(dataset.root, plan)).videos
    except FlnetError:
        return []
    return [line_for(video.id, video.excluded) for video in videos if video.id in ids and video.excluded]
