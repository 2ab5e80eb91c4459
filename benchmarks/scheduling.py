"""What Luigi costs on thousands of videos: a build of tiny stand-ins beside the preparing alone, and a build with
nothing to do.

    python benchmarks/scheduling.py [--videos 7000] [--workers 2]

The stand-ins are hard links to one clip of six frames. Scheduling is what the build takes beyond preparing, as CPU
time of all its processes; it is set against what preparing as many real TCD-TIMIT videos takes (5.2 s at 30 frames a
second, `--real-ms` CPU a frame, from benchmarks/preparation.py).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ffmpeg

from pipeline.child_process import run_in_child
from pipeline.cli import run
from pipeline.corpora import Source
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.preparing.video import load_models, prepare_video
from pipeline.sample import write_sample_corpus
from pipeline.settings import Settings
from pipeline.tracking.landmark_model import landmark_model_path

FRAMES = 6
REAL_FRAMES = 5.2 * 30


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch:
        root, out = Path(scratch) / "corpus", Path(scratch) / "out"
        clip = _tiny_clip(Path(scratch))
        for number in range(args.videos):
            link = root / f"speaker{number // 100:03}" / f"{number:05}.mp4"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.hardlink_to(clip)
        load_models(landmark_model_path())  # as a build does before it forks
        alone = run_in_child(_alone, clip, Path(scratch) / "alone")
        build_wall, build_cpu = _build(root, out, args.workers)
        again_wall, _ = _build(root, out, args.workers)
    real = args.videos * REAL_FRAMES * args.real_ms / 1e3
    overhead = build_cpu - args.videos * alone
    print(f"| {args.videos} videos of {FRAMES} frames | |\n| --- | ---: |")
    print(f"| preparing one alone, CPU | {alone * 1e3:.0f} ms |")
    print(f"| the build, wall | {build_wall:.0f} s |")
    print(f"| the build, CPU | {build_cpu:.0f} s |")
    print(f"| of which not preparing | {overhead:.0f} s |")
    print(f"| the same over preparing as many real videos ({real / 3600:.1f} h) | {overhead / real:.1%} |")
    print(f"| a build with nothing to do, wall | {again_wall:.1f} s |")
    return 0


def _tiny_clip(folder: Path) -> Path:
    clip = write_sample_corpus(folder / "drawn", speakers=2, clips=1, seconds=1.5, fps=10)[0]
    tiny = folder / "tiny.mp4"
    command = ffmpeg.output(
        ffmpeg.input(str(clip)).video, str(tiny), vcodec="libx264", vframes=FRAMES, preset="ultrafast"
    )
    command.run(cmd=ffmpeg_path(), quiet=True)
    return tiny


def _alone(clip: Path, work: Path, times: int = 12) -> float:
    """CPU seconds of preparing the clip in this process, the models already loaded."""
    results = []
    for number in range(times):
        before = _cpu(resource.RUSAGE_SELF)
        prepare_video(clip.parent, Source(clip.name, "s", "train"), Settings(), work / str(number), None)
        results.append(_cpu(resource.RUSAGE_SELF) - before)
    return sorted(results[1:])[len(results) // 2]


def _build(root: Path, out: Path, workers: int) -> tuple[float, float]:
    """Wall and CPU seconds of the user's command."""
    luigi = Path(sys.executable).with_name("luigi")
    command = [luigi, "--module", "pipeline", "BuildFolder", "--corpus-root", root, "--out", out, "--workers", workers]
    start, before = time.monotonic(), _cpu(resource.RUSAGE_CHILDREN)
    subprocess.run([str(word) for word in command], check=True, cwd=Path(__file__).parents[1], env=dict(os.environ))
    return time.monotonic() - start, _cpu(resource.RUSAGE_CHILDREN) - before


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=7000, help="stand-ins (default 7000)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="Luigi workers (default: all cores)")
    parser.add_argument("--real-ms", type=float, default=6.0, help="CPU ms a frame of a real video (default 6)")
    sys.exit(run(parser, main))
