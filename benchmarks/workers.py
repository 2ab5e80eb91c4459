"""How a build scales: one worker and two, free to use any core and each held to one core of its own.

    python benchmarks/workers.py CORPUS [--runs 3]

Wall time of the user's command, one and two workers in turn, medians over the runs. Left free, one worker already uses
more than a core, since ffmpeg decodes while the face is tracked; held to one core (`taskset`), it is the unit that a
cluster hands out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from pipeline.cli import run


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    first, second = sorted(os.sched_getaffinity(0))[:2]
    ways = {
        "one worker": (1, f"{first},{second}"),
        "one worker on one core": (1, f"{first}"),
        "two workers on two cores": (2, f"{first},{second}"),
    }
    walls: dict[str, list[float]] = {name: [] for name in ways}
    _build(args.corpus, 2, f"{first},{second}")  # the files are in the page cache from now on
    for _ in range(args.runs):
        for name, (workers, cores) in ways.items():
            walls[name].append(_build(args.corpus, workers, cores))
    fastest = median(walls["two workers on two cores"])
    print("| | wall s (median) | over two workers |\n| --- | ---: | ---: |")
    for name, times in walls.items():
        print(f"| {name} | {median(times):.1f} | {median(times) / fastest:.2f} |")
    return 0


def _build(corpus: str, workers: int, cores: str) -> float:
    luigi = str(Path(sys.executable).with_name("luigi"))
    with tempfile.TemporaryDirectory() as out:
        command = ["taskset", "-c", cores, luigi, "--module", "pipeline", "BuildFolder", "--corpus-root", corpus]
        command += ["--out", f"{out}/out", "--workers", str(workers), "--max-failures", "0.9"]
        start = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.monotonic() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="folder of videos")
    parser.add_argument("--runs", type=int, default=3, help="runs of each way (default 3)")
    sys.exit(run(parser, main))
