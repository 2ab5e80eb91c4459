"""Records in `work/` and folders that come from somebody else: nothing is believed that leads elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.building.plan import Chunk, load_inventory, make_plan
from pipeline.building.record import ChunkResult, chunk_done, load_chunk, save_chunk
from pipeline.building.upkeep import keep_apart
from pipeline.corpora import Source
from pipeline.errors import BuildError, InputError
from pipeline.layout import chunk_file
from pipeline.result import VideoResult
from pipeline.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[3]
(CHUNK,) = make_plan("folder", [Source("a/1.mp4", "a", "train")], Settings()).chunks


def recorded(out: Path, chunk: Chunk = CHUNK) -> Path:
    """A finished chunk with a shard of nine bytes."""
    shard = out / chunk.shard
    shard.parent.mkdir(parents=True)
    shard.write_text("a shard, 9"[:9])
    result = VideoResult("a/1.mp4", "a", "train", frames_seen=9, frames_kept=9)
    path = chunk_file(out, chunk.name)
    save_chunk(path, ChunkResult(chunk.name, chunk.split, chunk.shard, "0" * 64, 9, [result], "s"))
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"shard": "../../secret.h5"},
        {"shard": "/etc/passwd"},
        {"bytes": "9"},
        {"results": {}},
        {"results": [{"id": "../1.mp4", "speaker": "a", "split": "train"}]},
        {"results": [{"id": "1.mp4", "speaker": "a", "split": "train", "frames_seen": -1}]},
        {"results": [{"id": "1.mp4", "speaker": "a", "split": "train", "path": "/etc/passwd"}]},
        {"results": [{"id": "1.mp4", "speaker": ["a"], "split": "train"}]},
        {"results": [{"id": "1.mp4", "speaker": "a", "split": "train", "note": "\ud800"}]},
    ],
)
def test_a_record_that_cannot_be_is_none(change: dict[str, Any], tmp_path: Path) -> None:
    path = recorded(tmp_path)
    assert chunk_done(tmp_path, CHUNK)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BuildError, match="cannot be read"):
        load_chunk(path)
    assert not chunk_done(tmp_path, CHUNK)


@pytest.mark.parametrize(
    "change", [{"name": "train-0001-x"}, {"shard": "shards/train/other.h5"}, {"shard": None}, {"results": []}]
)
def test_a_record_of_another_chunk_finishes_none(change: dict[str, Any], tmp_path: Path) -> None:
    path = recorded(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert not chunk_done(tmp_path, CHUNK)


def test_a_shard_behind_a_link_is_not_ours(tmp_path: Path) -> None:
    recorded(tmp_path / "out")
    (tmp_path / "out" / "shards").rename(tmp_path / "elsewhere")
    (tmp_path / "out" / "shards").symlink_to(tmp_path / "elsewhere")
    assert not chunk_done(tmp_path / "out", CHUNK)
    with pytest.raises(InputError, match="must be no link"):
        keep_apart(tmp_path / "out", tmp_path / "corpus")


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "[]]", '{"sources": [{"id": "/etc/passwd"}]}', "NaN"])
def test_a_list_of_clips_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "inventory.json").write_text(text)
    with pytest.raises(BuildError, match=r"inventory\.json: cannot be read"):
        load_inventory(tmp_path / "inventory.json")


def closed(folder: Path) -> None:
    folder.mkdir(mode=0o700)


def opened(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o770)


def linked(folder: Path) -> None:
    closed(folder.parent / "other")
    folder.symlink_to(folder.parent / "other")


@pytest.mark.parametrize(("make", "status"), [(closed, 0), (opened, 1), (linked, 1)])
def test_luigid_remembers_in_a_folder_that_is_closed(make: Callable[[Path], None], status: int, tmp_path: Path) -> None:
    """luigid itself is a stand-in that says how it was called."""
    program = tmp_path / "bin" / "luigid"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    make(tmp_path / "state")
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    command = [str(REPOSITORY / "cluster" / "luigid.sh"), "127.0.0.1", "8083", str(tmp_path / "state")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == status, ended.stderr
    if status == 0:
        assert ended.stdout.split()[:4] == ["--address", "127.0.0.1", "--port", "8083"]
    else:
        assert "closed to others" in ended.stderr
