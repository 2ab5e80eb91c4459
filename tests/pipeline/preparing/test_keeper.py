"""Long videos: decoded once where the first faces settle the scale, and the same bytes whatever was kept."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.corpora import Clip, Source
from pipeline.decode import VideoReader, read_frames
from pipeline.preparing import crop_plan, crops, video
from pipeline.preparing.crop_plan import plan_crops, scale_of
from pipeline.preparing.video import prepare_video, work_files
from pipeline.result import VideoResult
from pipeline.settings import Settings
from pipeline.shards import ShardReader
from pipeline.track import load_track
from pipeline.tracking import people

SETTINGS = Settings(storage="raw")
FACES = 6  # that settle the scale here
Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def _a_few_faces_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crop_plan, "SETTLING_FACES", FACES)


@pytest.fixture(scope="module")
def clips(sample_root: Path) -> list[Path]:
    """Of two drawn people, 15 frames of 640x480 each."""
    return [sorted((sample_root / "volunteers" / name).rglob("*.mp4"))[0] for name in ("08F", "02M")]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for each picture that is decoded."""
    pictures, seen = VideoReader._pictures, []

    def counted(self: VideoReader) -> object:
        for picture in pictures(self):
            seen.append(1)
            yield picture

    monkeypatch.setattr(VideoReader, "_pictures", counted)
    return seen


def prepare(
    path: Path, work: Path, settings: Settings = SETTINGS, clip: Clip | None = None
) -> tuple[VideoResult, bytes]:
    """A video's result and shard."""
    source = Source(path.name, "s", "train", clip=clip)
    result = prepare_video(path.parent, source, settings, work, None)
    assert (result.status, result.error) == ("ok", "")
    return result, work_files(work, source, settings).shard.read_bytes()


def without_store(path: Path, work: Path, settings: Settings = SETTINGS, clip: Clip | None = None) -> bytes:
    """The shard where nothing is kept from tracking to cropping: every frame is decoded again."""
    with pytest.MonkeyPatch.context() as patched:
        for budget in ("REGION_BUDGET", "SPOOL_BUDGET", "CROP_BUDGET"):
            patched.setattr(video, budget, 0)
        return prepare(path, work, settings, clip)[1]


def from_track(path: Path, work: Path, settings: Settings = SETTINGS, clip: Clip | None = None) -> bytes:
    """The shard made anew from the track that an earlier build left in a work folder."""
    source = Source(path.name, "s", "train", clip=clip)
    files = work_files(work, source, settings)
    files.result.unlink()
    files.shard.unlink()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(video, "_track", lambda *_: pytest.fail("tracked again"))
        return prepare(path, work, settings, clip)[1]


@pytest.mark.parametrize(("memory", "file"), [(1 << 30, 0), (0, 1 << 30), (300_000, 1 << 30)])
@pytest.mark.parametrize("size", [224, 128])
def test_a_settled_video_is_decoded_once_and_has_the_same_pixels(
    clips: list[Path],
    tmp_path: Path,
    decoded: list[int],
    monkeypatch: pytest.MonkeyPatch,
    memory: int,
    file: int,
    size: int,
) -> None:
    settings = Settings(storage="raw", frame_size=size)
    monkeypatch.setattr(video, "REGION_BUDGET", memory)
    monkeypatch.setattr(video, "SPOOL_BUDGET", file)
    kept: list[int] = []
    monkeypatch.setattr(
        video.RegionStore, "keep_crop", lambda self, place, crop: (kept.append(place), self._put(place, crop))
    )
    shard = prepare(clips[0], tmp_path / "once", settings)[1]
    assert (len(decoded), kept) == (15, list(range(FACES, 15)))
    assert shard == without_store(clips[0], tmp_path / "twice", settings)
    assert len(decoded) == 15 + 30
    assert shard == from_track(clips[0], tmp_path / "once", settings)


def join(run_ffmpeg: Callable[..., None], path: Path, graph: str, *clips: Path) -> Path:
    inputs = [argument for clip in clips for argument in ("-i", clip)]
    run_ffmpeg(*inputs, "-filter_complex", graph, "-an", "-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p", path)
    return path


def test_a_person_who_comes_nearer_has_the_scale_of_the_whole_video(
    clips: list[Path], tmp_path: Path, decoded: list[int], run_ffmpeg: Callable[..., None]
) -> None:
    near = "[1:v]crop=480:360:80:60,scale=640:480[near];[0:v][near]concat=n=2:v=1:a=0"
    path = join(run_ffmpeg, tmp_path / "nearer.mp4", near, clips[0], clips[0])
    result, shard = prepare(path, tmp_path / "work")
    assert (result.frames_kept, len(decoded)) == (30, 60)
    source = Source(path.name, "s", "train")
    track = load_track(work_files(tmp_path / "work", source, SETTINGS).track, result.sha256)
    assert track is not None
    assert (
        result.scale
        == scale_of(track.landmarks, np.arange(30), SETTINGS)
        != scale_of(track.landmarks, np.arange(FACES), SETTINGS)
    )
    assert shard == without_store(path, tmp_path / "twice") == from_track(path, tmp_path / "work")


def test_somebody_else_comes_first(
    clips: list[Path],
    tmp_path: Path,
    decoded: list[int],
    run_ffmpeg: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was kept at another's scale is of no use; what is kept when the main person is known already, is."""
    monkeypatch.setattr(people, "OTHER_PERSON", 0.25)  # of drawn people
    graph = "[0:v]trim=end_frame={},scale=iw*1.25:-2,crop=640:480[first];[first][1:v]concat=n=2:v=1:a=0"
    path = join(run_ffmpeg, tmp_path / "host.mp4", graph.format(8), clips[1], clips[0])
    result, shard = prepare(path, tmp_path / "work")
    assert (result.people, result.frames_kept, result.drops["other_person"]) == (2, 15, 8)
    assert len(decoded) == 46
    assert shard == without_store(path, tmp_path / "twice") == from_track(path, tmp_path / "work")

    decoded.clear()
    monkeypatch.setattr(crop_plan, "SETTLING_FACES", 11)  # with 8 of the first, 14 are needed
    graph = "[0:v]trim=end_frame=2[first];[first][1:v]concat=n=2:v=1:a=0"
    path = join(run_ffmpeg, tmp_path / "short.mp4", graph, clips[1], clips[0])
    result, shard = prepare(path, tmp_path / "work")
    assert (result.frames_kept, result.drops["other_person"], len(decoded)) == (15, 2, 17)
    assert shard == without_store(path, tmp_path / "twice") == from_track(path, tmp_path / "work")


@pytest.fixture(scope="module")
def odd_videos(clips: list[Path], run_ffmpeg: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that is lost for a while and comes back at the edge, and pictures of two sizes."""
    folder = tmp_path_factory.mktemp("odd")
    lost = "[0:v]split=3[a][b][c];[b]trim=end_frame=4,geq=128:128:128[grey];[c]crop=320:480:160:0,pad=640:480[edge];"
    join(run_ffmpeg, folder / "lost.ts", lost + "[a][grey][edge]concat=n=3:v=1:a=0", clips[0])
    parts = [join(run_ffmpeg, folder / f"{crop}.ts", f"crop={crop}", clips[0]) for crop in ("640:480", "361:480")]
    (folder / "turned.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    return folder


@pytest.mark.parametrize(
    ("name", "settings", "clip"),
    [
        ("lost.ts", SETTINGS, None),
        ("lost.ts", Settings(storage="raw", fps=5.0), None),
        ("lost.ts", SETTINGS, Clip("lost.ts", start=0.5, end=3.2)),
        ("turned.ts", SETTINGS, None),
    ],
)
def test_a_video_with_gaps_is_decoded_once_too(
    odd_videos: Path, tmp_path: Path, decoded: list[int], name: str, settings: Settings, clip: Clip | None
) -> None:
    path = odd_videos / name
    frames = sum(1 for _ in read_frames(path))
    decoded.clear()
    result, shard = prepare(path, tmp_path / "once", settings, clip)
    assert result.frames_kept > FACES
    assert len(decoded) <= frames
    assert shard == without_store(path, tmp_path / "twice", settings, clip)
    assert shard == from_track(path, tmp_path / "once", settings, clip)


def test_crops_about_the_eyes_settle_likewise(
    odd_videos: Path, tmp_path: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crop_plan, "SETTLING_FACES", 11)  # it takes some for the percentile of the jaw's distance
    monkeypatch.setattr(crops, "SLACK", 1.4)  # before it settles, the mouth opens wider than at first
    settings = Settings(storage="raw", centre="eyes")
    shard = prepare(odd_videos / "turned.ts", tmp_path / "once", settings)[1]
    assert len(decoded) == 30
    assert shard == without_store(odd_videos / "turned.ts", tmp_path / "twice", settings)


@pytest.mark.parametrize("changes", [{"smooth_landmarks": 1.0}, {"smooth_centres": 2.0}, {"smooth_centres": -1.0}])
def test_smoothed_crops_are_cut_in_the_end(clips: list[Path], tmp_path: Path, changes: dict[str, float]) -> None:
    settings = Settings(storage="raw", **changes)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(video.RegionStore, "keep_crop", lambda *_: pytest.fail("no transform is known yet"))
        shard = prepare(clips[0], tmp_path / "once", settings)[1]
    assert shard == without_store(clips[0], tmp_path / "twice", settings)


@pytest.mark.parametrize("call", ["pwritev", "preadv"])
def test_a_disk_that_fails_among_the_crops_does_not_change_a_byte(
    clips: list[Path], tmp_path: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    wanted = without_store(clips[0], tmp_path / "twice")
    decoded.clear()
    real, calls = getattr(os, call), []

    def failing(*arguments: object) -> int:
        calls.append(call)
        if len(calls) > FACES + 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(real(*arguments))

    monkeypatch.setattr(os, call, failing)
    monkeypatch.setattr(video, "REGION_BUDGET", 0)
    assert prepare(clips[0], tmp_path / "once")[1] == wanted
    assert len(calls) == FACES + 4
    assert len(decoded) == 30


def test_crops_of_a_kept_track_are_where_they_were(clips: list[Path], tmp_path: Path) -> None:
    """The plan of a finished track says of every frame the same as what was cut while tracking."""
    source = Source(clips[0].name, "s", "train")
    result, _ = prepare(clips[0], tmp_path)
    files = work_files(tmp_path, source, SETTINGS)
    track = load_track(files.track, result.sha256)
    assert track is not None
    with ShardReader(files.shard) as shard:
        assert np.array_equal(shard.crop_transform(slice(None)), plan_crops(track, SETTINGS).transforms)
