"""Preparing a long video: the same clip looped to several lengths, side by side in what they need of memory, of
decoding and of the processor.

    python benchmarks/long_video.py CLIP [--seconds 2.5 7.5 30 1800]

The loops are made by copying the clip's packets, so that they decode like long recordings of the same kind.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import ffmpeg

from pipeline.cli import run
from pipeline.decode import VideoReader
from pipeline.ffmpeg_program import ffmpeg_path

CHILD = """
import json, resource, sys, time
from pathlib import Path
import cv2
from pipeline import decode
from pipeline.child_process import tune_memory
from pipeline.corpora import Source
from pipeline.preparing.video import load_models, prepare_video
from pipeline.settings import Settings
from pipeline.tracking.landmark_model import landmark_model_path
load_models(landmark_model_path())
cv2.setNumThreads(1)
tune_memory()
path, decoded, pictures = Path(sys.argv[1]), 0, decode.VideoReader._pictures
def counted(self):
    global decoded
    for picture in pictures(self):
        decoded += 1
        yield picture
decode.VideoReader._pictures = counted
start = time.process_time()
result = prepare_video(path.parent, Source(path.name, "s", "train"), Settings(), Path(sys.argv[2]), None)
cost = (time.process_time() - start) / result.frames_seen * 1e3
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([result.status, result.frames_kept, decoded / result.frames_seen, cost, peak]))
"""


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    clip = Path(args.clip)
    with VideoReader(clip) as reader:
        frames = sum(1 for _ in reader)
    print("| seconds | frames kept | decodings a frame | CPU ms a frame | peak MiB |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as scratch:
        for seconds in args.seconds:
            loops = max(1, round(seconds * reader.fps / frames))
            path = Path(scratch) / f"{seconds:g}{clip.suffix}"
            looped = ffmpeg.input(str(clip), stream_loop=loops - 1).video
            looped.output(str(path), vcodec="copy").run(cmd=ffmpeg_path(), quiet=True)
            command = [sys.executable, "-c", CHILD, str(path.resolve()), str(Path(scratch) / f"work {seconds:g}")]
            child = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
            status, kept, decodings, cost, peak = json.loads(child.stdout)
            print(f"| {seconds:g} ({status}) | {kept} | {decodings:.2f} | {cost:.2f} | {peak:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", help="a video with a face")
    parser.add_argument(
        "--seconds", type=float, nargs="+", default=[2.5, 7.5, 30, 1800], help="lengths (default 2.5 7.5 30 1800)"
    )
    sys.exit(run(parser, main))
