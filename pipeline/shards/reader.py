"""Reading shards: rows by number, opened lazily in whichever process reads, errors that name the file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.child_process import Children, CrashError, watchdog
from pipeline.errors import DatasetError
from pipeline.files import regular_size
from pipeline.shards.column import Column, broken
from pipeline.shards.schema import AUDIO, AUDIO_VIDEOS, VideoEntry
from pipeline.shards.validate import REMEDY, check_codes, check_entries, check_levels, check_shard

# What h5py raises for a file that it cannot make sense of.
READING_FAILS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError)
PATIENCE_CPU_SECONDS = 5.0  # a sound shard is opened in milliseconds
Stamp = tuple[int, ...]  # what changes with a file
Rows = Sequence[int] | npt.NDArray[np.integer[Any]] | slice


class ShardReader:
    """One shard, opened at the first read in each process: an HDF5 handle shared across a fork gives wrong data.

    The columns that training reads can be read into an array of the caller's, `out`.

    Args:
        path: the shard. Nothing is read yet.

    Raises (from any read):
        DatasetError: missing, broken or of another schema; names the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._pid = 0
        self._sound: Stamp | None = None  # of the file as it was when its structure was looked at
        self._columns: dict[str, Column] = {}
        self._k_levels: npt.NDArray[np.float32] | None = None

    def __enter__(self) -> ShardReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self._column("frames"))

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._file is not None and self._pid == os.getpid():
            _close(self._file)
        self._file, self._columns = None, {}

    @property
    def entries(self) -> list[VideoEntry]:
        """The shard's videos in row order."""
        return read_entries(self._open())

    @property
    def has_audio(self) -> bool:
        """Whether the dataset was built with sound."""
        return AUDIO in self._open()

    @property
    def k_levels(self) -> npt.NDArray[np.float32]:
        """(L,) float32: K = k_levels[k_codes]."""
        file = self._open()
        if self._k_levels is None:
            try:
                levels = file["k_levels"][:]
            except READING_FAILS as error:
                raise broken(self.path, error) from error
            check_levels(levels, self.path)
            self._k_levels = levels
        return self._k_levels

    @property
    def frame_size(self) -> int:
        """S, the side of the frames in pixels; the same in all shards of a dataset."""
        return self.row_shape("frames")[0]

    def row_shape(self, column: str) -> tuple[int, ...]:
        """The shape of one row of a column."""
        return self._column(column).row_shape

    def frames(self, rows: Rows, out: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[np.uint8]:
        """(n, S, S, 3) uint8 RGB, S the frame size."""
        return self._rows("frames", rows, out)

    def k_codes(self, rows: Rows, out: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[np.uint8]:
        """(n, S, S) uint8."""
        return self._rows("k_codes", rows, out)

    def landmarks(self, rows: Rows, out: npt.NDArray[np.float32] | None = None) -> npt.NDArray[np.float32]:
        """(n, 68, 2) float32: x, y in crop pixels, pixel centres at integers."""
        return self._rows("landmarks", rows, out)

    def mouth_openness(self, rows: Rows, out: npt.NDArray[np.float32] | None = None) -> npt.NDArray[np.float32]:
        """(n,) float32, crop pixels."""
        return self._rows("mouth_openness", rows, out)

    def frame_index(self, rows: Rows) -> npt.NDArray[np.int32]:
        """(n,) int32: number of the source frame in presentation order."""
        return self._rows("frame_index", rows)

    def pts_seconds(self, rows: Rows) -> npt.NDArray[np.float64]:
        """(n,) float64: presentation time of the source frame."""
        return self._rows("pts_seconds", rows)

    def crop_transform(self, rows: Rows) -> npt.NDArray[np.float32]:
        """(n, 2, 3) float32: affine map from source pixels to crop pixels."""
        return self._rows("crop_transform", rows)

    def audio(self, first: int, count: int) -> npt.NDArray[np.int16] | None:
        """Some samples, (count,) int16 of 16 kHz mono; None where the dataset was built without sound.

        Those of a video are its `first_sample` and `sample_count`; they begin at the time of its first row.
        """
        file = self._open()
        if not self.has_audio:
            return None
        try:
            return np.asarray(file[AUDIO][first : first + count])
        except READING_FAILS as error:
            raise broken(self.path, error) from error

    def _open(self) -> h5py.File:
        if self._file is None or self._pid != os.getpid():
            self._columns = {}
            self._file, self._pid = open_shard(self.path, self._sound), os.getpid()
            self._sound = _stamp(self._file)
        return self._file

    def _column(self, name: str) -> Column:
        file = self._open()
        if name not in self._columns:
            check = partial(check_codes, len(self.k_levels), self.path) if name == "k_codes" else None
            self._columns[name] = Column(file, name, self.path, check)
        return self._columns[name]

    def _rows(self, name: str, rows: Rows, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        return self._column(name).read(rows, out)


def open_shard(path: Path, sound: Stamp | None = None) -> h5py.File:
    """Open a shard for reading, without file locks (they fail on network file systems; shards never change).

    Args:
        sound: the stamp of the file when it was last found to be what a shard must be: the same one is not looked at
            again, which is most of what opening takes.

    Raises:
        DatasetError: missing, or not what a shard must be (`pipeline.shards.validate`).
    """
    try:
        regular_size(path, kind=DatasetError)
    except FileNotFoundError as error:
        raise DatasetError(
            f"{path}: the shard is missing; run the build again, it makes just what is not there"
        ) from error
    try:
        # No chunk cache: rows come in random order, and it would keep megabytes for every shard that is open.
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=0)
    except READING_FAILS as error:
        raise broken(path, error) from error
    try:
        if sound is None or sound != _stamp(file):
            check_shard(file, path)
    except READING_FAILS as error:
        _close(file)
        raise broken(path, error) from error
    except DatasetError:
        _close(file)
        raise
    return file


def _stamp(file: h5py.File) -> Stamp:
    found = os.fstat(file.id.get_vfd_handle())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _close(file: h5py.File) -> None:
    """Close a file of which nothing is needed any more; HDF5 cannot always let go of a damaged one."""
    with contextlib.suppress(RuntimeError, OSError):
        file.close()


def read_entries(file: h5py.File) -> list[VideoEntry]:
    """The `videos/` group of an open shard as values.

    Raises:
        DatasetError: it cannot be read, or says what cannot be.
    """
    path = Path(file.filename)
    try:
        group = file["videos"]
        names = [group[name].asstr(errors="surrogateescape")[:] for name in ("id", "speaker", "source_sha256")]
        numbers = [group[name][:] for name in ("fps", "first_row", "row_count", "bank")]
        audio = [group[name][:] if AUDIO in file else [0] * len(names[0]) for name in AUDIO_VIDEOS]
    except READING_FAILS as error:
        raise broken(path, error) from error
    entries = [
        VideoEntry(
            *(str(i), str(s), str(h), float(fps), int(first), int(count), tuple(int(row) for row in bank)),
            first_sample=int(begin),
            sample_count=int(samples),
        )
        for i, s, h, fps, first, count, bank, begin, samples in zip(*names, *numbers, *audio, strict=True)
    ]
    check_entries(entries, len(file["frames"]), len(file[AUDIO]) if AUDIO in file else 0, path)
    return entries


class Proven(NamedTuple):
    """What a shard that can be opened without fear holds."""

    entries: list[VideoEntry]
    has_audio: bool


def proven(paths: Iterable[Path]) -> dict[Path, Proven]:
    """What some shards hold, read in a child process: HDF5 may crash or hang over a hostile file.

    What it has read there it can read here: whoever opens these shards now need not fear them any more.

    Raises:
        DatasetError: a shard is missing, or not what it must be; names the file.
        BuildError: the child was killed from outside.
    """
    found = {}
    with Children(_proven) as read:
        for path in dict.fromkeys(paths):
            try:
                found[path] = read(path)
            except CrashError as error:
                raise DatasetError(f"{path}: the shard is damaged, HDF5 fell over it ({error}); {REMEDY}") from error
    return found


def proven_entries(paths: Sequence[Path]) -> list[list[VideoEntry]]:
    """The videos of some shards; see `proven`."""
    found = proven(paths)
    return [found[path].entries for path in paths]


def _proven(path: Path) -> Proven:
    with watchdog(PATIENCE_CPU_SECONDS, busy=True), ShardReader(path) as reader:
        len(reader.k_levels)
        return Proven(reader.entries, reader.has_audio)
