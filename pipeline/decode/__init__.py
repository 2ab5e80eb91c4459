"""Decoding video: every frame once, in presentation order, as planar YUV as it is shown, with its number and time.

What is shown: square pixels, upright, whole pictures (not fields), the colours of an ordinary screen.
"""

from pipeline.decode.clip import ClipReader
from pipeline.decode.frame import Colour, Frame, Plane
from pipeline.decode.hardware import decoding_by
from pipeline.decode.pictures import PICTURE_COLOUR, PictureReader, picture_planes
from pipeline.decode.reader import AHEAD_PICTURES, VideoReader, read_frames
from pipeline.decode.sound import SOUND_OPTIONS, SOUND_RATE, Samples, has_sound, read_sound, sound_of_frames
from pipeline.decode.stream import CONTAINERS, begin_of, stated_length

__all__ = [
    "AHEAD_PICTURES",
    "CONTAINERS",
    "PICTURE_COLOUR",
    "SOUND_OPTIONS",
    "SOUND_RATE",
    "ClipReader",
    "Colour",
    "Frame",
    "PictureReader",
    "Plane",
    "Samples",
    "VideoReader",
    "begin_of",
    "decoding_by",
    "has_sound",
    "picture_planes",
    "read_frames",
    "read_sound",
    "sound_of_frames",
    "stated_length",
]
