"""Pieces of long videos: cut in pauses, of the lengths that are asked for, and built from a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.__main__ import main
from pipeline.corpora import scan_table
from pipeline.preparing.video import prepare_video, work_files
from pipeline.segments import cut
from pipeline.settings import Settings
from pipeline.shards import ShardReader, open_dataset


def pieces(quiet: np.ndarray, shortest: float, longest: float) -> list[tuple[int, int]]:
    seconds = np.arange(len(quiet)) / 10
    return list(cut(seconds, seconds + 0.1, quiet, (0, len(quiet) - 1), shortest, longest))


def test_a_cut_is_where_it_is_quiet() -> None:
    quiet = np.ones(30)
    quiet[11], quiet[4] = 0.1, 0.0  # the quietest is too early for a second
    assert pieces(quiet, 1.0, 2.0) == [(0, 11), (12, 29)]


def test_nothing_that_is_left_is_too_short() -> None:
    for count in range(10, 100):
        found = pieces(np.random.default_rng(count).uniform(size=count), 1.0, 2.0)
        lengths = [last - first + 1 for first, last in found]
        assert sum(lengths) == count
        assert all(10 <= length <= 20 for length in lengths)
    assert pieces(np.ones(7), 1.0, 2.0) == [(0, 6)], "which is told as too short"


def test_pieces_are_built_from_the_table(
    drawn: Path, sample_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "pieces.csv"
    command = ["segments", str(drawn), "--corpus-root", str(sample_root), "--to", str(table), "--seconds", "0.4..0.8"]
    assert main(command) == 0
    assert "s; 0.0 s are too short for one" in capsys.readouterr().out
    sources = list(scan_table(table, sample_root))
    videos = [video for split in ("train", "test") for video in open_dataset(drawn).videos(split)]
    video = videos[0]
    seen = []
    for source in (source for source in sources if source.path == video.id):
        assert (source.speaker, source.split) == (video.speaker, video.split)
        assert source.clip is not None
        assert 0.4 <= source.clip.end - source.clip.start <= 0.8 + 1e-6
        assert prepare_video(sample_root, source, Settings(storage="raw"), tmp_path, None).status == "ok"
        with ShardReader(work_files(tmp_path, source, Settings(storage="raw")).shard) as reader:
            seen += reader.frame_index(slice(None)).tolist()
    with ShardReader(video.shard) as reader:
        rows = slice(video.first_row, video.first_row + video.row_count)
        assert seen == reader.frame_index(rows).tolist(), "each frame is in one piece"


@pytest.mark.parametrize("lengths", ["5", "5..8", "0..3", "a..b", "9..5"])
def test_lengths_that_cannot_be(lengths: str, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "segments",
        str(drawn),
        "--corpus-root",
        str(tmp_path),
        "--to",
        str(tmp_path / "x"),
        "--seconds",
        lengths,
    ]
    assert main(command) == 1
    assert "--seconds must be SHORTEST..LONGEST" in capsys.readouterr().err
