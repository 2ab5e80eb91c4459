"""Reading shards: rows by number, opened lazily in whichever process reads, errors that name the file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.errors import DatasetError
from pipeline.shards.schema import ROWS, SHARD_SCHEMA, VideoEntry

Rows = Sequence[int] | npt.NDArray[np.integer[Any]] | slice


class ShardReader:
    """One shard, opened at the first read in each process: an HDF5 handle shared across a fork gives wrong data.

    Args:
        path: the shard. Nothing is read yet.

    Raises (from any read):
        DatasetError: missing, broken or of another schema; names the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._pid = 0
        self._small: dict[str, npt.NDArray[Any]] = {}

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
        return len(self._open()["frames"])

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._file is not None and self._pid == os.getpid():
            self._file.close()
        self._file = None

    @property
    def entries(self) -> list[VideoEntry]:
        """The shard's videos in row order."""
        return read_entries(self._open())

    @property
    def attributes(self) -> dict[str, Any]:
        """The file's attributes: schema, storage and what the build recorded."""
        return dict(self._open().attrs)

    @property
    def k_levels(self) -> npt.NDArray[np.float32]:
        """(L,) float32: K = k_levels[k_codes]."""
        return self._column("k_levels")

    def frames(self, rows: Rows) -> npt.NDArray[np.uint8]:
        """(n, 224, 224, 3) uint8 RGB."""
        return self._images("frames", rows)

    def k_codes(self, rows: Rows) -> npt.NDArray[np.uint8]:
        """(n, 224, 224) uint8."""
        return self._images("k_codes", rows)

    def landmarks(self, rows: Rows) -> npt.NDArray[np.float32]:
        """(n, 68, 2) float32: x, y in crop pixels, pixel centres at integers."""
        return self._pick("landmarks", rows)

    def mouth_openness(self, rows: Rows) -> npt.NDArray[np.float32]:
        """(n,) float32, crop pixels."""
        return self._pick("mouth_openness", rows)

    def frame_index(self, rows: Rows) -> npt.NDArray[np.int32]:
        """(n,) int32: number of the source frame in presentation order."""
        return self._pick("frame_index", rows)

    def pts_seconds(self, rows: Rows) -> npt.NDArray[np.float64]:
        """(n,) float64: presentation time of the source frame."""
        return self._pick("pts_seconds", rows)

    def crop_transform(self, rows: Rows) -> npt.NDArray[np.float32]:
        """(n, 2, 3) float32: affine map from source pixels to crop pixels."""
        return self._pick("crop_transform", rows)

    def _open(self) -> h5py.File:
        if self._file is None or self._pid != os.getpid():
            self._file, self._pid, self._small = open_shard(self.path), os.getpid(), {}
        return self._file

    def _column(self, name: str) -> npt.NDArray[Any]:
        file = self._open()
        if name not in self._small:
            try:
                self._small[name] = file[name][:]
            except (OSError, RuntimeError, KeyError) as error:
                raise _broken(self.path, error) from error
        return self._small[name]

    def _pick(self, name: str, rows: Rows) -> npt.NDArray[Any]:
        column = self._column(name)
        return column[rows if isinstance(rows, slice) else np.asarray(rows, np.int64)]

    def _images(self, name: str, rows: Rows) -> npt.NDArray[Any]:
        dataset = self._open()[name]
        shape, dtype = ROWS[name]
        numbers = np.arange(len(dataset))[rows] if isinstance(rows, slice) else np.asarray(rows, np.int64)
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= len(dataset)):
            raise IndexError(
                f"{self.path}: rows must be in [0, {len(dataset)}), got {numbers.min()} to {numbers.max()}"
            )
        images = np.empty((len(numbers), *shape), dtype)
        try:
            for image, number in zip(images, numbers, strict=True):
                dataset.read_direct(image, source_sel=np.s_[int(number)])
        except (OSError, RuntimeError) as error:
            raise _broken(self.path, error) from error
        return images


def open_shard(path: Path) -> h5py.File:
    """Open a shard for reading, without file locks (they fail on network file systems; shards never change).

    Raises:
        DatasetError: missing, not HDF5, or of another schema.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: the shard is missing; run the build again, it makes just what is not there")
    try:
        file = h5py.File(path, "r", locking=False)
    except (OSError, RuntimeError) as error:
        raise _broken(path, error) from error
    schema = file.attrs.get("schema")
    if schema != SHARD_SCHEMA:
        file.close()
        raise DatasetError(f"{path}: shard schema must be {SHARD_SCHEMA}, got {schema}; build the dataset again")
    return file


def read_entries(file: h5py.File) -> list[VideoEntry]:
    """The `videos/` group of an open shard as values."""
    group = file["videos"]
    ids, speakers, sums = (group[name].asstr()[:] for name in ("id", "speaker", "source_sha256"))
    columns = zip(
        ids,
        speakers,
        sums,
        group["fps"][:],
        group["first_row"][:],
        group["row_count"][:],
        group["bank"][:],
        strict=True,
    )
    return [
        VideoEntry(str(i), str(s), str(h), float(fps), int(first), int(count), tuple(int(row) for row in bank))
        for i, s, h, fps, first, count, bank in columns
    ]


def _broken(path: Path, error: Exception) -> DatasetError:
    reason = " ".join(str(error).split())
    return DatasetError(f"{path}: the shard is damaged ({reason}); delete it and run the build again")
