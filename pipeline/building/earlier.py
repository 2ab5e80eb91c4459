"""What earlier builds in the same folder have left that a new one can take over: videos that need not be made again.

The corpus has grown, a list has changed, a source was mended: chunks get other borders or lose a video, and most of
what is in them stays what it was. Its shards are copied from, video by video.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.building.plan import Plan
from pipeline.building.record import ChunkResult, chunk_done, load_chunks
from pipeline.content import has_changed
from pipeline.corpora import Source
from pipeline.files import atomic_write, drop_own_file, sha256_of
from pipeline.layout import WORK, chunk_files, earlier_file, earlier_files, earlier_index
from pipeline.result import VideoResult
from pipeline.settings import Settings

Kept = tuple[VideoResult, Path]  # what became of a video, and the shard that holds it if it arrived


class Earlier:
    """The shards of earlier builds, opened as they are asked for.

    Args:
        out: the dataset's folder.
        records: the chunk's record that has a video, by the video's id (of `index_earlier`).
    """

    def __init__(self, out: Path, records: dict[str, str]) -> None:
        self._out = out
        self._records = records
        self._sound: dict[str, bool] = {}

    @staticmethod
    def of(out: Path, plan: str) -> Earlier | None:
        """What `index_earlier` found for a plan; None where it found nothing."""
        try:
            return Earlier(out, dict(json.loads(earlier_index(out, plan).read_text(encoding="utf-8"))))
        except (OSError, ValueError):
            return None

    def find(self, root: Path, videos: Sequence[Source], settings: Settings) -> dict[str, Kept]:
        """Those of some videos that need not be made again, by id.

        Args:
            root: the corpus root.
        """
        names = sorted({self._records[source.id] for source in videos if source.id in self._records})
        known = {name: record for name in names for record in load_chunks([self._out / WORK / name])}
        found = {}
        for source in videos:
            record = known.get(self._records.get(source.id, ""))
            if record is None or record.settings != settings.digest:
                continue
            result = next((result for result in record.results if result.id == source.id), None)
            if result is not None and self._holds_good(record, result, source, root):
                found[source.id] = (result.of(source), self._out / (record.shard or ""))
        return found

    def _holds_good(self, record: ChunkResult, result: VideoResult, source: Source, root: Path) -> bool:
        if result.is_transient or result.excluded != [list(stretch) for stretch in source.excluded]:
            return False
        if has_changed(root / source.path, result.stamp, result.sha256):
            return False
        return result.status != "ok" or self._is_sound(record)

    def _is_sound(self, record: ChunkResult) -> bool:
        """Whether a shard is what was recorded: nothing damaged is copied."""
        if record.name not in self._sound:
            shard = self._out / (record.shard or "")
            self._sound[record.name] = shard.is_file() and sha256_of(shard) == record.sha256
        return self._sound[record.name]


def index_earlier(out: Path, plan: Plan) -> None:
    """Note which records of earlier builds have videos of the chunks that are still to be made.

    Records of other plans lie in `work/chunks/`, those of chunks that are to be made again in `work/earlier/`.
    """
    ours = {chunk.name for chunk in plan.chunks}
    others = [path for path in chunk_files(out) if path.stem not in ours] + earlier_files(out)
    if not others:
        return
    wanted = {video.id for chunk in plan.chunks if not chunk_done(out, chunk) for video in chunk.videos}
    records = {
        result.id: path.relative_to(out / WORK).as_posix()
        for path in others
        for record in load_chunks([path])
        for result in record.results
        if result.id in wanted
    }
    if records:
        with atomic_write(earlier_index(out, plan.digest)) as temporary:
            temporary.write_text(json.dumps(records), encoding="utf-8")


def set_aside(out: Path, record: Path) -> None:
    """Have a chunk made again, of which most videos can be taken over."""
    aside = earlier_file(out, record.stem)
    aside.parent.mkdir(parents=True, exist_ok=True)
    try:
        record.replace(aside)
    except FileNotFoundError:
        return  # another host did so


def forget_earlier(out: Path, plan: Plan) -> None:
    """Drop the records of earlier builds, once a plan is finished and their shards are gone."""
    ours = {chunk.name for chunk in plan.chunks}
    others = [path for path in chunk_files(out) if path.stem not in ours]
    for path in [*others, *earlier_files(out), earlier_index(out, plan.digest)]:
        drop_own_file(out, path)
