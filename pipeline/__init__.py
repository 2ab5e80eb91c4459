"""From a folder of talking-face videos to a dataset for FLNet: `luigi --module pipeline BuildTimit`.

Luigi is loaded with the tasks: where Luigi imports this package to find them, or when somebody asks for one. Whoever
reads a finished dataset goes without.
"""

import pipeline.interrupts  # noqa: F401, I001 - first of all: it watches for Ctrl-C while the rest is loaded

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.building.luigi_tasks import Build
    from pipeline.corpora import Source, video_tree
    from pipeline.map_dataset import FlnetDataset
    from pipeline.tasks import BuildFaceForensics, BuildFolder, BuildSample, BuildTable, BuildTimit

__all__ = [
    "Build",
    "BuildFaceForensics",
    "BuildFolder",
    "BuildSample",
    "BuildTable",
    "BuildTimit",
    "FlnetDataset",
    "Source",
    "video_tree",
]
# In pipeline.tasks, where Luigi's defaults are set, is all the rest.
_HOMES = {"FlnetDataset": "pipeline.map_dataset", "Source": "pipeline.corpora", "video_tree": "pipeline.corpora"}


def __getattr__(name: str) -> Any:
    """What `__all__` names, from the module that it lives in."""
    if name not in __all__:
        raise AttributeError(f"module 'pipeline' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES.get(name, "pipeline.tasks")), name)


if "luigi" in sys.modules:
    importlib.import_module("pipeline.tasks")
