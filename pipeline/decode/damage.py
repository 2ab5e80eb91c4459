"""Which pictures are not as they were recorded, as far as the demuxer, the decoder or its complaints tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import av

# Decoders that mark the pictures of which they made up a part (ffmpeg's error concealment) or could not read one.
# Of others, HEVC, VP9 and MJPEG among them, a picture is damaged if reading it drew a complaint.
MARKING = re.compile(r"h26[1-4]|h263\w*|mpeg[124]\w*|msmpeg4\w*|flv1?|wmv\d|vc1\w*|rv\d\d|prores\w*")
# Complaints of what is no part of the picture.
BESIDE_THE_PICTURE = re.compile(
    r"\bAPP\b|\bapp:|\bSEI\b|\bVPS\b|layer_id|EOI missing|\bCOM\b|\bICC\b|hwaccel", re.IGNORECASE
)


class Damage:
    """Told of every packet of a stream in decoding order, then asked of each picture.

    Args:
        codec, demuxer: ffmpeg's names.
    """

    def __init__(self, codec: str, demuxer: str) -> None:
        self._marks = MARKING.fullmatch(codec) is not None
        self._ahead = demuxer == "mpegts"  # its parser hangs a packet's mark on the one before
        self._marked = False  # the packet before was
        self._torn: set[int | None] = set()  # presentation timestamps of packets whose pictures are yet to come
        self._lost = False  # since the last picture, a packet may have given nothing
        self._refused = 0

    def note(
        self, packet: av.Packet[Any], following: av.Packet[Any] | None, complaints: Sequence[str], refused: bool = False
    ) -> None:
        """A packet was decoded.

        Args:
            following: the next one.
            complaints: of the decoder on it.
            refused: it gave nothing.
        """
        if not packet.size:
            return
        torn = packet.is_corrupt
        if self._ahead:
            # Before a key picture it is no more than two recordings put together.
            torn = self._marked and not (following is not None and following.is_keyframe)
        self._marked = packet.is_corrupt
        if not self._marks:
            torn = torn or any(not BESIDE_THE_PICTURE.search(complaint) for complaint in complaints)
        if refused:
            self._refused += 1
        elif torn:
            self._torn.add(packet.pts)
        self._lost = self._lost or refused or (torn and not self._marks)

    @property
    def missing(self) -> int:
        """Packets that were refused or complained of and gave no picture, once all pictures have come."""
        return self._refused + len(self._torn)

    def of(self, picture: av.VideoFrame) -> tuple[bool, bool]:
        """Whether a picture is damaged, and whether others may be missing between it and the one before."""
        lost, self._lost = self._lost, False
        if picture.pts not in self._torn:
            return bool(picture.is_corrupt), lost
        self._torn.discard(picture.pts)
        return True, lost
