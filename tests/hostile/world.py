"""A small sound world to do harm to: a corpus, its dataset, a run, drivers and pictures; and what is not ours."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np

from pipeline.decode import read_frames
from pipeline.files import sha256_of
from pipeline.sample import write_sample_corpus
from pipeline.shards import ShardReader
from pipeline.shards.dataset import contents_digest

SECRET = "CANARY-5e1f-not-yours"
KEEP = "MINE"
"""Files whose names begin so were put by a user: no command may change or take them, wherever they lie."""
MOST_BYTES = 1 << 28
TRAIN, TEST = "Zoë", "bob"


@dataclass(frozen=True)
class World:
    """A copy of everything, below one folder; `foreign` is another's, beside it."""

    root: Path
    foreign: Path

    @property
    def dataset(self) -> Path:
        return self.root / "dataset"

    @property
    def corpus(self) -> Path:
        return self.root / "corpus"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def checkpoint(self) -> Path:
        return self.run / "checkpoints" / "step-00000001.pt"

    @property
    def driver(self) -> Path:
        return self.root / "driver.npz"

    @property
    def pictures(self) -> Path:
        return self.root / "pictures"

    @property
    def secret(self) -> Path:
        return self.foreign / "secret.txt"

    @property
    def foreign_shard(self) -> Path:
        return self.foreign / "shards" / "train" / "train-0000-0123456789ab.h5"

    def out(self, name: str = "") -> Path:
        """Where commands write to."""
        return self.root / "out" / name

    def shard(self, split: str) -> Path:
        return next(iter(sorted((self.dataset / "shards" / split).glob("*.h5"))))

    def only(self, pattern: str) -> Path:
        """The first file of the dataset of a pattern."""
        return sorted(self.dataset.glob(pattern))[0]


def make_clean(root: Path, build: Callable[[World], int], train: Callable[[World], int]) -> World:
    """Draw, build and train everything, with these two commands; `train` writes to `World.out`."""
    world = World(root / "clean", root / "foreign")
    write_sample_corpus(root / "drawn", speakers=2, clips=1, seconds=1.5, fps=10)
    clips = sorted((root / "drawn" / "volunteers").rglob("*.mp4"))
    for clip, name in zip(clips, (f"train/{TRAIN}", f"test/{TEST}"), strict=True):
        place = world.corpus / name / "a b.mp4"
        place.parent.mkdir(parents=True)
        shutil.copy(clip, place)
    build(world)
    train(world)
    world.out("run").replace(world.run)
    world.out().rmdir()
    with ShardReader(world.shard("test")) as reader:
        np.savez(world.driver, landmarks=reader.landmarks(slice(0, 3)), fps=np.float64(10))
    world.pictures.mkdir()
    frame = next(iter(read_frames(clips[0])))
    cv2.imwrite(str(world.pictures / "a.png"), cv2.cvtColor(frame.y, cv2.COLOR_GRAY2BGR))
    _make_answers(world)
    _make_foreign(world)
    return world


def _make_answers(world: World) -> None:
    """A ready picture for every test frame."""
    with ShardReader(world.shard("test")) as reader:
        for entry in reader.entries:
            folder = world.root / "answers" / entry.id
            folder.mkdir(parents=True)
            for row in range(entry.first_row, entry.first_row + entry.row_count):
                number = int(reader.frame_index([row])[0])
                cv2.imwrite(str(folder / f"{number:06d}.png"), cv2.resize(reader.frames([row])[0], (32, 32)))


def _make_foreign(world: World) -> None:
    """Another's files: a long secret, a sound shard with other pixels, notes, an unfinished download."""
    shard = world.foreign_shard
    shard.parent.mkdir(parents=True)
    shutil.copy(world.shard("train"), shard)
    with h5py.File(shard, "r+") as file:
        file["landmarks"][...] = file["landmarks"][...] + 1
    world.secret.write_text(SECRET * (224 * 224 * 3 * 16 // len(SECRET)))
    (world.foreign / "film.mp4.part").write_text(SECRET)
    (world.foreign / f".shard.h5.{'0' * 12}.part").write_text(SECRET)
    (world.foreign / "NOTES.md").write_text(SECRET)
    shutil.copytree(world.dataset, world.foreign / "dataset", dirs_exist_ok=True)


def copy(clean: World, root: Path) -> World:
    """A world to be harmed."""
    shutil.copytree(clean.root, root, symlinks=True)
    return World(root, clean.foreign)


def resign(world: World) -> None:
    """Make `dataset.json` say of shards and manifest what they are, so that only their content gives an edit away."""
    path = world.dataset / "dataset.json"
    contents: dict[str, Any] = json.loads(path.read_text())
    for shard in contents["shards"]:
        place = world.dataset / shard["path"]
        if place.is_file() and not place.is_symlink():
            shard.update(sha256=sha256_of(place), bytes=place.stat().st_size)
    contents["manifest_sha256"] = sha256_of(world.dataset / "manifest.csv")
    sign(path, contents)


def sign(path: Path, contents: dict[str, Any]) -> None:
    """Write `dataset.json` with its own digest right."""
    contents["contents_sha256"] = contents_digest(contents)
    path.write_text(json.dumps(contents))


def state_of(folder: Path, prefix: str = "") -> dict[str, tuple[int, int, str]]:
    """Every regular file below a folder whose name begins so: its time, links and content."""
    found = {}
    for inside, _, files in os.walk(folder):
        for name in files:
            path = Path(inside, name)
            if name.startswith(prefix) and path.is_file() and not path.is_symlink():
                stat = path.stat()
                if stat.st_size > MOST_BYTES:
                    continue  # a case's own: nobody is to read it
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                found[str(path.relative_to(folder))] = (stat.st_mtime_ns, stat.st_mode, content)
    return found
