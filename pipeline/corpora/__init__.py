"""The corpora as they lie on disk: which files are clips, who speaks in each, and which split each belongs to."""

from pipeline.corpora.exclude import exclude
from pipeline.corpora.faceforensics import scan_faceforensics
from pipeline.corpora.folder import scan_folder
from pipeline.corpora.source import (
    Clip,
    Inventory,
    Skipped,
    Source,
    as_inventory,
    left_aside_lines,
    named,
    warned_of_single_clips,
    warned_of_splits,
)
from pipeline.corpora.splits import seeded_splits
from pipeline.corpora.table import clip_of, scan_table, table_digest
from pipeline.corpora.timit import scan_timit
from pipeline.corpora.tree import VIDEO_SUFFIXES, video_tree

__all__ = [
    "VIDEO_SUFFIXES",
    "Clip",
    "Inventory",
    "Skipped",
    "Source",
    "as_inventory",
    "clip_of",
    "exclude",
    "left_aside_lines",
    "named",
    "scan_faceforensics",
    "scan_folder",
    "scan_table",
    "scan_timit",
    "seeded_splits",
    "table_digest",
    "video_tree",
    "warned_of_single_clips",
    "warned_of_splits",
]
