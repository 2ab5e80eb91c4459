"""Many open shards, within a limit."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from pipeline.shards.reader import ShardReader

# More than TCD-TIMIT has: opening one again costs as much as reading a batch, keeping it open 0.7 MB.
MAX_OPEN_SHARDS = 128


class ShardPool:
    """Shard readers by path, opened when first needed; the least recently used are closed beyond a limit.

    Closed ones are kept, since they know that their shard is sound.
    """

    def __init__(self, limit: int = MAX_OPEN_SHARDS) -> None:
        self.limit = limit
        self._readers: OrderedDict[Path, ShardReader] = OrderedDict()  # that may be open
        self._closed: dict[Path, ShardReader] = {}

    def reader(self, shard: Path) -> ShardReader:
        """The reader of one shard. Raises `DatasetError` naming a broken shard when it is first read."""
        if shard not in self._readers:
            self._readers[shard] = self._closed.pop(shard) if shard in self._closed else ShardReader(shard)
            if len(self._readers) > self.limit:
                path, reader = self._readers.popitem(last=False)
                reader.close()
                self._closed[path] = reader
        self._readers.move_to_end(shard)
        return self._readers[shard]

    def close(self) -> None:
        """Close every reader; the pool can be used again."""
        while self._readers:
            self._readers.popitem()[1].close()
