"""From a folder of talking-face videos to a dataset for FLNet: `luigi --module pipeline BuildTimit`."""

import pipeline.interrupts  # noqa: F401, I001 - first of all: it watches for Ctrl-C while the rest is loaded

from pipeline.building import luigi_defaults
from pipeline.building.luigi_tasks import Build
from pipeline.corpora import Source, video_tree
from pipeline.tasks import BuildFaceForensics, BuildFolder, BuildSample, BuildTable, BuildTimit

luigi_defaults.apply()

__all__ = [
    "Build",
    "BuildFaceForensics",
    "BuildFolder",
    "BuildSample",
    "BuildTable",
    "BuildTimit",
    "Source",
    "video_tree",
]
