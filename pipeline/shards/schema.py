"""What a shard holds: names, shapes and types of its datasets, and the ways frames can be stored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import hdf5plugin
import numpy as np

from pipeline.geometry import LANDMARKS
from pipeline.rules import Rule
from pipeline.shards import jpeg

SHARD_SCHEMA = "flnet-shard/1"
DATASET_SCHEMA = "flnet-dataset/1"
SHARD_NAME = re.compile(r"[^/]+-\d{4,}-[0-9a-f]{12}\.h5")  # of those that a build writes
FRAME_SIZE = 224  # side of a crop; the paper's, and the default
FRAME_SIZES = range(128, 513, 16)  # FLNet's discriminator halves its images four times

# name -> (shape of one row, type). A row is one frame; shapes are those of the default size, see `row_shape`.
ROWS: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
    "frames": ((FRAME_SIZE, FRAME_SIZE, 3), np.uint8),  # RGB
    "landmarks": ((LANDMARKS, 2), np.float32),  # x, y in crop pixels, pixel centres at integers
    "k_codes": ((FRAME_SIZE, FRAME_SIZE), np.uint8),  # K = k_levels[k_codes]
    "mouth_openness": ((), np.float32),  # crop pixels
    "frame_index": ((), np.int32),  # number of the source frame in presentation order
    "pts_seconds": ((), np.float64),  # its presentation time
    # Affine map from source pixels to crop pixels, centres of both at integers. Source pixels are those of the picture
    # as it is shown, upright and square, not as it is stored (`pipeline.decode`); where a video changes its resolution
    # but not its shape, those of its first frame.
    "crop_transform": ((2, 3), np.float32),
}
# What the values of a column must be, looked at when a row is first read.
VALUES: dict[str, Rule] = {
    "landmarks": Rule(lambda values: bool((abs(values) < MOST_PIXELS).all()), "finite, crop pixels"),
    "mouth_openness": Rule(lambda values: bool(((values >= 0) & (values < MOST_PIXELS)).all()), "finite, crop pixels"),
    "frame_index": Rule(lambda values: bool(((values >= 0) & (values < MOST_FRAMES)).all()), "numbers of frames"),
    "pts_seconds": Rule(lambda values: bool((abs(values) < 1e9).all()), "finite, in seconds"),
    "crop_transform": Rule(lambda values: _are_maps(values), "finite maps with a scale above 0"),
}
IMAGES = ("frames", "k_codes")  # squares of the shard's frame size; one row a chunk; the other columns are small
SMALL_CHUNK_ROWS = 1024
MOST_LEVELS = 256  # of K: a code is one byte
MOST_FRAMES = 1 << 24  # in a video, far beyond what a build takes
MOST_PIXELS = 1e5


class VideoColumn(NamedTuple):
    """One column of the `videos/` group."""

    kind: np.dtype[Any] | None  # None: strings of any length
    dimensions: int
    words: str


VIDEOS: dict[str, VideoColumn] = {
    **{name: VideoColumn(None, 1, "a string a video") for name in ("id", "speaker", "source_sha256")},
    **{name: VideoColumn(np.dtype(np.int32), 1, "an int32 a video") for name in ("first_row", "row_count")},
    "fps": VideoColumn(np.dtype(np.float64), 1, "a float64 a video"),
    "bank": VideoColumn(np.dtype(np.int32), 2, "some int32 a video"),
}

# Where a dataset was built with sound (`--audio`): the videos' samples one after the other, 16 kHz mono, each video's
# from the time of its first frame on.
AUDIO, AUDIO_RATE = "audio", 16_000
AUDIO_VIDEOS = {
    name: VideoColumn(np.dtype(np.int64), 1, "an int64 a video") for name in ("first_sample", "sample_count")
}

# What a finished shard says of itself, for readers that know h5py alone: (axes, units) of every dataset. Nothing here
# reads these attributes: shards of earlier versions have none.
DESCRIBED: dict[str, tuple[str, str]] = {
    "frames": ("row, y, x, colour (red, green, blue)", "levels from 0 to 255"),
    "landmarks": ("row, point (dlib's 68, in its order), coordinate (x, y)", "crop pixels, pixel centres at integers"),
    "k_codes": ("row, y, x", "numbers of k_levels: K = k_levels[k_codes]"),
    "k_levels": ("code", "K, the weight of a pixel in the loss, from 0 to 1"),
    "mouth_openness": ("row", "crop pixels"),
    "frame_index": ("row", "number of the source video's frame in presentation order, from 0"),
    "pts_seconds": ("row", "seconds, presentation time in the source video"),
    "crop_transform": (
        "row, crop coordinate (x, y), factors of the source's x and y and the shift",
        "crop pixels = factors * source pixels + shift, pixel centres at integers",
    ),
    "videos/id": ("video", "path below the corpus's folder"),
    "videos/speaker": ("video", "name"),
    "videos/source_sha256": ("video", "SHA-256 of the source, hexadecimal"),
    "videos/fps": ("video", "frames a second"),
    "videos/first_row": ("video", "number of a row: where the video's rows begin"),
    "videos/row_count": ("video", "rows"),
    "videos/bank": ("video, image of the bank (most closed mouth first)", "numbers of rows"),
}
DESCRIBED_AUDIO: dict[str, tuple[str, str]] = {
    AUDIO: ("sample", f"16-bit levels, {AUDIO_RATE} a second, mono"),
    "videos/first_sample": ("video", "number of a sample: that of the time of the video's first row"),
    "videos/sample_count": ("video", "samples, to the end of its last row; 0 where it has no sound"),
}
READ_WITH = "import h5py, hdf5plugin"
READ_JPEG = (
    f"{READ_WITH}; but a row of frames is a JPEG file: "
    "PIL.Image.open(io.BytesIO(file['frames'].id.read_direct_chunk((row, 0, 0, 0))[1]))"
)
LAYOUT = (
    "a row is a frame, cut to the face; the rows of a video follow each other, in time: from videos/first_row on, "
    "videos/row_count of them"
)

# How `frames` are compressed, losslessly but for jpeg; `k_codes` always as K_FILTERS (see benchmarks/storage.py).
STORAGES: dict[str, dict[str, Any]] = {
    "raw": {},
    "lz4": dict(hdf5plugin.LZ4()),
    "zstd": dict(hdf5plugin.Zstd(clevel=-3)),  # level 1: 6 % smaller, in twice the time
    "htj2k": dict(hdf5plugin.Htj2k()),
    "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "jpeg": {},  # whose filter knows the size, see `frame_filters`
}
K_FILTERS: dict[str, Any] = dict(hdf5plugin.Zstd(clevel=1))


def frame_filters(storage: str, size: int) -> dict[str, Any]:
    """How `frames` of `size` pixels are stored, for h5py's `create_dataset`."""
    return jpeg.filter_arguments(size, size) if storage == "jpeg" else STORAGES[storage]


def row_shape(name: str, size: int) -> tuple[int, ...]:
    """The shape of one row of a column, of frames of `size` pixels."""
    shape = ROWS[name][0]
    return (size, size, *shape[2:]) if name in IMAGES else shape


@dataclass(frozen=True)
class VideoEntry:
    """One video of a shard, a row of its `videos/` group."""

    id: str  # path below the corpus root, POSIX, with its extension
    speaker: str
    source_sha256: str
    fps: float
    first_row: int
    row_count: int
    bank: tuple[int, ...]  # rows of the shard's `frames`, most closed mouth first
    first_sample: int = 0  # of the shard's `audio`, if it has one
    sample_count: int = 0


def _are_maps(values: np.ndarray[Any, Any]) -> bool:
    return bool((abs(values) < 1e9).all() and (values[:, [0, 1], [0, 1]] > 0).all())
