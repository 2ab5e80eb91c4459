"""Change bytes of shards, checkpoints, tracks, landmark files, records and tables, and see what readers make of it.

    python benchmarks/fuzz.py [--share 1.0] [--only shards] [--seed 0]

Every mutation is read in a process of its own, with limits. It is refused, reads the same, or reads otherwise: bytes
within their ranges are as good as others, it is checksums that tell them apart. To crash, to hang or to raise anything
else is a failure: exit status 1, and the bytes are kept.
"""

# ruff: noqa: E402 - what is set here is read when modules are loaded
from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import argparse
import hashlib
import io
import json
import random
import resource
import shutil
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from tqdm import tqdm

from model.animation.driver import read_landmarks
from pipeline.building.plan import load_inventory, load_plan, make_plan, save_inventory, save_plan
from pipeline.building.record import ChunkResult, load_chunk, save_chunk
from pipeline.corpora import Inventory, Source
from pipeline.errors import FlnetError
from pipeline.preparing.k_map import k_codes, k_table
from pipeline.result import VideoResult
from pipeline.settings import Settings
from pipeline.shards import FRAME_SIZE, FrameRow, ShardReader, VideoEntry, open_dataset, write_shard
from pipeline.shards.dataset import contents_digest
from pipeline.shards.reader import proven_entries
from pipeline.track import Track, load_track, save_track

SAME, OTHER, REFUSED, CRASHED = "read the same", "read otherwise", "refused", "crashed, hung or raised"
CPU_SECONDS, ROOM_BYTES = 12, 2 << 30
_CODES = {0: SAME, 3: OTHER, 4: REFUSED}
FRAMES = 6


class Target(NamedTuple):
    """A file to be changed.

    Attributes:
        path: of the sound file.
        mutate: its bytes, changed.
        read: as commands do; what it returns is compared by its representation.
        times: mutations.
    """

    path: Path
    mutate: Callable[[bytes, random.Random], bytes]
    read: Callable[[Path], Any]
    times: int


def flipped(whole: bytes, dice: random.Random, places: Sequence[int] = ()) -> bytes:
    """Some bits or bytes are others, pieces are moved, or the end is missing.

    Args:
        places: where (default: anywhere).
    """
    changed = bytearray(whole)
    for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
        place = dice.choice(places) if places else dice.randrange(len(changed))
        if place >= len(changed):
            continue
        how = dice.randrange(6)
        if how < 2:
            changed[place] ^= 1 << dice.randrange(8)
        elif how == 2:
            changed[place] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif how == 3:
            width = dice.choice((2, 4, 8))
            value = dice.choice((0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), dice.randrange(2**16)))
            changed[place : place + width] = value.to_bytes(width, "little")
        elif how == 4:
            width, other = dice.randrange(1, 64), dice.randrange(len(changed))
            changed[place : place + width] = changed[other : other + width]
        elif dice.randrange(20) == 0:
            del changed[place:]
        if not changed:
            break
    return bytes(changed)


def in_archive(part: str) -> Callable[[bytes, random.Random], bytes]:
    """A part of a zip archive is changed, its sums are made anew, so that what reads the part has to look at it."""

    def mutate(whole: bytes, dice: random.Random) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(file, "w") as new:
            names = [entry.filename for entry in old.infolist() if part in entry.filename]
            chosen = dice.choice(names)
            for entry in old.infolist():
                content = old.read(entry)
                # Headers and pickles are where the harm is; behind them lie plain numbers.
                near = 200 if chosen.endswith(".npy") and dice.randrange(4) else len(content)
                if entry.filename == chosen:
                    content = flipped(content[:near], dice) + content[near:]
                new.writestr(entry.filename, content)
        return file.getvalue()

    return mutate


def metadata_of(shard: Path) -> list[int]:
    """Bytes of a shard that hold no row: what HDF5 notes for itself, and strings."""
    taken = np.zeros(shard.stat().st_size, np.bool_)
    with h5py.File(shard) as file:
        for dataset in (each for each in (*file.values(), *file["videos"].values()) if isinstance(each, h5py.Dataset)):
            if dataset.chunks is None:
                taken[dataset.id.get_offset() or 0 :][: dataset.id.get_storage_size()] = True
                continue
            for number in range(dataset.id.get_num_chunks()):
                chunk = dataset.id.get_chunk_info(number)
                taken[chunk.byte_offset :][: chunk.size] = True
    return [int(place) for place in np.flatnonzero(~taken)]


def resigned(whole: bytes, dice: random.Random) -> bytes:
    """`dataset.json` with bytes changed, and where it is still JSON, its own digest right."""
    changed = flipped(whole, dice)
    try:
        contents = json.loads(changed)
        contents["contents_sha256"] = contents_digest(contents)
        return json.dumps(contents).encode()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return changed


def read_shard(path: Path) -> Any:
    """All that a shard says, as training reads it."""
    (entries,) = proven_entries([path])
    with ShardReader(path) as reader:
        rows = slice(0, len(reader))
        columns = (reader.frames, reader.k_codes, reader.landmarks, reader.mouth_openness)
        more = (reader.frame_index, reader.pts_seconds, reader.crop_transform)
        sums = [hashlib.sha256(column(rows).tobytes()).hexdigest() for column in (*columns, *more)]
        return entries, reader.k_levels.tolist(), sums


def read_checkpoint(path: Path) -> Any:
    """A checkpoint, to the last weight."""
    from model.checkpoint import load_checkpoint

    payload = load_checkpoint(path)
    weights = payload["generator"] if isinstance(payload.get("generator"), dict) else {}
    sums = {str(name): hashlib.sha256(repr(value).encode()).hexdigest() for name, value in weights.items()}
    return sums, {name: value for name, value in payload.items() if name != "generator"}


def read_track(path: Path) -> Any:
    """A track; None, which has it made again, counts as refused."""
    track = load_track(path, "0" * 64)
    if track is None:
        raise FlnetError("no track")
    return {name: np.asarray(value).tobytes() for name, value in vars(track).items()}


def read_table(path: Path) -> Any:
    """`dataset.json`, and the videos that it leads to."""
    dataset = open_dataset(path.parent)
    return dataset.contents, dataset.bank_from, dataset.splits, [dataset.videos(split) for split in dataset.splits]


def make_targets(root: Path) -> dict[str, Target]:
    """Small sound files of every kind."""
    shard = root / "dataset" / "shards" / "train" / "train-0000-0123456789ab.h5"
    _draw_shard(shard)
    contents: dict[str, Any] = {
        "schema": "flnet-dataset/1", "digest": "0" * 64, "corpus": "folder", "config": Settings().to_dict(),
        "splits": {"train": {"speakers": 1, "videos": 1, "frames": FRAMES}}, "counts": {"videos": 1},
        "shards": [{"path": "shards/train/train-0000-0123456789ab.h5", "split": "train", "sha256": "0" * 64}],
    }  # fmt: skip
    contents["contents_sha256"] = contents_digest(contents)
    table = root / "dataset" / "dataset.json"
    table.write_text(json.dumps(contents))
    sources = [Source("a/1.mp4", "a", "train"), Source("b/2.mp4", "b", "test")]
    plan = make_plan("folder", sources, Settings())
    plan_path, inventory, chunk = root / f"{plan.digest}.json", root / "inventory.json", root / "chunk.json"
    save_plan(plan_path, plan)
    save_inventory(inventory, Inventory(sources, {".txt": 1}))
    result = VideoResult("a/1.mp4", "a", "train", frames_seen=9, frames_kept=9, drops={"no_face": 1}, excluded=[[1, 2]])
    save_chunk(chunk, ChunkResult("train-0000-x", "train", "shards/train/x.h5", "0" * 64, 9, [result], "s"))
    track = root / "track.npz"
    save_track(track, _draw_track(), "0" * 64)
    points = root / "landmarks.npz"
    np.savez(points, landmarks=_draw_track().landmarks, fps=np.float64(25))
    sheet = root / "landmarks.csv"
    sheet.write_text("\n".join(",".join(map(str, row)) for row in _draw_track().landmarks.reshape(FRAMES, -1)))
    checkpoint = root / "run" / "checkpoints" / "step-00000001.pt"
    return {
        "metadata of shards": Target(shard, partial(flipped, places=metadata_of(shard)), read_shard, 5000),
        "shards, any byte": Target(shard, flipped, read_shard, 500),
        "dataset.json": Target(table, resigned, read_table, 2000),
        "tracks": Target(track, in_archive(".npy"), read_track, 1500),
        "tracks, any byte": Target(track, flipped, read_track, 500),
        "landmarks, .npz": Target(points, in_archive(".npy"), read_landmarks, 1000),
        "landmarks, .csv": Target(sheet, flipped, read_landmarks, 500),
        "records: chunks": Target(chunk, flipped, load_chunk, 1000),
        "records: plans": Target(plan_path, flipped, load_plan, 500),
        "records: inventories": Target(inventory, flipped, load_inventory, 500),
        "checkpoints": Target(checkpoint, in_archive("data.pkl"), read_checkpoint, 1500),
        "checkpoints, any byte": Target(checkpoint, flipped, read_checkpoint, 500),
    }


def _draw_shard(path: Path) -> None:
    """Frames of one colour, so that most of the file is what HDF5 notes for itself."""
    points = _draw_track().landmarks
    rows = [
        FrameRow(
            np.full((FRAME_SIZE, FRAME_SIZE, 3), 40, np.uint8), points[n], k_codes(points[n], FRAME_SIZE), 5.0 + n, n,
            n / 25, np.eye(2, 3, dtype=np.float32),
        )
        for n in range(FRAMES)
    ]  # fmt: skip
    path.parent.mkdir(parents=True)
    entry = VideoEntry("a/1.mp4", "a", "0" * 64, 25.0, 0, FRAMES, (0, 1, 2, 3, 4))
    write_shard(path, entry, rows, k_table().levels, "zstd")


def _draw_track() -> Track:
    rng = np.random.default_rng(0)
    return Track(
        fps=25.0, jumps=(), notes=("turned",), warnings=("a word",),
        frame_index=np.arange(FRAMES, dtype=np.int32), pts_seconds=np.arange(FRAMES) / 25,
        sizes=np.full((FRAMES, 2), 224, np.int32), damage=np.zeros(FRAMES, np.int8),
        landmarks=(60 + 100 * rng.random((FRAMES, 68, 2))).astype(np.float32), score=np.ones(FRAMES, np.float32),
        faces=np.ones(FRAMES, np.int32), person=np.zeros(FRAMES, np.int32),
    )  # fmt: skip


def _draw_checkpoint(folder: Path) -> Path:
    import torch  # the processes of all that goes before are forked many times faster without it

    from model.checkpoint import checkpoint_path, save_checkpoint
    from model.config import LossWeights, ModelConfig, TrainConfig
    from model.network.generator import Generator
    from model.setting import to_dict

    torch.set_num_threads(1)
    model = ModelConfig(image_size=32, base_channels=2)
    config = TrainConfig(steps=1, model=model, weights=LossWeights(adversarial=0))
    torch.manual_seed(0)
    state = Generator(model).state_dict()
    save_checkpoint(folder, {"step": 1, "config": to_dict(config), "generator": state, "dataset_digest": "d"}, keep=1)
    return checkpoint_path(folder, 1)


def outcome(target: Target, whole: bytes, expected: str) -> str:
    """What becomes of changed bytes, in a process of its own."""
    target.path.write_bytes(whole)
    pid = os.fork()
    if pid == 0:
        _live(target, expected)
    _, status = os.waitpid(pid, 0)
    return _CODES.get(os.waitstatus_to_exitcode(status), CRASHED)


def _live(target: Target, expected: str) -> None:
    code = 5
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        room = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + ROOM_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        code = 0 if _said(target) == expected else 3
    except FlnetError:
        code = 4
    except BaseException:  # noqa: BLE001 - that is what is looked for
        traceback.print_exc()
    finally:
        os._exit(code)


def _said(target: Target) -> str:
    return hashlib.sha256(repr(target.read(target.path)).encode("utf-8", "backslashreplace")).hexdigest()


def main() -> int:
    """The command; returns its exit status."""
    args = build_parser().parse_args()
    words = (REFUSED, SAME, OTHER, CRASHED)
    print(f"| what | mutations | {' | '.join(words)} |\n| --- {'| --: ' * 5}|", flush=True)
    crashed = 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        for what, target in make_targets(Path(name)).items():
            if args.only in what:
                dice = random.Random(f"{args.seed} {what}")
                counts = fuzz(target, dice, args.share, args.keep / what.replace(" ", "-"))
                cells = [counts[word] for word in words]
                print(f"| {what} | {' | '.join(map(str, [sum(cells), *cells]))} |", flush=True)
                crashed += counts[CRASHED]
    return 1 if crashed else 0


def fuzz(target: Target, dice: random.Random, share: float, keep: Path) -> Counter[str]:
    """The outcomes of a target's mutations; what crashed is kept."""
    if not target.path.exists():
        _draw_checkpoint(target.path.parent.parent)
    whole, counts = target.path.read_bytes(), Counter[str]()
    expected = _said(target)
    for number in tqdm(range(round(target.times * share)), target.path.name, leave=False, disable=None):
        changed = target.mutate(whole, dice)
        found = outcome(target, changed, expected)
        counts[found] += 1
        if found == CRASHED:
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(target.path, keep / f"{number}{target.path.suffix}")
    target.path.write_bytes(whole)
    return counts


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(prog="python benchmarks/fuzz.py", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the mutations (default 1: all)")
    parser.add_argument("--only", default="", help="only what has this in its name")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default 0)")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-crashes"), help="folder for what crashed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
