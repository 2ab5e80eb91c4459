"""The dataset on disk: shards (HDF5), `dataset.json`, and the readers that training uses."""

from pipeline.shards.dataset import Dataset, Video, dataset_digest, open_dataset
from pipeline.shards.pool import ShardPool
from pipeline.shards.reader import ShardReader
from pipeline.shards.schema import FRAME_SIZE, STORAGES, VideoEntry
from pipeline.shards.writer import FrameRow, Part, merge_shards, write_shard

__all__ = [
    "FRAME_SIZE",
    "STORAGES",
    "Dataset",
    "FrameRow",
    "Part",
    "ShardPool",
    "ShardReader",
    "Video",
    "VideoEntry",
    "dataset_digest",
    "merge_shards",
    "open_dataset",
    "write_shard",
]
