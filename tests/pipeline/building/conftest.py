"""Builds run in the tests' own process, which has the models loaded already."""

from __future__ import annotations

import atexit
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.parameter import UnconsumedParameterWarning
from luigi.task_register import Register

from pipeline import locks
from pipeline.building import chunk, luigi_tasks
from pipeline.building.luigi_tasks import Build
from pipeline.corpora import Source

Built = tuple[bool, str]
BuildNow = Callable[..., Built]


@pytest.fixture
def build(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[BuildNow]:
    """build(task class, corpus_root=..., out=..., ...) -> whether it ended well, and what it printed."""
    held: dict[Path, int] = {}
    monkeypatch.setattr(locks, "held", held)

    def run(task: type[Build], **flags: Any) -> Built:
        Register.clear_instance_cache()  # the same command again is another process in real life
        capfd.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnconsumedParameterWarning)  # pytest has undone what `pipeline` says of it
            started = task(storage="lz4", **{name: str(v) if isinstance(v, Path) else v for name, v in flags.items()})
            done = luigi.build([started], local_scheduler=True, workers=1, log_level="ERROR")
        atexit.unregister(luigi_tasks._farewell)
        if started.progress is not None:
            luigi_tasks._farewell(started)
        return bool(done), "".join(capfd.readouterr())

    yield run
    Register.clear_instance_cache()
    for file in held.values():
        os.close(file)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], list[str]]:
    """made() -> ids of the videos that were prepared since it was called last."""
    notes = tmp_path_factory.mktemp("made")
    real = chunk.prepare_video

    def noted(root: Path, source: Source, *rest: Any) -> Any:
        result = real(root, source, *rest)
        (notes / source.id.replace("/", "|")).touch()
        return result

    monkeypatch.setattr(chunk, "prepare_video", noted)

    def told() -> list[str]:
        found = sorted(path.name.replace("|", "/") for path in notes.iterdir())
        for path in notes.iterdir():
            path.unlink()
        return found

    return told
