"""How a build scales: two workers against one, on two cores.

    python benchmarks/workers.py CORPUS [--runs 5] [--repeat 16]

Wall time of the user's command, one and two workers in turn; each turn gives a ratio, whose median counts (a machine
with other guests is another one a minute later). Every video stands in the folder `--repeat` times (copied), so that
starting up, which is not shared, does not decide. Beside it what the machine itself gives: the same videos decoded, and
nothing else, by one process and by two.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

from pipeline.cli import run
from pipeline.corpora import scan_folder
from pipeline.decode import read_frames


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    sources = scan_folder(Path(args.corpus))
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        corpus = Path(scratch) / "corpus"
        for number in range(args.repeat):
            for source in sources:
                copy = corpus / f"{number}-{source.speaker}" / source.id.replace("/", "-")
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(Path(args.corpus) / source.id, copy)
        _build(corpus, Path(scratch) / "first", 2)  # the files are in the page cache from now on
        ways: dict[str, Callable[[int, int], float]] = {
            "building": lambda run_number, workers: _build(corpus, Path(scratch) / f"{run_number}-{workers}", workers),
            "decoding alone": lambda _, workers: _decode(corpus, workers),
        }
        walls: dict[str, dict[int, list[float]]] = {way: {1: [], 2: []} for way in ways}
        for run_number in range(args.runs):
            for way, measure in ways.items():
                for workers, seconds in walls[way].items():
                    seconds.append(measure(run_number, workers))
    print(f"| {args.repeat * len(sources)} videos | one worker, wall s | two workers | times as fast | by turn |")
    print("| --- | ---: | ---: | ---: | --- |")
    for way, times in walls.items():
        ratios = [alone / both for alone, both in zip(times[1], times[2], strict=True)]
        by_turn = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"| {way} | {median(times[1]):.1f} | {median(times[2]):.1f} | {median(ratios):.2f} | {by_turn} |")
    return 0


def _build(corpus: Path, out: Path, workers: int) -> float:
    luigi = Path(sys.executable).with_name("luigi")
    command = [str(luigi), "--module", "pipeline", "BuildFolder", "--corpus-root", str(corpus), "--out", str(out)]
    command += ["--workers", str(workers), "--max-failures", "0.9"]
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


def _decode(corpus: Path, workers: int) -> float:
    paths = sorted(path for path in corpus.rglob("*") if path.is_file())
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(_frames, paths[:workers]))  # the processes are up
        start = time.monotonic()
        list(pool.map(_frames, paths))
        return time.monotonic() - start


def _frames(path: Path) -> int:
    return sum(1 for _ in read_frames(path))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="folder of videos")
    parser.add_argument("--runs", type=int, default=5, help="turns (default 5)")
    parser.add_argument("--repeat", type=int, default=16, help="copies of each video (default 16)")
    parser.add_argument("--scratch", type=Path, help="folder for the copies and builds (default: the system's)")
    sys.exit(run(parser, main))
