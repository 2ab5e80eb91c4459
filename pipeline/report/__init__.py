"""The report: a dataset as a page that one can look at (`python -m pipeline report out/`)."""

from __future__ import annotations

from pathlib import Path

from pipeline.files import atomic_write
from pipeline.layout import report_page
from pipeline.report.drops import drop_examples
from pipeline.report.gather import gather
from pipeline.report.page import render
from pipeline.report.pictures import video_pictures
from pipeline.report.rows import choose_pictured, page_data
from pipeline.report.suspicion import find_signs
from pipeline.shards import open_dataset

__all__ = ["PICTURES", "write_report"]

PICTURES = 160  # videos whose pictures are part of the page, some 20 kB each


def write_report(root: Path, pictures: int = PICTURES, progress: bool = False, sources: Path | None = None) -> Path:
    """Write `<root>/report/index.html`; the same dataset gives the same bytes.

    Args:
        root: the dataset's folder.
        pictures: show pictures of at most so many videos: those with the gravest signs, and one of each speaker.
        progress: show bars for what takes over a second.
        sources: the corpus root, to show a dropped frame of each kind from the source videos; None shows none.

    Returns:
        The page.

    Raises:
        DatasetError: there is no finished dataset, or part of it is missing or damaged.
    """
    gathered = gather(open_dataset(root), progress)
    signs = find_signs(gathered.entries)
    chosen = choose_pictured(gathered.entries, signs, pictures)
    shown = video_pictures(gathered.entries, chosen, progress)
    page = render(gathered, drop_examples(gathered, sources, progress), page_data(gathered.entries, signs, shown))
    path = report_page(root)
    with atomic_write(path) as temporary:  # names of files need not be UTF-8: what is not is shown as \udcXX
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path
