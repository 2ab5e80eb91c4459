"""Pictures small enough to be part of a page: banks, crops and K of chosen videos."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline import log
from pipeline.report.gather import Entry
from pipeline.shards import ShardReader

QUALITY = 70  # of WebP
BANK_SIDE = 112
HEAT_SIDE = 160

Picture = npt.NDArray[np.uint8]


def data_uri(picture: Picture) -> str:
    """(H, W, 3) uint8 RGB as a WebP in a URI."""
    from PIL import _webp  # noqa: F401 - where memory is short Pillow goes on without, and falls over the name "WEBP"

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def heatmap(k: npt.NDArray[np.float32], floor: float) -> Picture:
    """K from its floor to 1 as colours, dark to bright: (H, W) -> (H, W, 3) RGB."""
    levels = np.clip((k - floor) / max(1 - floor, 1e-6) * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB), np.uint8)


def colour_ramp(steps: int = 9) -> list[str]:
    """The heatmap's colours from its floor to 1, as CSS."""
    line = heatmap(np.linspace(0, 1, steps, dtype=np.float32)[None], 0.0)[0]
    return [f"rgb({red},{green},{blue})" for red, green, blue in line.tolist()]


def video_pictures(entries: Sequence[Entry], chosen: Sequence[int], progress: bool) -> dict[int, dict[str, Any]]:
    """What the page shows of the chosen videos.

    Args:
        chosen: places of videos that arrived.

    Returns:
        By place: `bank` (URIs), `crop` and `heat` (URIs) of the bank's middle picture, and its `points`, 136 integers
        in tenths of a crop pixel.
    """
    shown = {}
    for place in log.progress(sorted(chosen), "pictures", unit="videos", delay=1, disable=not progress):
        found = entries[place].measures
        if found is not None:
            with ShardReader(found.shard) as reader:
                rows = [found.first_row + row for row in found.bank]
                middle = rows[len(rows) // 2]
                frames = reader.frames(rows)
                levels = reader.k_levels
                k = levels[reader.k_codes([middle])[0]]
                points = np.rint(reader.landmarks([middle])[0] * 10).astype(int)
            shown[place] = {
                "bank": [data_uri(_shrunk(frame, BANK_SIDE)) for frame in frames],
                "crop": data_uri(frames[len(rows) // 2]),
                "heat": data_uri(_shrunk(heatmap(k, float(levels.min())), HEAT_SIDE)),
                "points": points.ravel().tolist(),
            }
    return shown


def _shrunk(picture: Picture, side: int) -> Picture:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
