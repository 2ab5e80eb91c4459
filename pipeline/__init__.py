"""From a folder of talking-face videos to a dataset for FLNet: `luigi --module pipeline BuildTimit`."""

from pipeline.building import luigi_defaults
from pipeline.tasks import BuildFaceForensics, BuildFolder, BuildSample, BuildTimit

luigi_defaults.apply()

__all__ = ["BuildFaceForensics", "BuildFolder", "BuildSample", "BuildTimit"]
