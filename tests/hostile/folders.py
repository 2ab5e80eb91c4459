"""Hostile folders: links, pipes and devices in every place, files that are not ours, places that must stay apart."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.hostile.arrays import link
from tests.hostile.case import Case
from tests.hostile.shards import mine_beside
from tests.hostile.world import KEEP, World, resign

Thing = Callable[[World, Path], object]


def _emptied(world: World, path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rename(world.root / f"moved-{path.name}")
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)


def pipe(world: World, path: Path) -> None:
    _emptied(world, path)
    os.mkfifo(path)


def folder(world: World, path: Path) -> None:
    _emptied(world, path)
    path.mkdir()
    (path / f"{KEEP}.md").write_text("mine")


def endless(world: World, path: Path) -> None:
    link(world, path, Path("/dev/zero"))


def to_secret(world: World, path: Path) -> None:
    link(world, path, world.secret)


def to_nothing(world: World, path: Path) -> None:
    link(world, path, world.root / "nowhere")


def to_itself(world: World, path: Path) -> None:
    link(world, path, path)


def sparse(world: World, path: Path) -> None:
    """A terabyte of nothing."""
    _emptied(world, path)
    with path.open("wb") as file:
        file.truncate(1 << 40)


def unreadable(_world: World, path: Path) -> None:
    path.chmod(0)


THINGS: dict[str, Thing] = {
    **{"a pipe": pipe, "a folder": folder, "a link to a device": endless, "a link to a secret": to_secret},
    **{"a link to nothing": to_nothing, "a link to itself": to_itself, "a terabyte of nothing": sparse},
}
_DATASET = ("train", "report", "check", "repair")
PLACES: dict[str, tuple[Callable[[World], Path], tuple[str, ...]]] = {
    "a shard": (lambda world: world.shard("train"), (*_DATASET, "build_again")),
    "dataset.json": (lambda world: world.dataset / "dataset.json", (*_DATASET, "build_again")),
    "manifest.csv": (lambda world: world.dataset / "manifest.csv", ("report", "check", "repair")),
    "a track": (lambda world: world.only("work/tracks/*/*.npz"), ("report", "build_otherwise")),
    "a record": (lambda world: world.only("work/chunks/*.json"), ("build_again", "report_unfinished")),
    "a plan": (lambda world: world.only("work/plans/*[0-9a-f].json"), ("build_again", "report_unfinished")),
    "an inventory": (lambda world: world.only("work/inventory-*.json"), ("build_again", "report_unfinished")),
    "run.toml": (lambda world: world.dataset / "run.toml", ("report", "report_unfinished")),
    "a checkpoint": (lambda world: world.checkpoint, ("evaluate", "resume")),
    "settings of a run": (lambda world: world.run / "config.json", ("animate", "resume")),
    "a landmark file": (lambda world: world.driver, ("animate",)),
    "a picture": (lambda world: world.pictures / "b.png", ("animate_pictures",)),
    "an answer": (lambda world: sorted((world.root / "answers").rglob("*.png"))[0], ("answers",)),
    "a video": (lambda world: sorted(world.corpus.rglob("*.mp4"))[0], ("build",)),
    "a list of what to leave out": (lambda world: world.root / "exclude.txt", ("build_excluding",)),
    "a table of clips": (lambda world: world.root / "clips.csv", ("build_table",)),
    "the report's page": (lambda world: world.dataset / "report" / "index.html", ("report",)),
}
# Named by the user himself, or of his corpus, where links are followed.
NAMED = ("a video", "a landmark file", "a list of what to leave out", "a table of clips")


def put(find: Callable[[World], Path], thing: Thing, world: World) -> None:
    thing(world, find(world))


def linked_folder(name: str, target: str, world: World) -> None:
    """A folder of the dataset is a link to another's that holds files of the very same names."""
    link(world, world.dataset / name, world.foreign / target)


def leftovers_behind_a_link(world: World) -> None:
    (world.dataset / "shards" / "train" / "more").symlink_to(world.foreign)


def unlisted_behind_a_link(world: World) -> None:
    (world.dataset / "shards" / "train" / "train-0009-0123456789ab.h5").symlink_to(world.foreign_shard)


def hard_linked(world: World) -> None:
    """A shard that is another's file by a second name."""
    path = world.shard("train")
    path.unlink()
    os.link(world.foreign / "NOTES.md", path)


def outside(world: World) -> None:
    (world.dataset / f"{KEEP}.part").write_text("mine")
    (world.dataset / "shards" / f"{KEEP}.md").write_text("mine")
    (world.dataset / "work" / f"{KEEP}.json").write_text("mine")
    (world.dataset / "work" / "chunks" / f"{KEEP}.json").write_text("{}")
    (world.root / "out" / "dataset").mkdir(parents=True)
    (world.root / "out" / "dataset" / f"{KEEP}.mp4.part").write_text("mine")


def corpus_inside(world: World) -> None:
    """The output lies in the corpus."""
    (world.root / "out").symlink_to(world.corpus)


def corpus_is_output(world: World) -> None:
    (world.root / "out").mkdir()
    (world.root / "out" / "dataset").symlink_to(world.corpus)


def run_is_mine(world: World) -> None:
    """A run folder with another's files and a link for checkpoints."""
    (world.run / f"{KEEP}.txt").write_text("mine")
    (world.run / "checkpoints").rename(world.root / "moved")
    (world.run / "checkpoints").symlink_to(world.foreign)
    (world.run / "config.json").write_text("{}")


def many_files(world: World) -> None:
    for number in range(3000):
        (world.dataset / "shards" / "train" / f"{KEEP}-{number}").write_text("mine")


def deep(world: World) -> None:
    path = world.dataset / "shards" / "train"
    for _ in range(200):
        path /= "deeper"
    path.mkdir(parents=True)


def names(world: World) -> None:
    folder = os.fsencode(world.dataset / "shards" / "train")
    for name in (b"\xff\xfe.h5", b"a\nb.h5", b"-rf", b"\x1b[2J.h5", "é\u202e.h5".encode()):
        Path(os.fsdecode(folder + b"/" + name)).write_text("mine")


def absent(name: str, world: World) -> None:
    path = world.root / name
    path.rename(world.root / "moved")


HARMS: dict[str, tuple[Callable[[World], object], tuple[str, ...]]] = {
    "shards/ is a link": (partial(linked_folder, "shards", "shards"), (*_DATASET, "build_again", "build_otherwise")),
    "shards/train is a link": (partial(linked_folder, "shards/train", "shards/train"), (*_DATASET, "build_otherwise")),
    "work/ is a link": (
        partial(linked_folder, "work", "dataset/work"),
        ("report", "report_unfinished", "build_otherwise"),
    ),
    "report/ is a link": (partial(linked_folder, "report", "dataset"), ("report",)),
    "a link among shards": (leftovers_behind_a_link, ("check", "repair", "build_otherwise")),
    "an unlisted link to a shard": (unlisted_behind_a_link, ("check", "repair", "build_otherwise")),
    "another's file by a second name": (hard_linked, ("repair", "build_again")),
    "a user's files among shards": (mine_beside, (*_DATASET, "build_otherwise")),
    "a user's files everywhere": (outside, ("check", "repair", "build_otherwise", "build")),
    "the output in the corpus": (corpus_inside, ("build",)),
    "the output is the corpus": (corpus_is_output, ("build",)),
    "checkpoints/ is a link": (run_is_mine, ("resume", "evaluate")),
    "thousands of files among shards": (many_files, ("check", "repair")),
    "folders 200 deep": (deep, ("check", "repair", "build_otherwise")),
    "names that hurt among shards": (names, ("check", "repair")),
    "no shards at all": (partial(absent, "dataset/shards"), _DATASET),
    "no corpus": (partial(absent, "corpus"), ("build", "build_again", "report")),
    "no run": (partial(absent, "run"), ("evaluate", "animate", "export")),
}


def of_folders(_dice: random.Random) -> Iterator[Case]:
    """Every thing in every place, and what else can be wrong with folders."""
    for place, (find, commands) in PLACES.items():
        for name, thing in THINGS.items():
            if thing is to_secret and place in NAMED:
                continue
            yield Case("links, pipes and devices", f"{place}: {name}", partial(put, find, thing), commands)
    for name, (harm, commands) in HARMS.items():
        yield Case("folders", name, harm, commands)


def resigned(world: World) -> None:
    resign(world)
