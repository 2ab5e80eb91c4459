"""Sound beside frames: to the sample, whatever is dropped, at any rate; and whether it goes with the mouth."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.corpora import Source
from pipeline.decode import SOUND_RATE, read_sound, sound_of_frames
from pipeline.preparing.sound import agreement, sound_length
from pipeline.preparing.video import prepare_video, work_files
from pipeline.settings import Settings
from pipeline.shards import ShardReader

SETTINGS = Settings(audio=True, storage="raw")
Ffmpeg = Callable[..., None]


def click(path: Path, at: float, seconds: float, rate: int) -> None:
    """Silence, and one sample of full height."""
    samples = np.zeros(round(seconds * rate), "<i2")
    samples[round(at * rate)] = 30_000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "fps"),
    [
        ("mov", "pcm_s16le", 16_000, None),
        ("mov", "pcm_s16le", 48_000, "30000/1001"),
        ("mkv", "flac", 44_100, None),
        ("mp4", "aac", 48_000, None),
        ("avi", "pcm_s16le", 44_100, "20"),
    ],
)
def test_a_click_is_where_its_frame_is(
    sample_root: Path, run_ffmpeg: Ffmpeg, tmp_path: Path, suffix: str, codec: str, rate: int, fps: str | None
) -> None:
    """At the time of frame 12, while frames 3 to 7 are dropped."""
    drawn = sorted((sample_root / "volunteers").rglob("*.mp4"))[0]
    numerator, _, denominator = (fps or "10").partition("/")
    at = 12 * int(denominator or 1) / int(numerator)
    click(tmp_path / "click.wav", at, 2.0, rate)
    name = f"clip.{suffix}"
    faster = (
        ["-c:v", "copy"] if fps is None else ["-vf", f"setpts=N/({fps})/TB", "-r", fps, "-c:v", "mpeg4", "-q:v", "1"]
    )
    run_ffmpeg("-i", drawn, "-i", tmp_path / "click.wav", "-map", "0:v", "-map", "1:a", *faster, "-c:a", codec,
               tmp_path / name)  # fmt: skip
    source = Source(name, "a", "train", excluded=((3, 7),))
    result = prepare_video(tmp_path, source, SETTINGS, tmp_path / "work", None)
    assert (result.status, result.error) == ("ok", "")
    with ShardReader(work_files(tmp_path / "work", source, SETTINGS).shard) as reader:
        (entry,) = reader.entries
        samples = reader.audio(entry.first_sample, entry.sample_count)
        seconds, numbers = reader.pts_seconds(slice(None)), reader.frame_index(slice(None))
    assert samples is not None
    assert 5 not in numbers
    assert len(samples) == sound_length(seconds, entry.fps)
    loudest = int(np.argmax(np.abs(samples.astype(int))))
    row = numbers.tolist().index(12)
    assert abs(loudest - (seconds[row] - seconds[0]) * SOUND_RATE) <= 1
    # Shown one after the other, without what was dropped, it is still with its frame.
    shown = sound_of_frames(samples, seconds, entry.fps)
    assert abs(int(np.argmax(np.abs(shown.astype(int)))) - row / entry.fps * SOUND_RATE) <= 1


def test_a_click_stays_at_a_lower_rate(sample_root: Path, run_ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    """Half of the frames are kept, the nearest in time; they keep their numbers, and the sound its place."""
    drawn = sorted((sample_root / "volunteers").rglob("*.mp4"))[0]
    click(tmp_path / "click.wav", 0.8, 2.0, 48_000)
    run_ffmpeg("-i", drawn, "-i", tmp_path / "click.wav", "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a",
               "pcm_s16le", tmp_path / "clip.mov")  # fmt: skip
    source, settings = Source("clip.mov", "a", "train"), Settings(audio=True, storage="raw", fps=5)
    result = prepare_video(tmp_path, source, settings, tmp_path / "work", None)
    assert (result.status, result.fps) == ("ok", 5)
    with ShardReader(work_files(tmp_path / "work", source, settings).shard) as reader:
        assert reader.frame_index(slice(None)).tolist() == list(range(0, 2 * len(reader), 2))
        seconds = reader.pts_seconds(slice(None))
        np.testing.assert_allclose(np.diff(seconds), 0.2, atol=1e-6)
        samples = reader.audio(0, reader.entries[0].sample_count)
    assert abs(int(np.argmax(np.abs(samples.astype(int)))) - (0.8 - seconds[0]) * SOUND_RATE) <= 1


def test_sound_that_begins_late_or_ends_early_is_silence(make_video: Callable[..., Path], tmp_path: Path) -> None:
    arguments = ("-f", "lavfi", "-i", "sine=frequency=400:duration=0.2", "-c:a", "pcm_s16le")
    path = make_video("tone.mov", *arguments)
    samples, warning = read_sound(path, -0.1, 8000)
    assert samples is not None
    assert not samples[:1600].any()
    assert abs(samples[1700:4700].astype(int)).max() > 1000
    assert not samples[4900:].any()
    assert warning == "its sound ends 0.20 s before its pictures do"
    assert read_sound(make_video("mute.mp4"), 0, 100) == (None, "")
    (tmp_path / "none.mp4").write_bytes(b"none")
    broken, said = read_sound(tmp_path / "none.mp4", 0, 100)
    assert broken is not None
    assert not broken.any()
    assert said.startswith("its sound breaks off")


def test_a_video_without_sound_has_none_and_says_so(sample_root: Path, run_ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    drawn = sorted((sample_root / "volunteers").rglob("*.mp4"))[0]
    run_ffmpeg("-i", drawn, "-an", "-c:v", "copy", tmp_path / "mute.mp4")
    source = Source("mute.mp4", "a", "train")
    result = prepare_video(tmp_path, source, SETTINGS, tmp_path / "work", None)
    assert (result.scores, result.warning) == ({"sound_seconds": 0.0}, "mute.mp4: has no sound")
    with ShardReader(work_files(tmp_path / "work", source, SETTINGS).shard) as reader:
        assert reader.entries[0].sample_count == 0
        assert len(reader.audio(0, 0)) == 0


def speech(seconds: float, late: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A mouth that opens and shuts at random, and noise that is as loud as it is open."""
    dice = np.random.default_rng(seed)
    times = np.arange(round(seconds * 25)) / 25
    knots = np.abs(dice.normal(0, 10, len(times) // 4 + 2))
    openness = np.interp(times * 6.25, np.arange(len(knots)), knots).astype(np.float32)
    at = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    loud = np.interp(at - late, times, openness)
    return (dice.normal(0, 100, len(at)) * loud).clip(-32768, 32767).astype(np.int16), times, openness


@pytest.mark.parametrize("late", [-0.3, 0.0, 0.2])
def test_sound_that_is_late_is_found(late: float) -> None:
    samples, times, openness = speech(6, late)
    found = agreement(samples, times + 7, openness)
    assert found is not None
    assert abs(found.lag_ms - 1000 * late) <= 40
    assert found.best > 0.85
    assert (found.correlation > 0.8) == (late == 0)


def test_sound_of_somebody_else_does_not_agree() -> None:
    samples, _, _ = speech(6, seed=1)
    _, times, openness = speech(6, seed=2)
    found = agreement(samples, times, openness)
    assert found is not None
    assert found.correlation < 0.4
    assert agreement(np.zeros(96_000, np.int16), times, openness) is None, "silence tells nothing"
    assert agreement(samples[:12_000], times[:18], openness[:18]) is None, "nor does half a second"
