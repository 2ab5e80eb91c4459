"""How a build scales: two workers against one, on two cores.

    python benchmarks/workers.py CORPUS [--runs 3] [--repeat 16]

Wall time of the user's command, one and two workers in turn, medians over the runs; every video stands in the folder
`--repeat` times (copied), so that starting up, which is not shared, does not decide.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from pipeline.cli import run
from pipeline.corpora import scan_folder


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
        walls: dict[int, list[float]] = {1: [], 2: []}
        for run_number in range(args.runs):
            for workers, times in walls.items():
                times.append(_build(corpus, Path(scratch) / f"out-{run_number}-{workers}", workers))
    fastest = median(walls[2])
    print(f"| {args.repeat * len(sources)} videos | wall s (median) | over two workers |\n| --- | ---: | ---: |")
    for workers, times in walls.items():
        print(f"| {workers} worker{'s' * (workers > 1)} | {median(times):.1f} | {median(times) / fastest:.2f} |")
    return 0


def _build(corpus: Path, out: Path, workers: int) -> float:
    luigi = Path(sys.executable).with_name("luigi")
    command = [str(luigi), "--module", "pipeline", "BuildFolder", "--corpus-root", str(corpus), "--out", str(out)]
    command += ["--workers", str(workers), "--max-failures", "0.9"]
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="folder of videos")
    parser.add_argument("--runs", type=int, default=3, help="runs of each way (default 3)")
    parser.add_argument("--repeat", type=int, default=16, help="copies of each video (default 16)")
    parser.add_argument("--scratch", type=Path, help="folder for the copies and builds (default: the system's)")
    sys.exit(run(parser, main))
