"""Regions and crops from tracking to the shard: the latest in memory, those before them in a file of no name."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import deque
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.decode import Frame
from pipeline.preparing.regions import Box, Crop, Region, keep_region

Kept = Region | Crop

# Of what is free on the disk, the file takes one part in so many at most: other workers want some. It grows by so many
# bytes before the disk is asked again.
SHARE, GROWTH = 4, 256 << 20
NOTHING = np.empty(0, np.uint8)
IN_MEMORY = ("tmpfs", "ramfs")  # file systems whose files fill the memory that is to be saved


class RegionStore:
    """Regions and finished crops by frame, each frame's one or the other; a context manager.

    What fits neither into memory nor into the file must be decoded again, from the video's beginning on: if that is its
    first frames, it is soon done.

    Args:
        memory: bytes kept in memory.
        file: bytes kept in a temporary file ($TMPDIR says where) while all are regions.
        crops: the same from the first crop on. Of either, no more than a quarter of what is free there.
    """

    def __init__(self, memory: int, file: int = 0, crops: int = 0) -> None:
        self._left = memory
        self._kept: dict[int, Kept] = {}
        self._crops = crops
        self._spool = Spool(file)

    def __enter__(self) -> RegionStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.clear()
        self._spool.drop()

    def keep(self, place: int, frame: Frame, box: Box) -> None:
        """Copy `box` of the frame. Places rise."""
        self._put(place, keep_region(frame, box))

    def keep_crop(self, place: int, crop: Crop) -> None:
        """Keep a crop. Places rise."""
        self._spool.widen(self._crops)
        self._put(place, crop)

    def _put(self, place: int, kept: Kept) -> None:
        """Keep what is newest in memory; what is oldest leaves it if the budget asks for that."""
        self._kept[place] = kept
        self._left -= kept.nbytes
        while self._left < 0:
            oldest = next(iter(self._kept))
            kept = self._kept.pop(oldest)
            self._left += kept.nbytes
            self._spool.put(oldest, kept)

    def covers(self, place: int, box: Box) -> bool:
        """Whether the frame's region was kept and holds `box`, which must be clipped to the picture."""
        kept = self._seen(place)
        return isinstance(kept, Region) and kept.box.contains(box)

    def has_crop(self, place: int, transform: npt.NDArray[np.float32]) -> bool:
        """Whether the frame's crop was kept and cut exactly there."""
        kept = self._seen(place)
        return isinstance(kept, Crop) and kept.transform.tobytes() == transform.tobytes()

    def _seen(self, place: int) -> Kept | None:
        """What is kept of a frame, perhaps without its pixels."""
        kept = self._kept.get(place)
        return self._spool.seen(place) if kept is None else kept

    def take(self, place: int) -> Kept | None:
        """Hand out what is kept of a frame and forget it; None where nothing is, or it can no longer be read."""
        return self._kept.pop(place) if place in self._kept else self._spool.take(place)


class _Record(NamedTuple):
    """A region or crop in the file."""

    begin: int
    end: int
    shapes: tuple[tuple[int, ...], ...]  # of its arrays, which lie one after the other
    kept: Kept  # without them


class Spool:
    """Regions and crops in a file, the latest that fit in `budget` bytes.

    The file has no name, so that nothing of it is left whatever becomes of the process. A disk that is full or fails
    is no error: all is then forgotten.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._room = 0  # how far the file may reach by now
        self._file: IO[bytes] | None = None
        self._failed = False
        self._records: dict[int, _Record] = {}
        self._order: deque[int] = deque()  # places, the oldest first
        self._end = 0  # of the latest in the file, which is filled over and over

    def widen(self, budget: int) -> None:
        """Allow more bytes from now on, if it is more."""
        self._budget = max(self._budget, budget)

    def put(self, place: int, kept: Kept) -> None:
        """Write, in place of the oldest if need be."""
        if self._file is None:
            self._open()
        size = kept.nbytes
        while self._end + size > self._room and self._grows():
            pass
        if self._file is None or size > self._room:
            return
        if self._end + size > self._room:  # begin anew at the front; what is behind is the oldest
            self._forget(self._end, self._room)
            self._end = 0
        begin, self._end = self._end, self._end + size
        self._forget(begin, self._end)
        try:
            if os.pwritev(self._file.fileno(), [array.data for array in kept.arrays], begin) < size:  # the disk is full
                self.drop()
                return
        except OSError:
            self.drop()
            return
        shapes = tuple(array.shape for array in kept.arrays)
        self._records[place] = _Record(begin, self._end, shapes, kept.filled([NOTHING] * len(shapes)))
        self._order.append(place)

    def seen(self, place: int) -> Kept | None:
        """What is in the file of a frame, without its pixels."""
        record = self._records.get(place)
        return None if record is None else record.kept

    def take(self, place: int) -> Kept | None:
        """Read and forget; None where there is nothing, or it cannot be read."""
        record = self._records.pop(place, None)
        if record is None or self._file is None:
            return None
        arrays = [np.empty(shape, np.uint8) for shape in record.shapes]
        size = record.end - record.begin
        try:
            if os.preadv(self._file.fileno(), [array.data for array in arrays], record.begin) < size:
                self.drop()
                return None
        except OSError:
            self.drop()
            return None
        return record.kept.filled(arrays)

    def drop(self) -> None:
        """Forget all, and use the file no more."""
        if self._file is not None:
            self._file.close()
        self._file, self._failed, self._room = None, True, 0
        self._records.clear()
        self._order.clear()

    def _open(self) -> None:
        """Make the file, unless there is no place for one."""
        if not self._budget or self._failed:
            return
        try:
            folder = Path(tempfile.gettempdir())
            if _file_system(folder) not in IN_MEMORY:
                self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - `drop` closes it
        except OSError:
            self._file = None
        self._failed = self._file is None  # and is not tried again

    def _grows(self) -> bool:
        """Let the file reach further, as far as that is within its budget and its share of the disk now."""
        if self._file is None:
            return False
        try:
            free = shutil.disk_usage(tempfile.gettempdir()).free
        except OSError:
            return False
        most = min(self._budget, (self._room + free) // SHARE, self._room + GROWTH)
        before, self._room = self._room, max(self._room, most)
        return self._room > before

    def _forget(self, begin: int, end: int) -> None:
        """Forget the oldest, as far as they lie between two places of the file."""
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
