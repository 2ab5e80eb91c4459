"""Videos that tests make for themselves: moving test patterns by ffmpeg, talking heads by the sample corpus."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
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
    """The sample corpus as a finished dataset: not to be changed."""
    from pipeline.building import finish
    from pipeline.building.chunk import build_chunk
    from pipeline.building.plan import make_plan
    from pipeline.corpora import scan_timit
    from pipeline.settings import Settings

    out = tmp_path_factory.mktemp("drawn")
    plan = make_plan("timit", scan_timit(sample_root), Settings(storage="lz4"))
    for chunk in plan.chunks:
        build_chunk(out, sample_root, chunk, plan.settings, None)
    finish.finish(out, sample_root, plan, max_failures=0)
    return out
