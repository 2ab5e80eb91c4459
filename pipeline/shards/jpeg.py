"""Frames as JPEG, for those who accept it: each chunk of `frames` is a JPEG stream behind HDF5's registered filter.

HDF5 itself can read such chunks where the plugin of filter 32019 is installed (hdf5plugin does not have it). Anywhere
else `read_direct_chunk` gives the stream, which any JPEG library decodes; that is what `ShardReader` does.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

JPEG_FILTER = 32019  # "JPEG" in The HDF Group's list of registered filters
QUALITY = 95
COLOUR = 1  # its parameters: quality, columns, rows, colour


def filter_arguments(height: int, width: int) -> dict[str, Any]:
    """For `create_dataset`, which need not have the plugin: chunks are written as they are."""
    options = (QUALITY, width, height, COLOUR)
    return {"compression": JPEG_FILTER, "compression_opts": options, "allow_unknown_filter": True}


def write_jpeg(dataset: h5py.h5d.DatasetID, row: int, image: npt.NDArray[np.uint8]) -> None:
    """Encode an image (H, W, 3) uint8 RGB as one row's chunk."""
    dataset.write_direct_chunk((row, 0, 0, 0), jpeg_stream(image))


def jpeg_stream(image: npt.NDArray[np.uint8]) -> bytes:
    """An image (H, W, 3) uint8 RGB as JPEG, colours at full resolution."""
    import cv2

    flags = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), flags)[1].tobytes())


def read_jpeg(stream: bytes, out: npt.NDArray[np.uint8]) -> None:
    """Decode a stream into an image (H, W, 3) uint8 RGB.

    Raises:
        OSError: it is no JPEG stream of that size.
    """
    import cv2

    image = cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != out.shape:
        raise OSError(f"must be a JPEG stream of {out.shape}")
    cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=out)
