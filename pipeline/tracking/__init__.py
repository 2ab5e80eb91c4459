"""Following the main face of a video, and its 68 landmarks on every frame, with dlib."""

from pipeline.tracking.people import NOBODY, People
from pipeline.tracking.search import SearchSettings
from pipeline.tracking.settings import TrackSettings
from pipeline.tracking.tracker import NO_FACE, FaceObservation, FaceTracker

__all__ = ["NOBODY", "NO_FACE", "FaceObservation", "FaceTracker", "People", "SearchSettings", "TrackSettings"]
