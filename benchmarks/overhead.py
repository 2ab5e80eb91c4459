"""What it costs a build to be trusted: checksums, flushes, renames and a process of its own, as shares of its time.

    python benchmarks/overhead.py [--corpus-root DIR]

One build in this process, with a stopwatch around each; --root chooses the file system that is measured.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from pipeline import child_process, content, files
from pipeline.building import chunk, finish
from pipeline.building.plan import make_plan
from pipeline.cli import run
from pipeline.corpora import scan_timit
from pipeline.settings import Settings

REPEATS = 200


class Stopwatch:
    """Adds up the time spent in functions."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[name] += time.perf_counter() - start
                self.calls[name] += 1

        return timed


def main(args: argparse.Namespace) -> int:
    """The command; returns its exit status."""
    with tempfile.TemporaryDirectory(dir=args.root, prefix="overhead-") as name:
        corpus = args.corpus_root or draw_corpus(Path(name) / "corpus")
        plan = make_plan("timit", scan_timit(corpus), Settings())
        watch = Stopwatch()
        start = time.perf_counter()
        with watched(watch):
            for part in plan.chunks:
                chunk.build_chunk(Path(name) / "out", corpus, part, plan.settings, None)
            contents = finish.finish(Path(name) / "out", corpus, plan, 0.05)
        whole = time.perf_counter() - start
        megabytes = sum(shard["bytes"] for shard in contents["shards"]) / 1e6
    watch.seconds["fork"] = fork_seconds() * len(plan.chunks)
    watch.calls["fork"] = len(plan.chunks)
    frames = contents["counts"]["frames_kept"]
    print(f"{len(plan.videos)} videos, {frames} frames, {megabytes:.0f} MB of shards, {whole:.1f} s with one worker")
    for what in ("sha256", "fsync", "rename", "fork"):
        share = 100 * watch.seconds[what] / whole
        print(f"{what:8s} {watch.calls[what]:6d} calls {watch.seconds[what]:8.3f} s {share:6.2f} %")
    print(f"together {100 * sum(watch.seconds.values()) / whole:.2f} % of the build")
    return 0


@contextmanager
def watched(watch: Stopwatch) -> Iterator[None]:
    """Time the functions, and prepare videos in this process, so that the stopwatch sees all of them."""
    checksum = watch.around("sha256", files.sha256_of)
    with (
        mock.patch.object(content, "sha256_of", checksum),
        mock.patch.object(chunk, "sha256_of", checksum),
        mock.patch.object(finish, "sha256_of", checksum),
        mock.patch.object(os, "fsync", watch.around("fsync", os.fsync)),
        mock.patch.object(Path, "replace", _method(watch.around("rename", Path.replace))),
        mock.patch.object(child_process.Children, "__call__", lambda children, *arguments: children._work(*arguments)),
    ):
        yield


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Path, target: Path) -> Any:
        return function(self, target)

    return method


def fork_seconds() -> float:
    """Mean time of a child that does nothing, with dlib's models loaded in the parent."""
    start = time.perf_counter()
    for _ in range(REPEATS):
        child_process.run_in_child(int)
    return (time.perf_counter() - start) / REPEATS


def draw_corpus(root: Path) -> Path:
    """A small sample corpus."""
    from pipeline.sample import write_sample_corpus

    write_sample_corpus(root, speakers=4, clips=2, seconds=3.0, workers=2)
    return root


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(prog="python benchmarks/overhead.py", description=__doc__)
    parser.add_argument("--corpus-root", type=Path, help="a corpus in TCD-TIMIT's layout (default: drawn)")
    parser.add_argument("--root", type=Path, help="where to build (default: the folder for temporary files)")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
