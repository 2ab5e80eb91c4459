"""How crops and K can be stored: size and single-frame write and read time of each way, on a real dataset's frames.

    python benchmarks/storage.py DATASET [--frames 120]

DATASET is a finished one. CPU time of this process; every way holds the same frames, lossless but for the JPEG row.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import hdf5plugin
import numpy as np
import numpy.typing as npt

from pipeline.cli import run
from pipeline.shards import ShardReader, open_dataset
from pipeline.shards.zstd import read_zstd, zstd_writer

Images = npt.NDArray[np.uint8]

FILTERS: dict[str, dict[str, Any]] = {
    "raw": {},
    "lz4": dict(hdf5plugin.LZ4()),
    "bitshuffle + lz4": dict(hdf5plugin.Bitshuffle(nelems=0, cname="lz4")),
    "zstd 1": dict(hdf5plugin.Zstd(clevel=1)),
    "zstd 3": dict(hdf5plugin.Zstd(clevel=3)),
    "bitshuffle + zstd 1": dict(hdf5plugin.Bitshuffle(nelems=0, cname="zstd", clevel=1)),
    "blosc2 zstd 1, shuffled": dict(hdf5plugin.Blosc2(cname="zstd", clevel=1, filters=hdf5plugin.Blosc2.SHUFFLE)),
    "HTJ2K": dict(hdf5plugin.Htj2k()),
    "gzip 1": {"compression": "gzip", "compression_opts": 1},
}
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]


def main(args: argparse.Namespace) -> int:
    """Measure and print two tables."""
    frames, codes = _sample(Path(args.dataset), args.frames)
    planar = np.ascontiguousarray(np.moveaxis(frames, -1, 1))
    planar[..., 1:] -= planar[..., :-1].copy()  # modulo 256: undone by a running sum
    print(f"{len(frames)} frames\n\n| frames as | kB | write ms | read ms |\n| --- | ---: | ---: | ---: |")
    for name, filters in FILTERS.items():
        _print(name, _hdf5(frames, filters))
    for level in (1, -1, -3, -5):
        _print(f"zstd {level}, past HDF5's pipeline", _past_hdf5(frames, level))
    _print("planar, horizontal difference, zstd 1", _hdf5(planar, FILTERS["zstd 1"]))
    _print("PNG", _codec(frames, ".png", []))
    _print("JPEG, quality 95, 4:4:4 (lossy)", _codec(frames, ".jpg", JPEG))
    coded = [cv2.imencode(".jpg", frame, JPEG)[1] for frame in frames]
    again = np.array([cv2.imdecode(each, cv2.IMREAD_COLOR) for each in coded], np.int16)
    error = np.abs(again - frames)
    print(f"\nJPEG's error: {error.mean():.2f} levels, the largest {error.max()}")
    print("\n| K codes as | kB | write ms | read ms |\n| --- | ---: | ---: | ---: |")
    for name, filters in FILTERS.items():
        _print(name, _hdf5(codes, filters))
    for level in (1, -3):
        _print(f"zstd {level}, past HDF5's pipeline", _past_hdf5(codes, level))
    return 0


def _sample(root: Path, count: int) -> tuple[Images, Images]:
    """Frames and K codes spread over the dataset."""
    dataset = open_dataset(root)
    videos = [video for split in dataset.splits for video in dataset.videos(split)]
    each = -(-count // len(videos))
    frames, codes = [], []
    for video in videos:
        rows = np.unique(np.linspace(video.first_row, video.first_row + video.row_count - 1, each).astype(int))
        with ShardReader(video.shard) as reader:
            frames.append(reader.frames(rows))
            codes.append(reader.k_codes(rows))
    return np.concatenate(frames), np.concatenate(codes)


def _hdf5(images: Images, filters: dict[str, Any]) -> tuple[float, float, float]:
    """kB, write and read milliseconds an image, one image a chunk."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "x.h5"
        with h5py.File(path, "w") as file:
            chunks = (1, *images.shape[1:])
            stored = file.create_dataset("x", images.shape, np.uint8, chunks=chunks, **filters)
            writing = _milliseconds(lambda i: stored.__setitem__(i, images[i]), len(images))
            size = stored.id.get_storage_size() / len(images) / 1e3
        out = np.empty(images.shape[1:], np.uint8)
        with h5py.File(path, "r") as file:
            stored = file["x"]
            reading = _milliseconds(lambda i: stored.read_direct(out, source_sel=np.s_[i]), len(images))
    return size, writing, reading


def _past_hdf5(images: Images, level: int) -> tuple[float, float, float]:
    """The same by what shards are written and read with."""
    with tempfile.TemporaryDirectory() as scratch, h5py.File(Path(scratch) / "x.h5", "w") as file:
        chunks = (1, *images.shape[1:])
        stored = file.create_dataset("x", images.shape, np.uint8, chunks=chunks, **hdf5plugin.Zstd(clevel=level)).id
        write = zstd_writer(stored)
        writing = _milliseconds(lambda i: write(i, images[i]), len(images))
        size = stored.get_storage_size() / len(images) / 1e3
        out, rest = np.empty(images.shape[1:], np.uint8), (0,) * (images.ndim - 1)
        reading = _milliseconds(lambda i: read_zstd(stored.read_direct_chunk((i, *rest))[1], out), len(images))
    return size, writing, reading


def _codec(images: Images, suffix: str, flags: list[int]) -> tuple[float, float, float]:
    coded: list[Any] = [None] * len(images)

    def write(i: int) -> None:
        coded[i] = cv2.imencode(suffix, images[i][..., ::-1], flags)[1]

    writing = _milliseconds(write, len(images))
    reading = _milliseconds(lambda i: cv2.imdecode(coded[i], cv2.IMREAD_COLOR), len(images))
    return sum(len(c) for c in coded) / len(images) / 1e3, writing, reading


def _milliseconds(work: Callable[[int], Any], count: int) -> float:
    start = time.process_time()
    for number in range(count):
        work(number)
    return (time.process_time() - start) / count * 1e3


def _print(name: str, figures: tuple[float, float, float]) -> None:
    size, writing, reading = figures
    print(f"| {name} | {size:.1f} | {writing:.2f} | {reading:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="a finished dataset")
    parser.add_argument("--frames", type=int, default=120, help="frames to try (default 120)")
    sys.exit(run(parser, main))
