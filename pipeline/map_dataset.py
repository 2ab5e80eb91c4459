"""A finished dataset for anybody's trainer: one split, frame by frame, as `torch.utils.data.DataLoader` takes it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.shards import ShardPool, Video, open_dataset

Item = dict[str, Any]


class FlnetDataset:
    """The frames of one split: videos by speaker and id, frames in order of time. Item `i` is the same in any process.

    A map-style dataset by its methods, `len` and `[]`: it needs no torch, and any loader that knows those two can take
    it. An item is a mapping of

    - `image`: (3, S, S) uint8 RGB, the crop, S the dataset's `frame_size` (224),
    - `landmarks`: (68, 2) float32 x, y in pixels of the crop, pixel centres at integers,
    - `mouth_openness`: float32, pixels of the crop between the middle outer lip points,
    - `k`: (S, S) float32 in [0.3, 1], the weights K of the paper (with `with_k`),
    - `bank`: (5, 3, S, S) uint8, `bank_landmarks`: (5, 68, 2) float32: five frames of the same video, mouth closed
      to open; the item itself may be among them (with `with_bank`). The paper's protocol, which draws banks from other
      videos and leaves targets out of them, is `model.data.sampler`'s,
    - `video`, `speaker`: str, as in manifest.csv,
    - `frame_index`: int, number of the source's frame; `seconds`: float, its time.

    Args:
        root: the dataset's folder.
        split: one of its splits.
        with_bank: read the bank, five more pictures an item.
        with_k: read K, half as long again as the picture alone.
        transform: what to make of an item; picklable, where the loader has processes.

    Raises:
        DatasetError: there is no such dataset or split, or a shard is missing or damaged; names the file.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        with_bank: bool = False,
        with_k: bool = False,
        transform: Callable[[Item], Any] | None = None,
    ) -> None:
        self.videos: list[Video] = open_dataset(root).videos(split)
        self.with_bank, self.with_k, self.transform = with_bank, with_k, transform
        self._ends = list(accumulate(video.row_count for video in self.videos))
        self._pool = ShardPool()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> Any:
        """Item `index`, from the end where it is negative.

        Raises:
            IndexError: there is none.
            DatasetError: its shard is missing or damaged.
        """
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"index must be in [{-count}, {count}), got {index}")
        number = index % count
        place = bisect_right(self._ends, number)
        video = self.videos[place]
        item = self._read(video, video.first_row + number - (self._ends[place] - video.row_count))
        return item if self.transform is None else self.transform(item)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pool": ShardPool()}  # another process opens what it reads

    def _read(self, video: Video, row: int) -> Item:
        reader = self._pool.reader(video.shard)
        item: Item = {
            "image": _channels_first(reader.frames([row]))[0],
            "landmarks": reader.landmarks([row])[0],
            "mouth_openness": reader.mouth_openness([row])[0],
            "video": video.id,
            "speaker": video.speaker,
            "frame_index": int(reader.frame_index([row])[0]),
            "seconds": float(reader.pts_seconds([row])[0]),
        }
        if self.with_k:
            item["k"] = reader.k_levels[reader.k_codes([row])[0]]
        if self.with_bank:
            item["bank"] = _channels_first(reader.frames(video.bank))
            item["bank_landmarks"] = reader.landmarks(video.bank)
        return item


def _channels_first(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.moveaxis(images, -1, 1)  # a view: whoever stacks a batch copies once
