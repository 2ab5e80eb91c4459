"""How fast each export is read by its own library, beside `FlnetDataset` on the shards it was made of.

    python -m benchmarks.export DATASET          # a finished dataset; its first videos are exported, in every format

CPU time a frame of one process, the median of several turns in which each way reads all frames once, in order: picture
and landmarks, decoded. Ratios, so that they hold on a busy machine. What writing costs stands beside.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
from tqdm import tqdm

from pipeline import FlnetDataset
from pipeline.cli import run
from pipeline.export import ExportSettings, export_dataset
from pipeline.layout import DATASET_FILE, MANIFEST_FILE
from pipeline.shards import open_dataset

OURS = "shards, `FlnetDataset`"
Reads = Callable[[], Iterator[object]]


def main(args: argparse.Namespace) -> int:
    """Measure and print the table."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    for library in ("cv2", "datasets", "pyarrow.parquet", "webdataset"):
        importlib.import_module(library)  # not in the time of the first export
    with tempfile.TemporaryDirectory() as scratch:
        dataset, split = part(args.dataset, Path(scratch) / "part", args.frames)
        ours = FlnetDataset(dataset, split)
        ways: dict[str, Reads] = {OURS: lambda: (ours[number] for number in range(len(ours)))}
        writing, sizes = {OURS: 0.0}, {OURS: size_of(dataset)}
        for name, settings, reads in (
            ("WebDataset, PNG", ExportSettings("webdataset", window=args.window), tars),
            ("WebDataset, JPEG", ExportSettings("webdataset", window=args.window, pictures="jpeg"), tars),
            ("parquet, PNG, `datasets`", ExportSettings("huggingface"), rows),
            ("parquet, JPEG, `datasets`", ExportSettings("huggingface", pictures="jpeg"), rows),
            ("clips, OpenCV", ExportSettings("clips"), films),
        ):
            to = Path(scratch) / name.replace(" ", "-").replace("`", "")
            begun = cpu_seconds()
            export_dataset(dataset, to, settings)
            writing[name], sizes[name] = cpu_seconds() - begun, size_of(to)
            ways[name] = reads(to, split, Path(scratch) / "cache")
        frames = sum(1 for _ in ways[OURS]())
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in tqdm(range(args.turns + 1), "turns", leave=False):  # the first only warms up
            for name, reads_all in ways.items():
                begun = cpu_seconds()
                count = sum(1 for _ in reads_all())
                assert count == frames, f"{name}: {count} frames, not {frames}"
                if turn:
                    times[name].append(cpu_seconds() - begun)
    print("| read from | CPU, ours = 1 | bytes, ours = 1 | ms to write a frame |\n| --- | ---: | ---: | ---: |")
    for name, each in times.items():
        share, size = median(each) / median(times[OURS]), sizes[name] / sizes[OURS]
        print(f"| {name} | {share:.2f} | {size:.2f} | {writing[name] / frames * 1e3:.1f} |")
    print(f"\n{frames} frames; ours takes {median(times[OURS]) / frames * 1e3:.2f} ms of CPU a frame here.")
    return 0


def part(root: Path, to: Path, frames: int) -> tuple[Path, str]:
    """The first shards of a dataset's first split with about as many frames, as a dataset of their own."""
    dataset = open_dataset(root)
    split = "train" if "train" in dataset.splits else dataset.splits[0]
    listed, count = [], 0
    for shard in dataset.contents["shards"]:
        if shard["split"] == split and count < frames:
            listed.append(shard)
            count += shard["frames"]
            (to / shard["path"]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / shard["path"], to / shard["path"])
    shutil.copyfile(root / MANIFEST_FILE, to / MANIFEST_FILE)
    contents = {**dataset.contents, "splits": [split], "shards": listed}
    (to / DATASET_FILE).write_text(json.dumps(contents), encoding="utf-8")
    return to, split


def tars(to: Path, split: str, _cache: Path) -> Reads:
    """A frame's picture of every sample of the tars."""

    def read() -> Iterator[object]:
        import webdataset

        paths = sorted(str(path) for path in (to / split).glob("*.tar"))
        for sample in webdataset.WebDataset(paths, shardshuffle=False).decode("rgb8"):
            yield from (value for name, value in sample.items() if name.endswith(("png", "jpg")))

    return read


def rows(to: Path, split: str, cache: Path) -> Reads:
    """Rows of the parquet files, once `datasets` has taken them in."""
    import datasets

    table = datasets.load_dataset(str(to), split=split, cache_dir=str(cache)).with_format("numpy")
    return lambda: (table[number] for number in range(len(table)))


def films(to: Path, split: str, _cache: Path) -> Reads:
    """Frames of the clips, and their landmarks."""

    def read() -> Iterator[object]:
        import cv2

        for path in sorted((to / split).rglob("video.mp4")):
            with np.load(path.with_name("landmarks.npz")) as arrays:
                points = arrays["landmarks"]
            capture = cv2.VideoCapture(str(path))
            for each in points:
                found, picture = capture.read()
                assert found, path
                yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), each

    return read


def cpu_seconds() -> float:
    """Of this process and of children that have ended: ffmpeg encodes in one."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def size_of(folder: Path) -> int:
    """Bytes of the samples in a folder, not of what describes them."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.parent != folder)


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("dataset", type=Path, help="a finished dataset")
    add("--frames", type=int, default=600, help="frames to export, about (default 600)")
    add("--window", type=int, default=16, help="frames of a WebDataset sample (default 16)")
    add("--turns", type=int, default=3, help="turns (default 3)")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
