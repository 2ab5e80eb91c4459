"""The commands that a world is given to, each as a user would call it, small."""

from __future__ import annotations

import sys
from collections.abc import Callable

import luigi.cmdline

import model.animate
import model.evaluate
import model.export
import model.figures
import model.train
import pipeline.__main__
from pipeline import interrupts
from tests.hostile.world import TEST, World

Command = Callable[[World], int]
_NETWORK = ["--perceptual-weight", "0", "--adversarial-weight", "0", "--image-size", "32", "--base-channels", "4"]
_TRAIN = [*_NETWORK, "--batch-size", "2", "--device", "cpu", "--workers", "0", "--checkpoint-every", "1"]
_MEASURES = ["--no-fid", "--no-lpips", "--stride", "4", "--device", "cpu", "--workers", "0"]


def check(world: World) -> int:
    return pipeline.__main__.main(["check", str(world.dataset)])


def repair(world: World) -> int:
    return pipeline.__main__.main(["check", str(world.dataset), "--repair"])


def report(world: World) -> int:
    return pipeline.__main__.main(["report", str(world.dataset), "--source-pictures", str(world.corpus)])


def report_unfinished(world: World) -> int:
    """Of a build that has not come to its end."""
    (world.dataset / "dataset.json").unlink(missing_ok=True)
    return pipeline.__main__.main(["report", str(world.dataset), "--clips"])


def train(world: World) -> int:
    return model.train.main(["--shards", str(world.dataset), "--out", str(world.out("run")), *_TRAIN, "--steps", "1"])


def resume(world: World) -> int:
    return model.train.main(
        ["--shards", str(world.dataset), "--out", str(world.run), *_TRAIN, "--steps", "2", "--resume"]
    )


def evaluate(world: World) -> int:
    words = ["--checkpoint", str(world.run), "--out", str(world.out("evaluation")), *_MEASURES]
    return model.evaluate.main(["--shards", str(world.dataset), *words])


def answers(world: World) -> int:
    words = ["--answers", f"other={world.root / 'answers'}", "--image-size", "32", *_MEASURES]
    return model.evaluate.main(["--shards", str(world.dataset), "--out", str(world.out("answers")), *words])


def figures(world: World) -> int:
    words = ["--checkpoint", str(world.run), "--out", str(world.out("figures")), "--only", "2", "5"]
    return model.figures.main(["--shards", str(world.dataset), *words, "--candidates", "4", "--device", "cpu"])


def animate(world: World) -> int:
    return _animate(world, "--source", str(world.dataset), "--speaker", TEST)


def animate_pictures(world: World) -> int:
    return _animate(world, "--source", str(world.pictures))


def _animate(world: World, *source: str) -> int:
    words = ["--driver", str(driver_of(world)), "--fit", "none", "--device", "cpu", "--out", str(world.out("clip.mp4"))]
    return model.animate.main(["--checkpoint", str(world.run), *source, *words])


def export(world: World) -> int:
    words = ["--image-size", "32", "--out", str(world.out("network.pt2"))]
    return model.export.main(["--checkpoint", str(world.run), *words])


def build(world: World) -> int:
    return _luigi(world, "BuildFolder", "--out", str(world.out("dataset")), "--split", "folders")


def build_again(world: World) -> int:
    return _luigi(world, "BuildFolder", "--out", str(world.dataset), "--split", "folders")


def build_otherwise(world: World) -> int:
    """With other crops: the tracks are taken from `work/`."""
    return _luigi(world, "BuildFolder", "--out", str(world.dataset), "--split", "folders", "--face-fraction", "0.5")


def build_table(world: World) -> int:
    return _luigi(world, "BuildTable", "--out", str(world.out("dataset")), "--table", str(world.root / "clips.csv"))


def build_excluding(world: World) -> int:
    words = ["--split", "folders", "--exclude", str(world.root / "exclude.txt")]
    return _luigi(world, "BuildFolder", "--out", str(world.out("dataset")), *words)


def driver_of(world: World) -> object:
    """The sound landmark file, or the hostile one beside it."""
    return next(iter(sorted(world.root.glob("hostile.*"))), world.driver)


def _luigi(world: World, task: str, *words: str) -> int:
    sys.argv = ["luigi", "--module", "pipeline", task]
    interrupts.handle(interrupts.Leave("interrupted; finished work is kept, the same command goes on"))
    small = ["--max-failures", "1", "--workers", "1", "--corpus-root", str(world.corpus), "--storage", "lz4"]
    try:
        luigi.cmdline.luigi_run(["--module", "pipeline", task, *small, *words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


COMMANDS: dict[str, Command] = {
    command.__name__: command
    for command in (
        *(train, resume, evaluate, answers, figures, animate, animate_pictures, export, report, report_unfinished),
        *(build, build_table, build_excluding, build_again, build_otherwise, check, repair),
    )
}
READERS = ("evaluate", "figures", "animate", "report", "check", "repair")
"""Of a dataset's test split; and of the other:"""
LEARNERS = ("train", "report", "check", "repair")
