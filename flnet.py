"""`flnet`: one command for everything, from a folder of videos to a talking clip.

It only finds who does the work, in `pipeline` and `model`, and loads no more than that needs. Both are those beside
this file, whatever the user's own folder holds: a `model.py` there is the user's.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent


def keep_to_our_own() -> None:
    """Take modules from beside this file, and none from the current folder, which `python -m` puts first."""
    here, current = str(HERE), os.path.realpath("")
    if current != here:
        sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != current]
    if here not in map(os.path.realpath, sys.path):
        sys.path.append(here)


keep_to_our_own()

import pipeline.interrupts  # noqa: E402, F401 - watches for Ctrl-C while the rest is loaded
from pipeline.cli import nearest, printable  # noqa: E402


class Command(NamedTuple):
    """Who does the work of a command: a module's `main`, or a Luigi task of it."""

    help: str
    module: str
    words: tuple[str, ...] = ()  # in front of the user's, for `main`
    task: str = ""


BUILDS = {
    "folder": Command("any folder of videos: one subfolder is one speaker", "pipeline", task="BuildFolder"),
    "table": Command("a CSV list of clips: path, speaker, split", "pipeline", task="BuildTable"),
    "timit": Command("TCD-TIMIT, with its published split", "pipeline", task="BuildTimit"),
    "faceforensics": Command("FaceForensics or FF++", "pipeline", task="BuildFaceForensics"),
    "sample": Command("drawn talking heads, to try things on", "pipeline", task="BuildSample"),
}
COMMANDS = {
    "check": Command("prove every byte of a dataset", "pipeline.__main__", ("check",)),
    "report": Command("a page that shows a dataset", "pipeline.__main__", ("report",)),
    "train": Command("train FLNet, or a network that it is compared with", "model.train"),
    "evaluate": Command("measure trained networks on people they have not seen", "model.evaluate"),
    "animate": Command("make a face talk as another one does", "model.animate"),
    "demo": Command("all of it on drawn faces, in minutes; --serve: a page to try a network on", "model.demo"),
    "figures": Command("the paper's figures, of your networks", "model.figures"),
    "table1": Command("train and measure FLNet and both baselines", "model.experiments", task="Table1"),
    "ablations": Command("train and measure FLNet and its ablations", "model.experiments", task="Ablations"),
    "export": Command("write a network for use without this program", "model.export"),
    "export-dataset": Command("write a dataset as tars, clips or parquet", "pipeline.__main__", ("export-dataset",)),
    "merge": Command("make one dataset of several", "pipeline.__main__", ("merge",)),
    "segments": Command("write a table that cuts long videos into pieces", "pipeline.__main__", ("segments",)),
    "diff": Command("say what differs between two datasets", "pipeline.__main__", ("diff",)),
}
TEACHING = """\
flnet makes training data out of videos of talking people, and trains FLNet on it, which animates faces.

  flnet build folder --corpus-root my_clips/ --out out/      a dataset of your videos (none yet? flnet build sample)
  flnet check out/                                           is every byte of it as it should be?
  flnet report out/                                          a page to look at it: out/report/index.html
  flnet train --shards out/ --out runs/first --preset cpu    train; on a GPU with --preset paper
  flnet train --resume runs/first                            go on where it was stopped
  flnet evaluate --shards out/ --checkpoint runs/first       how far it is from people it has not seen
  flnet animate --checkpoint runs/first --source anna.mp4 --driver ben.mp4 --out anna_as_ben.mp4
"""
BUILD, HELP, VERSION = "build", ("-h", "--help", "help"), "--version"


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    first, rest = (words[0], words[1:]) if words else ("--help", [])
    if first == VERSION:
        from importlib.metadata import version

        print(f"flnet {version('flnet')}")
        return 0
    if first in HELP:
        commands = _listed({BUILD: _BUILD, **COMMANDS})
        print(f"{TEACHING}\n{commands}\n\nWhat each can do, and its defaults: flnet COMMAND --help")
        return 0
    if first == BUILD:
        return _build(rest)
    if first not in COMMANDS:
        return _unknown("flnet", "command", first, [BUILD, *COMMANDS])
    return _run(COMMANDS[first], first, rest)


_BUILD = Command(f"make a dataset of {', '.join(BUILDS)}", "")


def _build(words: Sequence[str]) -> int:
    if not words or words[0] in HELP:
        usage = "flnet build KIND --corpus-root FOLDER --out FOLDER makes a dataset. KIND says how the videos lie:"
        print(f"{usage}\n\n{_listed(BUILDS)}\n\nFlags and their defaults: flnet build KIND --help")
        return 0
    if words[0] not in BUILDS:
        return _unknown("flnet build", "kind of corpus", words[0], list(BUILDS))
    return _run(BUILDS[words[0]], f"{BUILD} {words[0]}", words[1:])


def _run(command: Command, name: str, words: Sequence[str]) -> int:
    module = importlib.import_module(command.module)
    if command.task:
        from pipeline.building.luigi_flags import run_task

        return run_task(getattr(module, command.task), name, words)
    run: Callable[..., int] = module.main
    prog = "flnet" if command.words else f"flnet {name}"  # its own parser adds the words
    return run([*command.words, *words], prog=prog)


def _listed(commands: dict[str, Command]) -> str:
    return "\n".join(f"  {name:<15} {command.help}" for name, command in commands.items())


def _unknown(program: str, what: str, word: str, known: Sequence[str]) -> int:
    suggested = nearest(word, known) or f"; there are {', '.join(known)}"
    print(printable(f"{program}: there is no {what} {word!r}{suggested}"), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
