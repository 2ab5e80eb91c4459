"""The bar counts what tasks leave, each video once, whoever left it and in whichever order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline import log
from pipeline.building.plan import make_plan
from pipeline.building.progress import Progress
from pipeline.building.record import ChunkResult, save_chunk
from pipeline.corpora import Source
from pipeline.layout import WORK, chunk_file
from pipeline.preparing.video import work_files
from pipeline.result import VideoResult, save_result
from pipeline.settings import Settings


class Bar:
    """In place of the one that is drawn."""

    def __init__(self, total: int, initial: int) -> None:
        self.total, self.n, self.told = total, initial, ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, more: int) -> None:
        self.n += more

    def set_postfix_str(self, text: str, **_: object) -> None:
        self.told = text


def test_videos_and_chunks_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan("folder", [Source(f"{name}.mp4", name, "train") for name in "abcdefghij"], Settings())
    whole, *others = plan.chunks
    made: list[Bar] = []

    def bar(*_: Any, total: int, initial: int, **__: Any) -> Bar:
        made.append(Bar(total, initial))
        return made[-1]

    monkeypatch.setattr(log, "progress", bar)
    results = {video.id: VideoResult(video.id, video.speaker, "train", frames_seen=7) for video in plan.videos}
    ours = [results[video.id] for video in whole.videos]
    for video in [*whole.videos, others[0].videos[0]]:  # of the finished chunk, too, whose parts nobody cleared away
        save_result(work_files(tmp_path / WORK, video, plan.settings).result, results[video.id])
    save_chunk(chunk_file(tmp_path, whole.name), ChunkResult(whole.name, "train", None, "", 0, ours))
    for name in (f"{'0' * 12}.json", "notes.txt"):  # somebody else's
        work_files(tmp_path / WORK, whole.videos[0], plan.settings).result.with_name(name).write_text("{")
    chunk_file(tmp_path, others[1].name).write_text("{")  # damaged: it is made again
    progress = Progress(tmp_path, plan)
    progress.start()
    last = others[-1].videos[-1]
    lost = VideoResult(last.id, last.speaker, "train", "failed", "too_short: it is")
    save_result(work_files(tmp_path / WORK, last, plan.settings).result, lost)
    progress.stop()
    assert (made[0].total, made[0].n) == (10, len(ours) + 2)
    assert "1 failed" in made[0].told
