"""Memory of preparing a long video: the same clip once and looped to many minutes, peak resident memory side by side.

    python benchmarks/long_video.py CLIP [--minutes 30]

The loop is made by copying the clip's packets, so that it decodes like a long recording of the same kind.
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
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.video import VideoReader

CHILD = """
import json, resource, sys
from pathlib import Path
from pipeline.corpora import Source
from pipeline.prepare import prepare_video
from pipeline.settings import Settings
from pipeline.supervise import settle_in
settle_in()
path = Path(sys.argv[1])
result = prepare_video(path.parent, Source(path.name, "s", "train"), Settings(), Path(sys.argv[2]), None)
print(json.dumps([result.status, result.frames_kept, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    clip = Path(args.clip)
    with VideoReader(clip) as reader:
        frames = sum(1 for _ in reader)
    loops = max(1, round(args.minutes * 60 * reader.fps / frames))
    print("| video | frames kept | peak MiB |\n| --- | ---: | ---: |")
    with tempfile.TemporaryDirectory() as scratch:
        long = Path(scratch) / f"long{clip.suffix}"
        looped = ffmpeg.input(str(clip), stream_loop=loops - 1).video
        looped.output(str(long), vcodec="copy").run(cmd=ffmpeg_path(), quiet=True)
        for name, path in (("the clip", clip), (f"looped to {args.minutes:g} minutes", long)):
            command = [sys.executable, "-c", CHILD, str(path.resolve()), str(Path(scratch) / name)]
            child = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
            status, kept, peak = json.loads(child.stdout)
            print(f"| {name} ({status}) | {kept} | {peak:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", help="a video with a face")
    parser.add_argument("--minutes", type=float, default=30, help="length of the loop (default 30)")
    sys.exit(run(parser, main))
