"""Decoding video: every frame once, in presentation order, as planar YUV as it is shown, with its number and time.

What is shown: square pixels, upright, whole pictures (not fields), the colours of an ordinary screen.
"""

from pipeline.decode.frame import Colour, Frame, Plane
from pipeline.decode.reader import AHEAD_PICTURES, VideoReader, read_frames
from pipeline.decode.stream import CONTAINERS, OPTIONS

__all__ = ["AHEAD_PICTURES", "CONTAINERS", "OPTIONS", "Colour", "Frame", "Plane", "VideoReader", "read_frames"]
