"""What preparing a video costs beside decoding it, and beside plain dlib on every frame; where the time goes; what the
whole corpora will take.

    python benchmarks/preparation.py CORPUS [--clips 6] [--plain-every 15] [--sizes 1280x720 512x512 360x288]
        [--mediapipe PYTHON]

CORPUS is a folder of videos (any layout; 1080p clips for the figures in the README). All figures are CPU time (this
process and the ffmpeg it runs), taken in turn, clip by clip, in one run; medians over the clips. With `--sizes` the
same clips again, scaled and cropped to each of these sizes (H.264, crf 18), and of the longest clip at each size the
wall clock and the peak memory of a process that prepares it alone. With `--mediapipe` also its face mesh, that gives
points and no crops, by the Python of an environment that has it (`face_mesh.py`).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import ffmpeg

from pipeline import content, decode, tracking
from pipeline.child_process import tune_memory
from pipeline.cli import run
from pipeline.corpora import Source, video_tree
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.preparing import crops, region_store, video
from pipeline.settings import Settings
from pipeline.tracking.detection import Face, FaceDetector
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.tracking.plain import PlainDetector
from pipeline.tracking.predictor import LandmarkPredictor

# Of the full corpora: videos, seconds each, frames a second, and the share of 1080p's pixels in one of their frames.
FULL = {"TCD-TIMIT": (6913, 5.2, 30, 1.0), "FaceForensics": (1004, 17.0, 30, 0.5)}

FACE_MESH = Path(__file__).with_name("face_mesh.py")
NOT_RUN = float("nan")
SIZES_HEAD = (
    "| CPU ms a frame at | decoding | all of preparation | of it tracking | plain dlib | times less | face mesh "
    "| wall ms | peak MiB |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)
STEPS: list[tuple[str, Any, str]] = [
    ("tracking: detector and predictor", tracking.FaceTracker, "observe"),
    ("crop", crops, "cut"),
    ("K", video, "k_codes"),
    ("copying the face's region", region_store.RegionStore, "keep"),
    ("checksum of the source", content, "sha256_of"),
]


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    cv2.setNumThreads(1)
    root, settings = Path(args.corpus), Settings()
    found = [Source(path.as_posix(), "anybody", "train") for path in video_tree(root).videos]
    sources = found[:: max(1, len(found) // args.clips)][: args.clips]
    plain = PlainDetector(landmark_model_path())
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        video.prepare_video(root, sources[0], settings, work / "warm", None)  # loads the models
        tune_memory()  # as the processes of a build do
        rows, spent = _measure_all(root, sources, settings, work / "as it is", plain, args.plain_every, args.mediapipe)
        _report(rows, dict(spent))
        if args.sizes:
            print(f"\n{SIZES_HEAD}")
            _report_size("as it is", rows, spent, _alone(root, sources, rows, settings))
        for size in args.sizes:
            scaled = _scaled(root, sources, size, work / size)
            made = work / f"of {size}"
            rows, spent = _measure_all(work / size, scaled, settings, made, plain, args.plain_every, args.mediapipe)
            _report_size(size, rows, spent, _alone(work / size, scaled, rows, settings))
    return 0


def _measure_all(
    root: Path,
    sources: list[Source],
    settings: Settings,
    work: Path,
    plain: PlainDetector,
    every: int,
    mediapipe: str | None,
) -> tuple[list[dict[str, float]], dict[str, float]]:
    """A row for each clip, and the seconds spent in each step on all."""
    spent: dict[str, float] = defaultdict(float)
    rows = []
    for source in sources:
        mesh = {"ms": NOT_RUN, "found": 0.0} if mediapipe is None else _face_mesh(mediapipe, root / source.id)
        rows.append(_measure(root, source, settings, work, plain, every, spent) | {"mesh": mesh["ms"]})
        rows[-1]["meshed"] = mesh["found"] / rows[-1]["frames"]
        print(f"{source.id}: {rows[-1]['frames']:.0f} frames", file=sys.stderr)
    return rows, spent


def _face_mesh(python: str, path: Path) -> dict[str, float]:
    """What `face_mesh.py` says of a video."""
    done = subprocess.run([python, str(FACE_MESH), str(path)], check=True, capture_output=True, text=True)
    said: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return said


def _scaled(root: Path, sources: list[Source], size: str, folder: Path) -> list[Source]:
    """The clips at another size: scaled until they fill it, and what hangs over cut off."""
    width, height = size.split("x")
    folder.mkdir(parents=True)
    made = []
    for number, source in enumerate(sources):
        name = f"{number}.mp4"
        picture = ffmpeg.input(str(root / source.id)).video
        picture = picture.filter("scale", width, height, force_original_aspect_ratio="increase")
        picture = picture.filter("crop", width, height)
        picture.output(str(folder / name), vcodec="libx264", crf=18).run(cmd=ffmpeg_path(), quiet=True)
        made.append(Source(name, "anybody", "train"))
    return made


def _measure(
    root: Path,
    source: Source,
    settings: Settings,
    work: Path,
    plain: PlainDetector,
    every: int,
    spent: dict[str, float],
) -> dict[str, float]:
    """CPU milliseconds a frame of one clip, each way, and the bytes of its shard."""
    path = root / source.id
    decoding, frames = _cpu(lambda: sum(1 for _ in decode.read_frames(path)))
    piping, _ = _cpu(lambda: _through_a_pipe(path))
    with _timed(spent):
        preparing, result = _cpu(lambda: video.prepare_video(root, source, settings, work, None))
    sampled = [frame.y.copy() for frame in decode.read_frames(path) if frame.index % every == 0]
    detecting, _ = _cpu(lambda: [plain.observe(luma) for luma in sampled])
    dlibs, ours = _predicting(path)
    spent["decoding"] += decoding
    spent["frames"] += frames
    spent["all"] += preparing
    shard = video.work_files(work, source, settings).shard
    return {
        "frames": frames,
        "decode": decoding / frames * 1e3,
        "pipe": piping / frames * 1e3,
        "prepare": preparing / frames * 1e3,
        "plain": detecting / len(sampled) * 1e3 + decoding / frames * 1e3,
        "dlib's predictor": dlibs,
        "our predictor": ours,
        "bytes": shard.stat().st_size / max(result.frames_kept, 1) if result.status == "ok" else float("nan"),
    }


def _through_a_pipe(path: Path) -> None:
    """Decode with the ffmpeg program, as is usual, and take the pictures out of its pipe."""
    command = ffmpeg.input(str(path), threads=1).video.output("pipe:", format="rawvideo", pix_fmt="yuv420p")
    with command.run_async(cmd=ffmpeg_path(), pipe_stdout=True, quiet=True) as process:
        threading.Thread(target=process.stderr.read, daemon=True).start()
        buffer = bytearray(1 << 20)
        while process.stdout.readinto(buffer):
            pass


def _predicting(path: Path) -> tuple[float, float]:
    """CPU milliseconds of dlib's predictor and of ours, on frames in turn that have just been decoded."""
    detector, plain = FaceDetector(), PlainDetector(landmark_model_path(), studio_range=False)
    predictor = LandmarkPredictor(landmark_model_path(), studio_range=False)
    face: Face | None = None
    dlibs: list[float] = []
    ours: list[float] = []
    for frame in decode.read_frames(path):
        face = face or max(detector.search(frame.y), key=lambda face: face.score, default=None)
        if face is not None:
            luma = frame.y.copy()  # dlib's needs its rows side by side
            way, spent = (plain, dlibs) if frame.index % 2 else (predictor, ours)
            start = time.thread_time()
            way.landmarks(luma, face)
            spent.append(time.thread_time() - start)
    return median(dlibs) * 1e3, median(ours) * 1e3


def _cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    before = _cpu_seconds()
    result = work()
    return _cpu_seconds() - before, result


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@contextmanager
def _timed(spent: dict[str, float]) -> Iterator[None]:
    """Count the thread time of every step in `STEPS`."""
    originals = [(owner, name, getattr(owner, name)) for _, owner, name in STEPS]
    for label, owner, name in STEPS:
        setattr(owner, name, _counting(getattr(owner, name), label, spent))
    try:
        yield
    finally:
        for owner, name, function in originals:
            setattr(owner, name, function)


def _counting(function: Callable[..., Any], label: str, spent: dict[str, float]) -> Callable[..., Any]:
    def counted(*arguments: Any, **keywords: Any) -> Any:
        start = time.thread_time()
        try:
            return function(*arguments, **keywords)
        finally:
            spent[label] += time.thread_time() - start

    return counted


def _alone(root: Path, sources: list[Source], rows: list[dict[str, float]], settings: Settings) -> tuple[float, float]:
    """Wall milliseconds a frame and peak MiB of a fresh process that prepares the longest clip."""
    longest = max(range(len(rows)), key=lambda place: rows[place]["frames"])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_prepare_one, (root, sources[longest], settings))


def _prepare_one(root: Path, source: Source, settings: Settings) -> tuple[float, float]:
    cv2.setNumThreads(1)
    video.load_models(landmark_model_path())
    tune_memory()
    with tempfile.TemporaryDirectory() as scratch:
        begun = time.monotonic()
        result = video.prepare_video(root, source, settings, Path(scratch), None)
        wall = time.monotonic() - begun
    return wall / result.frames_seen * 1e3, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _report_size(name: str, rows: list[dict[str, float]], spent: dict[str, float], alone: tuple[float, float]) -> None:
    ways = ("decode", "prepare", "plain", "mesh")
    decode, prepared, plain, mesh = (median(row[way] for row in rows) for way in ways)
    tracking = spent[STEPS[0][0]] / spent["frames"] * 1e3
    faces = f"{mesh:.2f}" if mesh == mesh else "not run"
    figures = f"{decode:.2f} | {prepared:.2f} | {tracking:.2f} | {plain:.2f} | {plain / prepared:.1f} | {faces}"
    wall, peak = alone
    print(f"| {name} | {figures} | {wall:.2f} | {peak:.0f} |", flush=True)


def _report(rows: list[dict[str, float]], spent: dict[str, float]) -> None:
    decode, pipe, prepared, plain = (
        median(row[name] for row in rows) for name in ("decode", "pipe", "prepare", "plain")
    )
    size = median(row["bytes"] for row in rows)
    print("| CPU ms a frame (median of clips) | | over decoding |\n| --- | ---: | ---: |")
    ways = {
        "decoding alone": decode,
        "decoding by the ffmpeg program, through a pipe": pipe,
        "all of preparation": prepared,
        "plain per-frame dlib": plain,
    }
    mesh = median(row["mesh"] for row in rows)
    if mesh == mesh:
        found = sum(row["meshed"] for row in rows) / len(rows)
        ways[f"MediaPipe's face mesh, decoding and points only ({found:.1%} of frames)"] = mesh
    for label, value in ways.items():
        print(f"| {label} | {value:.2f} | {value / decode:.2f} |")
    print(f"\nPreparation costs {plain / prepared:.1f} times less than plain per-frame dlib.\n")
    dlibs, ours = (median(row[name] for row in rows) for name in ("dlib's predictor", "our predictor"))
    print(
        f"Of that, the landmarks of a box: {ours:.2f} ms, {dlibs / ours:.1f} times less than dlib's {dlibs:.2f} ms.\n"
    )
    print("| step | ms a frame | share |\n| --- | ---: | ---: |")
    frames, whole = spent.pop("frames"), spent.pop("all")
    steps = dict(spent)
    steps["compression, writing, the rest"] = whole - sum(steps.values())
    for label, seconds in sorted(steps.items(), key=lambda item: -item[1]):
        print(f"| {label} | {seconds / frames * 1e3:.2f} | {seconds / whole:.0%} |")
    print("\n| corpus | frames | CPU hours | plain dlib | shards |\n| --- | ---: | ---: | ---: | ---: |")
    for name, (videos, seconds, rate, pixels) in FULL.items():
        count = videos * seconds * rate
        # A smaller picture is decoded and searched sooner; its face, its crop and its shard cost what they cost.
        hours, plain_hours = count * (decode * pixels + prepared - decode) / 3.6e6, count * plain * pixels / 3.6e6
        print(f"| {name} | {count / 1e6:.2f} M | {hours:.1f} | {plain_hours:.0f} | {count * size / 1e9:.0f} GB |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="folder of videos")
    parser.add_argument("--clips", type=int, default=6, help="clips to measure (default 6)")
    parser.add_argument(
        "--plain-every", type=int, default=15, help="plain dlib on every how many-th frame (default 15)"
    )
    parser.add_argument("--sizes", nargs="*", default=[], metavar="WxH", help="these sizes as well, made of the clips")
    parser.add_argument("--mediapipe", metavar="PYTHON", help="a Python that has mediapipe 0.10.21 and av")
    sys.exit(run(parser, main))
