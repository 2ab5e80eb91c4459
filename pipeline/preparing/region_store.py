"""Regions from tracking to cropping: the latest in memory, those before them in a file of no name."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import deque
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from pipeline.decode import Colour, Frame
from pipeline.preparing.regions import Box, Region, keep_region

SHARE = 4  # of what is free on the disk, the file takes one part in so many at most: other workers want some
IN_MEMORY = ("tmpfs", "ramfs")  # file systems whose files fill the memory that is to be saved


class RegionStore:
    """Regions by frame, each within its budget; a context manager.

    What fits in neither must be decoded again, from the video's beginning on: if that is its first frames, it is soon
    done.

    Args:
        memory: bytes of regions kept in memory.
        file: bytes of regions kept in a temporary file ($TMPDIR says where), at most a quarter of what is free there.
    """

    def __init__(self, memory: int, file: int = 0) -> None:
        self._left = memory
        self._regions: dict[int, Region] = {}
        self._spool = Spool(file)

    def __enter__(self) -> RegionStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._regions.clear()
        self._spool.drop()

    def keep(self, place: int, frame: Frame, box: Box) -> None:
        """Copy `box` of the frame; the oldest regions leave the memory if the budget asks for it. Places rise."""
        region = keep_region(frame, box)
        self._regions[place] = region
        self._left -= region.nbytes
        while self._left < 0:
            oldest = next(iter(self._regions))
            region = self._regions.pop(oldest)
            self._left += region.nbytes
            self._spool.put(oldest, region)

    def covers(self, place: int, box: Box) -> bool:
        """Whether the frame's region was kept and holds `box`, which must be clipped to the picture."""
        region = self._regions.get(place)
        kept = self._spool.box(place) if region is None else region.box
        return kept is not None and kept.contains(box)

    def take(self, place: int) -> Region | None:
        """Hand out a region and forget it; None where there is none, or it can no longer be read."""
        return self._regions.pop(place) if place in self._regions else self._spool.take(place)


class _Record(NamedTuple):
    """A region in the file."""

    begin: int
    end: int
    box: Box
    shapes: tuple[tuple[int, ...], ...]  # of its planes, which lie one after the other
    colour: Colour


class Spool:
    """Regions in a file, the latest that fit in `budget` bytes.

    The file has no name, so that nothing of it is left whatever becomes of the process. A disk that is full or fails
    is no error: the regions are then forgotten.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._file: IO[bytes] | None = None
        self._records: dict[int, _Record] = {}
        self._order: deque[int] = deque()  # places, the oldest first
        self._end = 0  # of the latest region in the file, which is filled over and over

    def put(self, place: int, region: Region) -> None:
        """Write a region, in place of the oldest if need be."""
        if self._file is None:
            self._open()
        size = region.nbytes
        if self._file is None or size > self._budget:
            return
        if self._end + size > self._budget:  # begin anew at the front; what is behind is the oldest
            self._forget(self._end, self._budget)
            self._end = 0
        begin, self._end = self._end, self._end + size
        self._forget(begin, self._end)
        planes = (region.y, region.u, region.v)
        try:
            if os.pwritev(self._file.fileno(), [plane.data for plane in planes], begin) < size:  # the disk is full
                self.drop()
                return
        except OSError:
            self.drop()
            return
        shapes = tuple(plane.shape for plane in planes)
        self._records[place] = _Record(begin, self._end, region.box, shapes, region.colour)
        self._order.append(place)

    def box(self, place: int) -> Box | None:
        """What a region holds that is in the file."""
        record = self._records.get(place)
        return None if record is None else record.box

    def take(self, place: int) -> Region | None:
        """Read a region and forget it; None where there is none, or it cannot be read."""
        record = self._records.pop(place, None)
        if record is None or self._file is None:
            return None
        y, u, v = (np.empty(shape, np.uint8) for shape in record.shapes)
        try:
            if os.preadv(self._file.fileno(), [y.data, u.data, v.data], record.begin) < record.end - record.begin:
                self.drop()
                return None
        except OSError:
            self.drop()
            return None
        return Region(record.box, y, u, v, record.colour)

    def drop(self) -> None:
        """Forget all, and use the file no more."""
        if self._file is not None:
            self._file.close()
        self._file, self._budget = None, 0
        self._records.clear()
        self._order.clear()

    def _open(self) -> None:
        """Make the file, unless there is no place for one."""
        if not self._budget:
            return
        try:
            folder = Path(tempfile.gettempdir())
            self._budget = min(self._budget, shutil.disk_usage(folder).free // SHARE)
            if _file_system(folder) not in IN_MEMORY:
                self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - `drop` closes it
        except OSError:
            self._file = None
        if self._file is None:
            self._budget = 0  # and is not tried again

    def _forget(self, begin: int, end: int) -> None:
        """Forget the oldest regions, as far as they lie between two places of the file."""
        while self._order:
            record = self._records.get(self._order[0])
            if record is not None and (record.end <= begin or record.begin >= end):
                return
            self._records.pop(self._order.popleft(), None)


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, as far as Linux tells; "" elsewhere."""
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    found = folder.resolve()
    mounts = [line.split()[1:3] for line in lines if len(line.split()) > 2]
    around = [(len(point), kind) for point, kind in mounts if found.is_relative_to(point)]
    return max(around, default=(0, ""))[1]
