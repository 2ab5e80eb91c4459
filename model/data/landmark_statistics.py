"""Mean and spread of a training split's landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from model.network.condition import LandmarkStatistics
from pipeline.errors import DatasetError
from pipeline.geometry import LANDMARKS
from pipeline.shards import ShardReader, Video


def landmark_statistics(videos: Sequence[Video]) -> LandmarkStatistics:
    """Over all frames of some videos, every frame alike. Reads the landmarks' column and no picture.

    Raises:
        DatasetError: a shard cannot be read, or all landmarks are the same.
    """
    count, total, squares = 0, np.zeros((LANDMARKS, 2)), np.zeros((LANDMARKS, 2))
    for video in videos:
        with ShardReader(video.shard) as shard:
            points = shard.landmarks(slice(video.first_row, video.first_row + video.row_count))
            shares = (points.astype(np.float64) + 0.5) / shard.frame_size
        count += len(shares)
        total += shares.sum(axis=0)
        squares += np.square(shares).sum(axis=0)
    mean = total / max(count, 1)
    variance = float((squares / max(count, 1) - np.square(mean)).mean())
    if variance <= 0:
        raise DatasetError(f"all {count} frames of {len(videos)} videos have the same landmarks; nothing to learn from")
    return LandmarkStatistics(torch.from_numpy(mean), variance**0.5)
