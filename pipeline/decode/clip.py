"""A part of a video: from one time to another, and at a lower frame rate if wanted."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple

import av

from pipeline.content import stamp_of
from pipeline.decode.frame import Frame
from pipeline.decode.reader import STALL_SECONDS, VideoReader
from pipeline.decode.stream import OPTIONS, choose_stream
from pipeline.decode.times import DEFAULT_FPS, LONGEST_GAP
from pipeline.errors import VideoError

WORTH_SEEKING = 3.0  # seconds; what begins earlier is decoded from the file's first frame on
SAME_TIME = 1e-6  # seconds


class _Packets(NamedTuple):
    """What a file's packets say without being decoded."""

    times: list[float]  # seconds, of each frame in order of presentation
    keys: list[tuple[float, int]]  # time and decoding timestamp of the key frames, rising


class ClipReader(VideoReader):
    """A `VideoReader` over a part of a file. Frames keep the numbers and times that they have in the whole file.

    Where the file's packets all have times, decoding begins at a key frame before `start`.

    Args:
        path: the file.
        start: seconds from the beginning of the file as players and ffmpeg's `-ss` count them; that frame and later.
        end: likewise; frames before it. None: to the file's end.
        fps: frames a second to give, each the one nearest in time to the first one's time + 1/fps, + 2/fps, ...; none
            twice, so that a video of a lower rate is given as it is. None: all.

    Raises:
        VideoError: as `VideoReader`; `too_short` where there is no frame between `start` and `end`, `unreadable` where
            the file's clock jumps, so that times in it are not sure.
    """

    def __init__(
        self, path: str | Path, start: float | None = None, end: float | None = None, fps: float | None = None
    ) -> None:
        super().__init__(path)
        self._start, self._end, self._rate = start, end, fps

    def __iter__(self) -> Iterator[Frame]:
        if self._rate is None:
            yield from self._part()
            return
        seen = kept = 0

        def counted() -> Iterator[Frame]:
            nonlocal seen
            for seen, frame in enumerate(self._part(), 1):  # noqa: B007 - told outside
                yield frame

        for kept, frame in enumerate(nearest_frames(counted(), self._rate), 1):  # noqa: B007
            yield frame
        if kept < seen:
            self.chosen_fps = self._rate
        elif self.fps and self._rate > 1.01 * self.fps:
            self.warnings.append(f"{self._rate:g} frames a second are wanted, it has {self.fps:g}: all are kept")

    def _part(self) -> Iterator[Frame]:
        """The frames from start to end."""
        zero, packets = 0.0, None
        if self._start is not None or self._end is not None:
            zero = float(self._container.start_time or 0) / av.time_base
            packets = self._attempt(lambda: _packets(str(self.path), stamp_of(self.path)))
        first = float("-inf") if self._start is None else zero + self._start - SAME_TIME
        last = float("inf") if self._end is None else zero + self._end - SAME_TIME
        given = 0
        for frame in self._from(first, packets):
            if frame.pts_seconds >= last:
                break
            given += 1
            yield frame
        if not given:
            raise VideoError("too_short", f"{self.path}: no frame from {self._start or 0:g} s {self._until()}")

    def _until(self) -> str:
        return "on" if self._end is None else f"to {self._end:g} s"

    def _from(self, first: float, packets: _Packets | None) -> Iterator[Frame]:
        """The frames from a time on, decoded from the nearest key frame before it that serves."""
        for begin in _begins(first, packets):
            for said in (self.notes, self.warnings, self.errors):
                said.clear()
            frames = self._decoded_from(begin, first, packets)
            head = next(frames, None)
            if head is not None:
                yield head
                yield from frames
                return
            self.__exit__()  # where it stands now, it would not decode as from the beginning
            self.__enter__()

    def _decoded_from(self, begin: int | None, first: float, packets: _Packets | None) -> Iterator[Frame]:
        """The frames from `first` on, decoding from a key frame; none where that does not begin early enough."""
        if begin is not None:
            self._attempt(lambda: self._container.seek(begin, stream=self._stream))
        sound = begin is None  # every frame rests on those before it
        reached = False
        for frame in self._numbered(begin, packets):
            sound = sound or (frame.key and not frame.corrupt and frame.pts_seconds <= first + 2 * SAME_TIME)
            if frame.pts_seconds < first:
                continue
            if not sound:
                return
            if not reached and begin is not None:
                self.errors.clear()  # of frames before the part, whose own ones were not there
            reached = True
            yield frame

    def _numbered(self, begin: int | None, packets: _Packets | None) -> Iterator[Frame]:
        """What `VideoReader` gives, with times throughout, numbered as in the whole file."""
        try:
            for frame in super().__iter__():
                if frame.pts_seconds != frame.pts_seconds:  # no time
                    yield _changed(frame, frame.index, frame.index / (self.fps or DEFAULT_FPS))
                elif begin is None or packets is None:
                    yield frame
                else:
                    index = bisect_left(packets.times, frame.pts_seconds - SAME_TIME)
                    yield _changed(frame, index, frame.pts_seconds)
        except VideoError:
            if begin is None:
                raise


def nearest_frames(frames: Iterable[Frame], fps: float) -> Iterator[Frame]:
    """Of some frames those nearest in time to moments that are `1 / fps` apart, of two the earlier; none twice.

    The moments are counted from the first frame's time, and anew after a jump of the clock.
    """
    origin = usual = 0.0
    due = 0  # the moment that is to be served next
    before: Frame | None = None
    for frame in chain(frames, (None,)):
        if before is not None:
            step = usual if frame is None else frame.pts_seconds - before.pts_seconds
            jump = not 0 < step <= LONGEST_GAP
            until = before.pts_seconds + (usual if jump else step) / 2 + SAME_TIME
            is_due = origin + due / fps <= until
            while origin + due / fps <= until:
                due += 1
            if is_due:
                yield before
            usual = usual if jump else step
            if jump and frame is not None:
                origin, due = frame.pts_seconds, 0
        elif frame is not None:
            origin = frame.pts_seconds
        before = frame


def _changed(frame: Frame, index: int, seconds: float) -> Frame:
    return replace(frame, index=index, pts_seconds=seconds)


def _begins(first: float, packets: _Packets | None) -> Iterator[int | None]:
    """Decoding timestamps of key frames to begin at, the best first; None, the beginning, comes last."""
    if packets is not None and packets.times and first - packets.times[0] > WORTH_SEEKING:
        place = bisect_right(packets.keys, (first + 2 * SAME_TIME, 1 << 62)) - 1
        # A demuxer may land behind the place asked for, and the pictures about a key frame may need the one before.
        yield from (packets.keys[earlier][1] for earlier in (place, place - 1, place - 4) if earlier > 0)
    yield None


@lru_cache(maxsize=8)
def _packets(path: str, _stamp: str) -> _Packets | None:
    """The times of a file's packets; None where they say too little. Kept, since many clips may be cut from one file.

    Raises:
        VideoError: the clock jumps.
    """
    times: list[float] = []
    keys: list[tuple[float, int]] = []
    leads: set[int | None] = set()  # of presentation timestamps before decoding ones
    before = None
    try:
        with av.open(f"file:{path}", options=OPTIONS, timeout=STALL_SECONDS) as container:
            stream, _ = choose_stream(container)
            if stream is None:
                return None  # the reader says so
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if packet.pts is None:
                    return None
                if packet.dts is not None:
                    if before is not None and packet.dts < before:
                        raise VideoError("unreadable", _JUMPS.format(path))
                    before = packet.dts
                leads.add(None if packet.dts is None else packet.pts - packet.dts)
                time = float(packet.pts * stream.time_base)
                times.append(time)
                if packet.is_keyframe:
                    keys.append((time, packet.pts if packet.dts is None else packet.dts))
            if stream.codec_context.has_b_frames and len(leads) == 1:
                return None  # pictures are decoded in another order than shown, but no packet tells of it
    except av.error.FFmpegError:
        return None  # damaged: decoded from the beginning as far as it goes
    times.sort()
    if any(later - time > LONGEST_GAP for time, later in pairwise(times)):
        raise VideoError("unreadable", _JUMPS.format(path))
    return _Packets(times, sorted(keys))


_JUMPS = "{}: its clock jumps, so that start and end are not sure; write it anew first (ffmpeg -i FILE -r RATE NEW.mp4)"
