"""How all that surrounds preparing grows with the number of videos: time, memory and files of every command.

    python benchmarks/growth.py [--videos 1000 7000] [--workers 2] [--scratch DIR]
    python benchmarks/growth.py --videos 50000 --ready

A video's preparation is replaced by a stand-in that writes a drawn shard of six frames, a track and a result within
milliseconds; everything else is the user's own commands: listing, planning, Luigi, records, merging, the manifest,
`check`, `report`, and opening the dataset to train on it. With `--ready` whole shards are stand-ins, a few of them over
and over under other names, which takes a tenth of the time: what a chunk costs itself is not measured then. Where a
figure grows faster than the number, something is quadratic.

On several hosts that share a folder and a luigid, each runs the build's step on a corpus that `--keep` has left:

    python benchmarks/growth.py --step build KEPT/corpus KEPT/shared WORKERS ready SCHEDULER_HOST
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import h5py
import numpy as np
import numpy.typing as npt
import psutil

import flnet
from pipeline.building import chunk, luigi_chunk
from pipeline.building.plan import Chunk
from pipeline.building.record import ChunkResult, save_chunk
from pipeline.cli import run
from pipeline.content import stamp_of
from pipeline.corpora import Source
from pipeline.files import atomic_write, sha256_of
from pipeline.geometry import mouth_openness
from pipeline.layout import chunk_file
from pipeline.preparing.bank import choose_bank
from pipeline.preparing.k_map import k_codes, k_table
from pipeline.preparing.video import work_files
from pipeline.report import suspicion
from pipeline.result import VideoResult, blank, load_result, save_result
from pipeline.sample.landmarks import FaceState, face_landmarks
from pipeline.sample.speakers import random_speaker
from pipeline.settings import Settings
from pipeline.shards import FRAME_SIZE, FrameRow, Part, VideoEntry, merge_shards, open_dataset, write_shard
from pipeline.track import Track, save_track

FRAMES, A_SPEAKER, DRAWN, VARIETIES = (
    6,
    100,
    32,
    8,
)  # frames a video, videos a speaker, landmarks, shards to choose from
COARSE, EYES_APART = 14, 85  # pixels: of a stand-in's blocks, between its eyes
POLL_SECONDS = 0.1


class Cost(NamedTuple):
    """What a command took."""

    wall: float
    cpu: float  # of all its processes
    own_mb: float  # most memory of its first process
    most_mb: float  # and of any other that it started


def main(args: argparse.Namespace) -> int:
    """Measure and print a table, a row for each command."""
    if args.step:
        return STEPS[args.step](*args.of)
    measured = {count: _measure(count, args) for count in args.videos}
    for what, unit in (("CPU", "s"), ("wall", "s"), ("memory of the command, largest of its processes", "MB")):
        print(f"\n| {what}, {unit} | {' | '.join(f'{count:,} videos' for count in measured)} |")
        print(f"| --- |{' ---: |' * len(measured)}")
        for step in next(iter(measured.values()))[0]:
            costs = [steps[step] for steps, _ in measured.values()]
            cells = [_cell(cost, what) for cost in costs]
            print(f"| {step} | {' | '.join(cells)} |")
    print(f"\n| size | {' | '.join(f'{count:,} videos' for count in measured)} |\n| --- |{' ---: |' * len(measured)}")
    for name in next(iter(measured.values()))[1]:
        print(f"| {name} | {' | '.join(f'{sizes[name]:,.1f}' for _, sizes in measured.values())} |")
    return 0


def _cell(cost: Cost, what: str) -> str:
    if what.startswith("memory"):
        return f"{cost.own_mb:.0f}, {cost.most_mb:.0f}"
    return f"{cost.cpu if what == 'CPU' else cost.wall:.1f}"


def _measure(count: int, args: argparse.Namespace) -> tuple[dict[str, Cost], dict[str, float]]:
    with ExitStack() as stack:
        scratch = tempfile.TemporaryDirectory(prefix="growth-", dir=args.scratch)
        folder = args.keep / str(count) if args.keep else Path(stack.enter_context(scratch))
        root, out = folder / "corpus", folder / "out"
        make_corpus(root, count)
        build = ("build", root, out, args.workers, *(["ready"] if args.ready else []))
        costs = {
            "listing and planning": _cost("plan", root, out),
            "build": _cost(*build),
            "build, with nothing to do": _cost(*build),
            "check": _cost("check", out),
            "report": _cost("report", out),
            "opening it to train": _cost("open", out),
        }
        sizes = _sizes(out)
        return costs, sizes


def make_corpus(root: Path, count: int) -> None:
    """So many files that are called videos."""
    for number in range(count):
        path = root / f"speaker{number // A_SPEAKER:04}" / f"{number:06}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))


def _cost(step: str, *words: object) -> Cost:
    """Run a step in a process of its own, and watch it."""
    command = [sys.executable, __file__, "--step", step, *map(str, words)]
    start = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    peaks = {"own": 0.0, "most": 0.0}
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peaks, ended))
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    ended.set()
    watcher.join()
    if status:
        raise SystemExit(f"{' '.join(command)}: ended with status {os.waitstatus_to_exitcode(status)}")
    print(f"{step} {' '.join(map(str, words))}: {wall:.1f} s", file=sys.stderr, flush=True)
    return Cost(wall, used.ru_utime + used.ru_stime, peaks["own"], peaks["most"])


def _watch(pid: int, peaks: dict[str, float], ended: threading.Event) -> None:
    while not ended.wait(POLL_SECONDS):
        try:
            own = psutil.Process(pid)
            peaks["own"] = max(peaks["own"], own.memory_info().rss / 1e6)
            for child in own.children(recursive=True):
                peaks["most"] = max(peaks["most"], child.memory_info().rss / 1e6)
        except psutil.Error:  # it has ended in between
            continue


def _sizes(out: Path) -> dict[str, float]:
    files = [path for path in out.rglob("*") if path.is_file()]
    work = [path for path in files if path.is_relative_to(out / "work")]
    megabytes = {
        name: sum(path.stat().st_size for path in files if path.match(pattern)) / 1e6
        for name, pattern in (
            ("dataset.json, MB", "dataset.json"),
            ("manifest.csv, MB", "manifest.csv"),
            ("report/index.html, MB", "report/index.html"),
            ("the plan, MB", "work/plans/*.json"),
            ("records of chunks, MB", "work/chunks/*.json"),
        )
    }
    report = [path for path in files if path.is_relative_to(out / "report")]
    return {
        "files, work/ left out": len(files) - len(work),
        "files in work/": len(work),
        "report/, files": len(report),
        "report/, MB": sum(path.stat().st_size for path in report) / 1e6,
        **megabytes,
    }


def _plan(root: str, out: str) -> int:
    """What a build does before the first video: list, plan, compare with what is there."""
    import pipeline.tasks

    pipeline.tasks.BuildFolder(corpus_root=root, out=f"{out}-planned")
    return 0


def _build(root: str, out: str, workers: str, ready: str = "", scheduler: str = "") -> int:
    words = ["build", "folder", "--corpus-root", root, "--out", out, "--workers", workers, "--storage", "lz4"]
    words += ["--scheduler-host", scheduler] if scheduler else []
    replaced = (luigi_chunk, "build_chunk", ready_chunk) if ready else (chunk, "prepare_video", stand_in)
    with mock.patch.object(*replaced):
        return flnet.main([*words, "--log-level", "warning"])


def _check(out: str) -> int:
    return flnet.main(["check", out])


def _report(out: str) -> int:
    suspicion.SHORT = FRAMES  # of these, six are a video
    suspicion.SAME_PICTURES = 2  # and those of `--ready` are all copies
    return flnet.main(["report", out])


def _open(out: str) -> int:
    dataset = open_dataset(out)
    print(sum(len(dataset.videos(split)) for split in dataset.splits), "videos opened")
    return 0


STEPS: dict[str, Callable[..., int]] = {
    "plan": _plan, "build": _build, "check": _check, "report": _report, "open": _open
}  # fmt: skip


def stand_in(root: Path, source: Source, settings: Settings, work: Path, _model: Path | None) -> VideoResult:
    """In place of `prepare_video`: the same files, their content drawn by the dice of the source's name."""
    files = work_files(work, source, settings)
    if (done := load_result(files.result)) is not None and files.shard.is_file():
        return done
    dice = np.random.default_rng(list(source.id.encode()))
    points, codes = drawn_landmarks()
    chosen = np.sort(dice.choice(DRAWN, FRAMES, replace=False))
    dice.shuffle(chosen)
    sha256 = _sha256(source)
    openness = mouth_openness(points[chosen])
    bank = tuple(int(row) for row in choose_bank(openness, settings.bank_size))
    entry = VideoEntry(source.id, source.speaker, sha256, 25.0, 0, FRAMES, bank)
    side = FRAME_SIZE // COARSE
    person = np.random.default_rng(list(source.speaker.encode())).integers(40, 180, (side, side, 3))
    matrix = np.eye(2, 3, dtype=np.float32)
    rows = []
    for number, place in enumerate(chosen):
        coarse = np.clip(person + dice.integers(-40, 40, person.shape), 0, 255).astype(np.uint8)
        frame = coarse.repeat(COARSE, 0).repeat(COARSE, 1)
        about = (float(openness[number]), number, number / 25, matrix)
        rows.append(FrameRow(frame, points[place], codes[place], *about))
    write_shard(files.shard, entry, rows, k_table().levels, settings.storage)
    save_track(files.track, _track(points[chosen]), sha256)
    result = _result(root, source)
    save_result(files.result, result)
    return result


def ready_chunk(out: Path, root: Path, planned: Chunk, settings: Settings, *_: object) -> ChunkResult:
    """In place of `build_chunk`: one of a few shards under the names of these videos."""
    count, ready = len(planned.videos), out.parent / "ready"
    one = ready / f"{int(_sha256(planned.videos[0]), 16) % VARIETIES}-{count}.h5"
    if not one.exists():
        sources = [Source(f"{one.stem}-{number}", one.stem, planned.split) for number in range(count)]
        for source in sources:
            stand_in(root, source, settings, ready, None)
        merge_shards(one, [Part(work_files(ready, source, settings).shard, source.id, one.stem) for source in sources])
    results = [_result(root, video) for video in planned.videos]
    path = out / planned.shard
    with atomic_write(path) as temporary:
        shutil.copyfile(one, temporary)
        with h5py.File(temporary, "r+") as file:
            for column, name in (("id", "id"), ("speaker", "speaker"), ("source_sha256", "sha256")):
                del file[f"videos/{column}"]
                values = [getattr(result, name).encode() for result in results]
                file["videos"].create_dataset(column, data=values, dtype=h5py.string_dtype())
    about = (planned.shard, sha256_of(path), path.stat().st_size, results, settings.digest)
    done = ChunkResult(planned.name, planned.split, *about)
    save_chunk(chunk_file(out, planned.name), done)
    return done


def _result(root: Path, source: Source) -> VideoResult:
    begun = replace(blank(source), sha256=_sha256(source), stamp=stamp_of(root / source.path))
    figures = {"frames_seen": FRAMES, "frames_kept": FRAMES, "people": 1, "width": 640, "height": 480}
    return replace(begun, fps=25.0, scale=1.0, face_width_px=134.0, **figures)  # type: ignore[arg-type]


def _sha256(source: Source) -> str:
    return hashlib.sha256(source.id.encode()).hexdigest()


def _track(points: npt.NDArray[np.float32]) -> Track:
    zeros = np.zeros(FRAMES)
    return Track(
        *(25.0, (), (), ()),
        frame_index=np.arange(FRAMES, dtype=np.int32),
        pts_seconds=np.arange(FRAMES) / 25,
        sizes=np.tile(np.array([[640, 480]], np.int32), (FRAMES, 1)),
        damage=zeros.astype(np.int8),
        landmarks=points,
        score=zeros.astype(np.float32) + 1,
        faces=zeros.astype(np.int32) + 1,
        person=zeros.astype(np.int32),
    )


@lru_cache(maxsize=1)
def drawn_landmarks() -> tuple[npt.NDArray[np.float32], list[npt.NDArray[np.uint8]]]:
    """Landmarks to choose from, whose lower lip is more and more open, and their K: (DRAWN, 68, 2), DRAWN (S, S)."""
    units = [face_landmarks(random_speaker(0), FaceState(open=step / DRAWN)) for step in range(DRAWN)]
    points = (np.stack(units) * EYES_APART + (FRAME_SIZE / 2, 0.4 * FRAME_SIZE)).astype(np.float32)
    return points, [k_codes(each, FRAME_SIZE) for each in points]


def build_parser() -> Any:
    """The command's flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, nargs="+", default=[1000, 7000], help="stand-ins (default 1000 7000)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="of the build (default: all cores)")
    parser.add_argument("--scratch", type=Path, help="folder for the corpora and datasets (default: the system's)")
    parser.add_argument("--ready", action="store_true", help="whole shards are stand-ins")
    parser.add_argument("--keep", type=Path, help="a folder on the same disk to leave them in")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)  # one of them, as `main` calls itself
    parser.add_argument("of", nargs="*", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
