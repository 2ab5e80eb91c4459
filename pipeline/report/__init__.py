"""The report: a dataset as a page that one can look at and act on (`flnet report out/`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import log
from pipeline.errors import DatasetError
from pipeline.files import atomic_write, drop_own_file, has_no_link
from pipeline.layout import report_page, report_part, report_parts
from pipeline.report.acting import acting_data, left_out
from pipeline.report.clips import MOST_BYTES, video_clips
from pipeline.report.drops import drop_examples
from pipeline.report.gather import Gathered, gather
from pipeline.report.page import render
from pipeline.report.pictures import video_pictures
from pipeline.report.rows import choose_pictured, choose_played, page_data, take_apart
from pipeline.report.suspicion import find_signs
from pipeline.report.unfinished import render_unfinished, standing
from pipeline.shards import open_dataset

__all__ = ["CLIPS", "MOST_TOGETHER", "PICTURES", "write_report"]

PICTURES = 160  # videos whose pictures are part of the page, some 20 kB each
CLIPS = 40  # videos whose clips are, where clips are wanted
MOST_TOGETHER = 5000  # videos, beyond which the page keeps what only their sheets show in files beside it
APART = 500  # videos in such a file, some 200 kB


def write_report(
    root: Path,
    pictures: int = PICTURES,
    progress: bool = False,
    sources: Path | None = None,
    clips: int = 0,
    jobs: int = 1,
) -> Path:
    """Write `<root>/report/index.html`; the same dataset gives the same bytes.

    Of more than `MOST_TOGETHER` videos, files lie beside the page, which it reads when it shows a video.

    Of a build that has not come to its end the page says how far it is, what failed, and how to go on.

    Args:
        root: the dataset's folder.
        pictures: show pictures of at most so many videos: those with the gravest signs, and one of each speaker.
        progress: show bars for what takes over a second.
        sources: the corpus root, to show a dropped frame of each kind from the source videos; None shows none.
        clips: play a clip of at most so many videos: those with signs, then one of each speaker.
        jobs: processes that measure shards side by side; the page does not depend on it.

    Returns:
        The page.

    Raises:
        DatasetError: there is neither a finished dataset nor a build, or part of it is missing or damaged.
    """
    unfinished = standing(root)
    if unfinished is not None:
        log.warn(f"{root}: no finished dataset yet: the page says how far its build is")
        return _write(root, render_unfinished(root, unfinished))
    gathered = gather(open_dataset(root), progress, jobs)
    data = _data(gathered, pictures, clips, progress)
    parts = list(take_apart(data, APART)) if len(gathered.entries) > MOST_TOGETHER else []
    if parts:
        log.note(
            f"figures of single videos are in {len(parts)} files beside the page: who is to see it needs the folder"
        )
    return _write(root, render(gathered, drop_examples(gathered, sources, progress), data), parts)


def _data(gathered: Gathered, pictures: int, clips: int, progress: bool) -> dict[str, Any]:
    entries = gathered.entries
    signs = find_signs(entries)
    shown = video_pictures(entries, choose_pictured(entries, signs, pictures), progress)
    played = video_clips(entries, choose_played(entries, signs, clips), progress)
    if clips:
        size = sum(clip.bytes for clip in played.values())
        arrived = sum(entry.arrived for entry in entries)
        log.note(
            f"{len(played)} of {arrived} videos have a clip ({size / 1e6:.1f} MB in all, at most "
            f"{MOST_BYTES // 1000} kB each): those with signs first, then one of each speaker"
        )
    data = page_data(entries, signs, shown, played, gathered.dataset.frame_size)
    data["acting"] = acting_data(gathered.dataset.root, [entry.id for entry in entries], *left_out(gathered.dataset))
    data["digest"] = gathered.dataset.digest
    return data


def _write(root: Path, page: str, parts: Sequence[str] = ()) -> Path:
    path = report_page(root)
    if not has_no_link(root, path.parent):
        raise DatasetError(f"{path.parent}: must be no link, the page would lie elsewhere; take it away")
    places = [report_part(root, number) for number in range(1, len(parts) + 1)]
    for place, part in zip(places, parts, strict=True):
        with atomic_write(place) as temporary:
            temporary.write_text(part, encoding="ascii")
    with atomic_write(path) as temporary:  # names of files need not be UTF-8: what is not is shown as \udcXX
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    for old in set(report_parts(root)) - set(places):  # of an earlier, larger dataset
        drop_own_file(root, old)
    return path
