"""Videos that tests make for themselves: moving test patterns by ffmpeg, talking heads by the sample corpus."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.ffmpeg_program import ffmpeg_path

MakeVideo = Callable[..., Path]


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> MakeVideo:
    """make_video(name, *ffmpeg arguments, source="testsrc2=..."): encodes a test pattern."""
    folder = tmp_path_factory.mktemp("videos")

    def make(name: str, *arguments: str, source: str = "testsrc2=size=320x240:rate=25:duration=0.4") -> Path:
        path = folder / name
        if not path.exists():
            command = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", source, *arguments, f"file:{path}"]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
        return path

    return make


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample corpus of three speakers, two clips of 1.5 s each."""
    from pipeline.sample import write_sample_corpus

    root = tmp_path_factory.mktemp("sample")
    write_sample_corpus(root, speakers=3, clips=2, seconds=1.5, fps=10, workers=2)
    return root


@pytest.fixture(scope="session")
def frames(sample_root: Path) -> list[npt.NDArray[np.uint8]]:
    """Luma of the first frame of every sample clip."""
    from pipeline.decode import read_frames

    paths = sorted(sample_root.glob("volunteers/*/Clips/straightcam/*.mp4"))
    return [next(iter(read_frames(path))).y.copy() for path in paths]


@pytest.fixture(scope="session")
def run_ffmpeg() -> Callable[..., None]:
    """run_ffmpeg(*arguments): ffmpeg with these, for what `make_video` cannot make."""

    def run(*arguments: str | Path) -> None:
        command = [ffmpeg_path(), "-v", "error", "-y", *map(str, arguments)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)

    return run


@pytest.fixture(scope="session")
def drawn(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample corpus as a finished dataset, with sound: not to be changed."""
    from pipeline.building import finish
    from pipeline.building.chunk import build_chunk
    from pipeline.building.plan import make_plan
    from pipeline.corpora import scan_timit
    from pipeline.settings import Settings

    out = tmp_path_factory.mktemp("drawn")
    plan = make_plan("timit", scan_timit(sample_root), Settings(storage="lz4", audio=True))
    for chunk in plan.chunks:
        build_chunk(out, sample_root, chunk, plan.settings, None)
    finish.finish(out, sample_root, plan, max_failures=0)
    return out


@pytest.fixture(scope="session")
def part_of() -> Callable[..., Path]:
    """part_of(dataset, out, ids, join=False, **contents) -> out, a dataset of some videos; `join`: a shard a split."""
    import json

    from pipeline.files import sha256_of
    from pipeline.manifest import read_rows, write_rows
    from pipeline.shards import dataset_digest, merge_shards
    from pipeline.shards.dataset import contents_digest

    def make(dataset: Path, out: Path, ids: Iterable[str], join: bool = False, **contents: object) -> Path:
        rows = [row for row in read_rows(dataset / "manifest.csv") if row["id"] in set(ids)]
        wanted: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            wanted.setdefault(row["split"] if join else row["id"], []).append(row)
        shards = []
        for number, group in enumerate(wanted.values()):
            split = group[0]["split"]
            path = f"shards/{split}/{split}-{number:04d}-{'0' * 12}.h5"
            merge_shards(out / path, [dataset / row["shard"] for row in group])
            frames = sum(int(row["frames_kept"]) for row in group)
            shards.append({"path": path, "split": split, "sha256": sha256_of(out / path), "frames": frames})
            shards[-1] |= {"videos": len(group), "bytes": (out / path).stat().st_size}
            rows = [row | {"shard": path} if row in group else row for row in rows]
        write_rows(out / "manifest.csv", rows)
        said = json.loads((dataset / "dataset.json").read_text()) | {
            "digest": dataset_digest({str(shard["path"]): str(shard["sha256"]) for shard in shards}),
            "splits": sorted({row["split"] for row in rows}),
            "shards": shards,
            "manifest_sha256": sha256_of(out / "manifest.csv"),
            **contents,
        }
        said["contents_sha256"] = contents_digest(said)
        (out / "dataset.json").write_text(json.dumps(said))
        return out

    return make
