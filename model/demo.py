"""`flnet demo`: from nothing to a talking clip of drawn faces, by a user's own commands; `--serve`: a page for it."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from model.experiments.child import FLNET
from pipeline.child_process import end_with_parent
from pipeline.cli import Parser, printable, run
from pipeline.errors import InputError

PROGRAM = "flnet demo"
STEPS = 2000
PORT = 7860
LOOPBACK = "127.0.0.1"
SOURCE, DRIVER = "08F/Clips/straightcam/sa1.mp4", "09F/Clips/straightcam/sa2.mp4"


def commands(folder: Path, steps: int) -> list[list[str]]:
    """What is run, one after the other; each goes on where it was."""
    corpus, dataset, training = folder / "corpus", folder / "dataset", folder / "run"
    words: list[list[str | Path]] = [
        ["build", "sample", "--corpus-root", corpus, "--out", dataset],
        ["check", dataset],
        ["report", dataset, "--clips"],
        ["train", "--shards", dataset, "--out", training, "--resume", "--preset", "cpu", "--steps", str(steps)],
        ["evaluate", "--shards", dataset, "--checkpoint", training],
        [
            *("animate", "--checkpoint", training, "--show", "masks", "--out", folder / "animation.mp4"),
            *("--source", corpus / "volunteers" / SOURCE, "--driver", corpus / "volunteers" / DRIVER),
        ],
    ]
    return [[str(word) for word in line] for line in words]


def places(folder: Path) -> str:
    """Where everything is, for the terminal."""
    training = folder / "run"
    return "\n".join(
        [
            f"the sample corpus    {folder / 'corpus'}/",
            f"its dataset          {folder / 'dataset'}/       open {folder / 'dataset/report/index.html'}",
            f"the training run     {training}/           curves: tensorboard --logdir {training}",
            f"figures and picture  {training / 'evaluation/test.md'}, test.png",
            f"the talking clip     {folder / 'animation.mp4'}",
            f"a page to try it on  flnet demo --serve --out {shlex.quote(str(folder))}",
        ]
    )


def build_parser(prog: str = PROGRAM) -> Parser:
    """The command's flags."""
    parser = Parser(
        prog=prog,
        usage=f"{prog} [flags]",
        description="Draw talking heads, build their dataset, train a small network on it, measure it and animate a "
        "face with it: some minutes on two cores, and no network. It prints each command before it runs it; run again, "
        "it goes on where it was. With --serve: open a page to try the network on, in place of all that.",
    )
    add = parser.add_argument
    add("--out", type=Path, default=Path("demo"), metavar="FOLDER", help="where all of it lies (default demo)")
    add("--steps", type=int, default=STEPS, metavar="N", help=f"of the training (default {STEPS})")
    page = parser.add_argument_group("the page (pip install 'flnet[web]')")
    add = page.add_argument
    add("--serve", action="store_true", help="serve a page: drop a source and a driver, see result, masks and bank")
    add("--checkpoint", type=Path, help="a .pt file, or a run folder (default: the run in --out)")
    add(
        "--host",
        default=LOOPBACK,
        metavar="ADDRESS",
        help=f"that the page is served at; 0.0.0.0: to every machine that reaches this one (default {LOOPBACK})",
    )
    add("--port", type=int, default=PORT, metavar="N", help=f"of the page (default {PORT}; 0: any that is free)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    return parser


def main(argv: Sequence[str] | None = None, prog: str = PROGRAM) -> int:
    """The command; returns its exit status."""
    return run(build_parser(prog), _demo, argv)


def _demo(args: argparse.Namespace) -> int:
    if args.serve:
        from model.web import serve  # Gradio is not there everywhere

        checkpoint = args.checkpoint or args.out / "run"
        if not checkpoint.exists():
            raise InputError(
                f"{checkpoint}: there is no trained network yet: run flnet demo first, or name one with --checkpoint"
            )
        clips = args.out / "corpus" / "volunteers"
        example = (clips / SOURCE, clips / DRIVER)
        there = all(path.is_file() for path in example)
        serve(checkpoint, args.host, args.port, args.device, [example] if there else [])
        return 0
    if args.checkpoint is not None:
        raise InputError("--checkpoint is for --serve: the demo trains a network of its own")
    if args.steps < 1:
        raise InputError(f"--steps must be at least 1, got {args.steps}")
    for words in commands(args.out, args.steps):
        if status := _run(words):
            print(f"flnet demo: flnet {words[0]} ended with status {status}; the same command goes on", file=sys.stderr)
            return status
    print(f"\n{printable(str(args.out))}: done\n{places(args.out)}")
    return 0


def _run(words: Sequence[str]) -> int:
    """One command to its end; Ctrl-C reaches it as well, and is its own to see to."""
    print(f"\n$ {printable(shlex.join(['flnet', *words]))}", flush=True)
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        child = [sys.executable, *FLNET, *words]
        return subprocess.run(child, preexec_fn=partial(end_with_parent, os.getpid(), signal.SIGTERM)).returncode
    finally:
        signal.signal(signal.SIGINT, before)
