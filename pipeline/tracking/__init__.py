"""Following the main face of a video, and its 68 landmarks on every frame, with dlib."""

from pipeline.tracking.search import SearchSettings
from pipeline.tracking.settings import TrackSettings
from pipeline.tracking.tracker import NO_FACE, FaceObservation, FaceTracker

__all__ = ["NO_FACE", "FaceObservation", "FaceTracker", "SearchSettings", "TrackSettings"]
