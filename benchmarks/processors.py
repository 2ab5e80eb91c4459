"""One dataset built as on several processors: is it the same?

    python benchmarks/processors.py timit CORPUS
    python benchmarks/processors.py folder CORPUS --flag=--max-failures=0.3

Builds with the user's command, once a row, in an environment in which BLAS, numpy and OpenCV take the code they have
for another processor, or use another number of threads. Prints the digests; exit status 1 if they are not all equal.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.cli import run

TASKS = {"timit": "BuildTimit", "faceforensics": "BuildFaceForensics", "folder": "BuildFolder"}
NO_AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
OLD = {
    "NPY_DISABLE_CPU_FEATURES": f"{NO_AVX512} AVX2 FMA3",
    "OPENCV_CPU_DISABLE": "AVX512_SKX,AVX2,FP16,AVX,SSE4.2,SSE4.1",
}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
TWO_THREADS = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
PROCESSORS: dict[str, dict[str, str]] = {
    "as it comes": {},
    "Haswell": {"OPENBLAS_CORETYPE": "Haswell", **ONE_THREAD},
    "SkylakeX, two threads": {"OPENBLAS_CORETYPE": "SkylakeX", **TWO_THREADS},
    "Zen, numpy and OpenCV without AVX2": {"OPENBLAS_CORETYPE": "Zen", **OLD, **TWO_THREADS},
    "Prescott, numpy and OpenCV without AVX2": {"OPENBLAS_CORETYPE": "Prescott", **OLD, **ONE_THREAD},
}


def main(args: argparse.Namespace) -> int:
    """The command; returns its exit status."""
    digests = {}
    print("| processor | digest |\n| --- | --- |")
    with tempfile.TemporaryDirectory(prefix="processors-") as scratch:
        for number, (name, variables) in enumerate(PROCESSORS.items()):
            out = Path(scratch) / str(number)
            command = [str(Path(sys.executable).with_name("luigi")), "--module", "pipeline", TASKS[args.kind]]
            command += ["--corpus-root", str(args.corpus), "--out", str(out), *args.flag]
            subprocess.run(command, env=os.environ | variables, check=True, capture_output=True)
            digests[name] = json.loads((out / "dataset.json").read_text())["digest"]
            print(f"| {name} | {digests[name]} |", flush=True)
    return 0 if len(set(digests.values())) == 1 else 1


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(prog="python benchmarks/processors.py", description=__doc__)
    parser.add_argument("kind", choices=TASKS, help="the corpus's layout")
    parser.add_argument("corpus", type=Path, help="its folder")
    parser.add_argument("--flag", action="append", default=[], help="a flag of the build, as --flag=--max-failures=0.3")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
