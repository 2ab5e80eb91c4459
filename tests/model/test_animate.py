"""Animation: the clip plays with the driver's length, rate and sound; reconstruction scores as evaluation does."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from model.animate import main
from model.animation.crop_settings import find_settings
from model.animation.driver import Driver, Timeline, fit_landmarks, plan_timeline, read_landmarks
from model.animation.encoder import Sound, add_gif_comment, clip_writer, kept_parts, sound_filter
from model.animation.source import shortage, source_from_pictures, source_from_video
from model.animation.views import View, Watermark
from model.checkpoint import save_checkpoint
from model.config import ModelConfig, TrainConfig, parse_size
from model.evaluate import main as evaluate_main
from model.evaluation.answers import NetworkAnswers
from model.evaluation.protocol import evaluate
from model.network.generator import Generator
from model.setting import to_dict
from model.trained import InferenceSettings, load_trained
from pipeline.corpora import Source
from pipeline.decode import VideoReader
from pipeline.errors import InputError
from pipeline.ffmpeg_program import ffmpeg_path
from pipeline.preparing.crops import whole
from pipeline.preparing.tracked_clip import resized
from pipeline.preparing.video import prepare_video, work_files
from pipeline.sample import write_sample_corpus
from pipeline.settings import Settings
from pipeline.shards import ShardReader, merge_shards, open_dataset
from pipeline.tracking.landmark_model import landmark_model_path

SPEAKER = "08F"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn speakers of two clips, 1.5 s each at 12.5 frames a second."""
    root = tmp_path_factory.mktemp("corpus")
    write_sample_corpus(root, speakers=2, clips=2, seconds=1.52, fps=12.5, size=(320, 240), workers=1)
    return root


@pytest.fixture(scope="module")
def clips(corpus: Path) -> list[Path]:
    """The test speaker's two clips."""
    return sorted((corpus / "volunteers" / SPEAKER / "Clips" / "straightcam").glob("*.mp4"))


@pytest.fixture(scope="module")
def dataset(corpus: Path, clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test speaker's two clips as a dataset, prepared by the pipeline's own functions."""
    return dataset_of(corpus, clips, tmp_path_factory.mktemp("dataset"), Settings())


def dataset_of(corpus: Path, clips: list[Path], root: Path, settings: Settings) -> Path:
    parts = []
    for clip in clips:
        source = Source(clip.relative_to(corpus).as_posix(), SPEAKER, "test")
        assert prepare_video(corpus, source, settings, root / "work", None).status == "ok"
        parts.append(work_files(root / "work", source, settings).shard)
    merge_shards(root / "shards" / "test" / "08F.h5", parts)
    contents = {
        "schema": "flnet-dataset/1",
        "digest": "d" * 64,
        "corpus": "timit",
        "config": settings.to_dict(),
        "splits": ["test"],
        "shards": [{"split": "test", "path": "shards/test/08F.h5"}],
    }
    (root / "dataset.json").write_text(json.dumps(contents))
    return root


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network as initialised."""
    torch.manual_seed(0)
    config = TrainConfig(steps=1, model=ModelConfig(image_size=32, base_channels=4))
    payload = {
        "step": 1,
        "config": to_dict(config),
        "generator": Generator(config.model).state_dict(),
        "dataset_digest": "d" * 64,
    }
    return save_checkpoint(tmp_path_factory.mktemp("run"), payload, keep=1)


@pytest.fixture
def driver_file(tmp_path: Path) -> Path:
    """Five frames of landmarks about a circle; the third has no face."""
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    circle = 112 + 60 * np.stack((np.cos(angle), np.sin(angle)), axis=1)
    points = circle + np.arange(5)[:, None, None]
    points[2] = np.nan
    np.savez(tmp_path / "driver.npz", landmarks=points, fps=10.0)
    return tmp_path / "driver.npz"


def probe(path: Path) -> str:
    """What ffmpeg says of a file."""
    command = [ffmpeg_path(), "-hide_banner", "-i", str(path), "-map", "0", "-f", "null", "-"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stderr


def frames_of(path: Path) -> list[np.ndarray]:
    """The luma of every frame."""
    with VideoReader(path) as reader:
        return [frame.y.copy() for frame in reader]


def loudness(path: Path) -> np.ndarray:
    """The sound's absolute samples at 8 kHz."""
    command = [ffmpeg_path(), "-v", "error", "-i", str(path), "-vn", "-ac", "1", "-ar", "8000", "-f", "s16le", "-"]
    raw = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    return np.abs(np.frombuffer(raw, np.int16).astype(int))


def test_the_clip_has_the_drivers_length_rate_and_sound_and_says_what_it_is(
    checkpoint: Path, corpus: Path, clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = next(path for path in sorted((corpus / "volunteers").rglob("*.mp4")) if SPEAKER not in path.parts)
    out = tmp_path / "result.mp4"
    arguments = ["--checkpoint", str(checkpoint), "--source", str(clips[0]), "--driver", str(driver)]
    assert main([*arguments, "--out", str(out), "--show", "masks", "--watermark", "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"result\.mp4: 19 frames at 12\.5 a second, made at [\d.]+ frames/s\n", told)
    with VideoReader(driver) as expected, VideoReader(out) as result:
        expected_times = [frame.pts_seconds for frame in expected]
        times = [frame.pts_seconds for frame in result]
        assert result.fps == expected.fps == 12.5
    assert times == pytest.approx(expected_times, abs=1e-3)
    assert not result.errors
    says = probe(out)
    assert re.search(r"title +: Synthetic video: .* driven by sa1\.mp4", says)
    assert re.search(r"comment +: Synthetic: this face was generated", says)
    before, after = loudness(driver), loudness(out)
    assert len(after) == pytest.approx(len(before), abs=1200)
    shared = min(len(before), len(after))
    assert np.corrcoef(before[:shared], after[:shared])[0, 1] > 0.8
    assert list(tmp_path.iterdir()) == [out], "no partial file is left"


@pytest.mark.parametrize(
    ("jumps", "told"),
    [
        ("+if(gte(TS*TB,0.7),3000/TB,0)", r"\+3000\.08"),
        ("+if(gte(TS*TB,0.5),3000/TB,0)+if(gte(TS*TB,1),20/TB,0)", r"\+3000\.08 s at frame 7 and 1 times more"),
    ],
    ids=["once", "twice"],
)
def test_a_driver_whose_clock_jumps_plays_on_with_its_sound(
    jumps: str, told: str, checkpoint: Path, clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driver, out = tmp_path / "jump.ts", tmp_path / "result.mp4"
    jump = f"setts=ts='TS{jumps}'"
    command = [ffmpeg_path(), "-v", "error", "-i", clips[0], "-c:v", "libx264", "-bf", "0", "-c:a", "copy"]
    command += ["-output_ts_offset", "50", "-bsf:v", jump, "-bsf:a", jump, driver]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    arguments = ["--checkpoint", str(checkpoint), "--source", str(clips[0]), "--driver", str(driver)]
    assert main([*arguments, "--out", str(out), "--device", "cpu"]) == 0
    says = capsys.readouterr()
    assert "result.mp4: 19 frames at 12.5 a second" in says.out
    assert re.search(rf"warning: \S+jump\.ts: the clock jumps by {told}", says.err)
    before, after = loudness(clips[0]), loudness(out)
    assert len(after) == pytest.approx(len(before), abs=1600)
    shared = min(len(before), len(after))
    assert np.corrcoef(before[:shared], after[:shared])[0, 1] > 0.8


@pytest.mark.parametrize("largest", [1e6, 1e300])
def test_landmarks_beyond_any_picture_are_refused(tmp_path: Path, largest: float) -> None:
    """Also those that a float32 cannot hold: no warning, and no frames that silently have no face."""
    points = np.full((3, 68, 2), 100.0)
    points[1, 5, 0] = largest
    np.savez(tmp_path / "far.npz", landmarks=points)
    with pytest.raises(InputError, match=r"far\.npz: landmarks must be pixels below 100000"):
        read_landmarks(tmp_path / "far.npz")


@pytest.mark.parametrize(
    ("flags", "shape"),
    [
        ([], (32, 32)),
        (["--warp-margin", "80"], (32, 32)),
        (["--image-size", "36x64", "--warp-margin", "20"], (36, 64)),
        (["--image-size", "240x48"], (240, 48)),
    ],
)
def test_reconstruction_has_the_l1_of_evaluation(
    checkpoint: Path,
    dataset: Path,
    clips: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    shape: tuple[int, int],
) -> None:
    """The driver's own frames come from its video again, the bank from the dataset: evaluation's protocol.

    At every size, one that is larger than what is stored among them, and with every warp margin.
    """
    reconstruct(checkpoint, dataset, clips, tmp_path, capsys, flags, shape)


def test_a_dataset_of_other_frames_is_reconstructed_alike(
    checkpoint: Path, corpus: Path, clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bank and truth are then crops of that size, and landmarks are told in the paper's pixels all the same."""
    dataset = dataset_of(corpus, clips, tmp_path / "dataset", Settings(frame_size=128, storage="jpeg"))
    assert open_dataset(dataset).frame_size == 128
    reconstruct(checkpoint, dataset, clips, tmp_path, capsys, ["--image-size", "64"], (64, 64), tolerance=0.2)


def reconstruct(
    checkpoint: Path,
    dataset: Path,
    clips: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    shape: tuple[int, int],
    tolerance: float = 2e-3,
) -> None:
    _, other = open_dataset(dataset).videos("test")
    out = tmp_path / "same.mp4"
    driving = ["--source", str(dataset), "--speaker", SPEAKER, "--source-video", other.id, "--driver", str(clips[0])]
    common = ["--checkpoint", str(checkpoint), "--device", "cpu", *flags]
    assert main([*common, *driving, "--fit", "none", "--measure", "--out", str(out)]) == 0
    measured = re.search(r"(\d+) frames .* L1 ([\d.]+) \(0-255\)", capsys.readouterr().out)
    assert measured is not None
    results = tmp_path / "evaluation"
    measuring = ["--shards", str(dataset), "--workers", "0", "--out", str(results), "--no-fid", "--no-lpips"]
    assert evaluate_main([*common, *measuring]) == 0
    network = NetworkAnswers(load_trained(checkpoint, CPU).generator, settings_of(flags))
    evaluation = evaluate(network, open_dataset(dataset))
    of_clip = [frame.l1 for frame in evaluation.frames if frame.group.bank_video == other]
    assert len(of_clip) == int(measured[1]) == 19
    assert float(measured[2]) == pytest.approx(np.mean(of_clip), abs=tolerance)
    written = json.loads((results / "test.json").read_text())
    assert written["overall"]["scores"]["model"]["l1"] == pytest.approx(evaluation.l1, rel=1e-6)
    assert written["image_size"] == f"{shape[0]}x{shape[1]}"
    encoded = frames_of(out)
    assert len(encoded) == 19
    assert encoded[0].shape == shape


def settings_of(flags: list[str]) -> InferenceSettings:
    """Those that the command's flags ask for."""
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    size = parse_size(given["--image-size"]) if "--image-size" in given else None
    return InferenceSettings(size, float(given["--warp-margin"]) if "--warp-margin" in given else None)


def test_a_videos_bank_is_the_one_that_its_dataset_holds(dataset: Path, clips: list[Path]) -> None:
    video = open_dataset(dataset).videos("test")[0]
    made = source_from_video(clips[0], Settings(), landmark_model_path())
    with h5py.File(video.shard) as shard:
        bank = list(video.bank)
        assert np.array_equal(made.images, np.stack([shard["frames"][row] for row in bank]))
        assert np.array_equal(made.landmarks, np.stack([shard["landmarks"][row] for row in bank]))


def test_it_is_so_with_smoothed_landmarks_and_centres(corpus: Path, clips: list[Path], tmp_path: Path) -> None:
    settings = Settings(smooth_landmarks=2.0, smooth_centres=3.0)
    source = Source(clips[0].relative_to(corpus).as_posix(), SPEAKER, "test")
    assert prepare_video(corpus, source, settings, tmp_path, None).status == "ok"
    made = source_from_video(clips[0], settings, landmark_model_path())
    plain = source_from_video(clips[0], Settings(), landmark_model_path())
    with ShardReader(work_files(tmp_path, source, settings).shard) as shard:
        bank = shard.entries[0].bank
        assert np.array_equal(made.images, shard.frames(bank))
        assert np.array_equal(made.landmarks, shard.landmarks(bank))
    assert np.abs(made.landmarks - plain.landmarks).max() > 0.5, "smoothing must show for this to mean anything"


def test_pictures_make_a_bank_and_those_without_a_face_are_named(
    clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        ffmpeg_path(),
        "-v",
        "error",
        "-i",
        str(clips[0]),
        "-vf",
        "select=not(mod(n\\,9))",
        "-fps_mode",
        "passthrough",
    ]
    subprocess.run([*command, str(tmp_path / "%d.png")], check=True, stdin=subprocess.DEVNULL)
    pictures = len(list(tmp_path.glob("*.png")))
    Image.new("RGB", (320, 240), "green").save(tmp_path / "wall.jpg")
    source = source_from_pictures(tmp_path, Settings(), landmark_model_path())
    assert source.images.shape == (5, 224, 224, 3)
    assert len({image.tobytes() for image in source.images}) == pictures == 3, "fewer than five are repeated"
    openness = np.linalg.norm(source.landmarks[:, 51] - source.landmarks[:, 57], axis=1)
    assert (np.diff(openness) >= 0).all()
    assert "wall.jpg: no face found, left out" in capsys.readouterr().err
    video = source_from_video(clips[0], Settings(), landmark_model_path())
    nose = [np.median(images[:, 96:120, 104:120], axis=(0, 1, 2)) for images in (source.images, video.images)]
    assert np.abs(nose[0] - nose[1]).max() < 5, "a picture's colours come out as a video's do"
    assert nose[0][0] - nose[0][2] > 15, "skin is redder than blue"


def test_faceless_frames_are_held_skipped_or_refused(driver_file: Path) -> None:
    points, fps = read_landmarks(driver_file)
    assert fps == 10
    driver = Driver(driver_file, 10.0, np.arange(5) / 10, points, None)
    held = plan_timeline(driver, "hold")
    assert held.places.tolist() == [0, 1, 2, 3, 4]
    assert held.faces.tolist() == [0, 1, 1, 3, 4]
    skipped = plan_timeline(driver, "skip")
    assert skipped.faces.tolist() == skipped.places.tolist() == [0, 1, 3, 4]
    assert skipped.times.tolist() == pytest.approx([0, 0.1, 0.3, 0.4])
    assert np.array(kept_parts(skipped.times, 10)) == pytest.approx(np.array([[0, 0.2], [0.3, 0.5]]))
    assert held.faceless == skipped.faceless == 1
    with pytest.raises(InputError, match="no face in 1 of the driver's 5 frames, first in frame 2; pass --missing"):
        plan_timeline(driver, "fail")
    late = Driver(driver_file, 10.0, np.arange(5) / 10, np.roll(points, -2, axis=0), None)
    assert plan_timeline(late, "hold").faces.tolist() == [1, 1, 2, 3, 4], "before the first face, the first"


def test_a_variable_rate_is_shown_at_a_constant_one(driver_file: Path) -> None:
    points = np.ones((4, 68, 2), np.float32)
    driver = Driver(driver_file, 10.0, 7 + np.array([0, 0.1, 0.4, 0.5]), points, None)
    timeline = plan_timeline(driver, "hold")
    assert timeline.places.tolist() == [0, 1, 1, 1, 2, 3]
    assert timeline.times[0] == 7


def test_fitted_landmarks_have_the_sources_size_or_shape() -> None:
    rng = np.random.default_rng(0)
    shape = rng.uniform(40, 180, (68, 2)).astype(np.float32)
    smaller = 111.75 + 0.5 * (shape - 111.75) + rng.normal(0, 0.1, (9, 68, 2))
    driver = smaller.astype(np.float32)
    assert fit_landmarks(driver, shape, "none") is driver
    sized = fit_landmarks(driver, shape, "position-scale")
    assert np.median(sized, axis=0) == pytest.approx(shape, abs=0.3)
    stranger = driver + rng.normal(0, 5, (68, 2)).astype(np.float32)
    formed = fit_landmarks(stranger, shape, "shape")
    assert np.median(formed, axis=0) == pytest.approx(shape, abs=1e-3)
    assert formed[1] - formed[0] == pytest.approx(2 * (stranger[1] - stranger[0]), abs=0.3)


@pytest.mark.parametrize("header", [True, False])
def test_landmarks_are_read_from_csv(driver_file: Path, tmp_path: Path, header: bool) -> None:
    points, _ = read_landmarks(driver_file)
    path = tmp_path / "driver.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        if header:  # grouped by axis, after another column
            writer.writerow(["frame", *(f" x_{i}" for i in range(68)), *(f" y_{i}" for i in range(68))])
        for number, frame in enumerate(points):
            values = ["" if np.isnan(value) else f"{value:.3f}" for value in (frame.T if header else frame).ravel()]
            writer.writerow([number, *values] if header else values)
    read, fps = read_landmarks(path)
    assert fps is None
    assert np.allclose(read, points, atol=1e-3, equal_nan=True)


def test_a_landmark_file_drives_a_silent_or_dubbed_clip(
    checkpoint: Path, dataset: Path, clips: list[Path], driver_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "dubbed.mkv"
    arguments = ["--checkpoint", str(checkpoint), "--source", str(dataset), "--speaker", SPEAKER]
    arguments += ["--driver", str(driver_file), "--device", "cpu", "--out", str(out)]
    assert main([*arguments, "--image-size", "48", "--zoom", "2", "--audio", str(clips[0]), "--missing", "skip"]) == 0
    assert [frame.shape for frame in frames_of(out)] == [(96, 96)] * 4
    assert len(loudness(out)) == pytest.approx(0.4 * 8000, abs=500)
    assert main([*arguments, "--show", "side-by-side", "--fit", "none", "--fps", "25"]) == 0
    assert "Audio" not in probe(out)
    with VideoReader(out) as reader:
        assert len(list(reader)) == 5
        assert reader.fps == 25


def test_skipped_frames_take_their_sound_with_them(tmp_path: Path) -> None:
    """A tone that is loud in the middle third, which is cut out; the file's sound begins at 1 s."""
    source = tmp_path / "tone.wav"
    tone = "aevalsrc='if(between(t,1.5,2),0.9,0.01)*sin(3000*t)':s=8000:d=2.5"
    command = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", tone, str(source)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    frame = np.zeros((32, 32, 3), np.uint8)
    for parts, seconds, loudest in ((None, 1.5, 20000), ([(0, 0.46), (1.04, 1.5)], 0.92, 2000)):
        out = tmp_path / "cut.mp4"
        with clip_writer(out, 25, Sound(source, 1.0, parts), {}) as encoder:
            for _ in range(round(seconds * 25)):
                encoder.write(frame)
        samples = loudness(out)
        assert len(samples) == pytest.approx(seconds * 8000, abs=700)
        assert (samples.max() > loudest) == (parts is None)
    assert "aselect" not in sound_filter(Sound(source))


def test_sound_whose_clock_is_set_back(tmp_path: Path) -> None:
    """Half a second of silence at 500 s, and a tone of as long at the beginning, which ffmpeg takes for an overflow."""
    parts, source, out = [tmp_path / "late.ts", tmp_path / "early.ts"], tmp_path / "back.ts", tmp_path / "out.mp4"
    for part, tone, offset in zip(
        parts, ("anullsrc=r=8000:cl=mono:d=0.5", "sine=r=8000:d=0.5"), ("500", "0"), strict=True
    ):
        command = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", tone, "-c:a", "mp2", "-ar", "16000"]
        subprocess.run([*command, "-output_ts_offset", offset, part], check=True, stdin=subprocess.DEVNULL)
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    with clip_writer(out, 25, Sound(source, 501.4, jumps=(2**33 / 90000 - 500.5,)), {}) as encoder:
        for _ in range(25):
            encoder.write(np.zeros((32, 32, 3), np.uint8))
    samples = loudness(out)
    assert len(samples) == pytest.approx(8000, abs=1000)
    assert samples[:3000].max() < 100 < 1000 < samples[5000:7000].max()


def test_views_show_every_stream_and_mask() -> None:
    torch.manual_seed(0)
    config = ModelConfig(image_size=32, base_channels=4, bank_size=3)
    with torch.no_grad():
        out = Generator(config)(torch.rand(2, 3, 3, 32, 32), torch.zeros(2, 3, 2, 32, 32))
    bank = np.zeros((3, 32, 32, 3), np.uint8)
    points = np.full((2, 68, 2), 15.5, np.float32)
    shapes = {kind: View(kind, bank).draw(out, points, None)[0].shape for kind in ("output", "side-by-side", "masks")}
    assert shapes == {"output": (32, 32, 3), "side-by-side": (142, 352, 3), "masks": (280, 700, 3)}
    merge_cell = View("masks", bank, zoom=4).draw(out, points, None)[1][22 : 22 + 128, 5 * 132 + 4 : 6 * 132]
    assert merge_cell.mean() == pytest.approx(255 * float(out.merge_mask[1].mean()), abs=1)
    plain = np.full((32, 32, 3), 200, np.uint8)
    stamped = Watermark().stamp(plain)
    assert (stamped[:20] == plain[:20]).all()
    assert stamped[-8:].min() < 100


def test_a_larger_crop_shows_the_same_part_of_the_picture() -> None:
    """Corners of pixels: a crop of twice the size has its edges in the same places."""
    transform = np.array([[0.5, 0, 10], [0, 0.5, -20]], np.float32)
    doubled = resized(transform, 448)
    edge = (-0.5 - transform[0, 2]) / transform[0, 0]
    assert doubled[0, 0] * edge + doubled[0, 2] == pytest.approx(-0.5)


def test_crop_settings_come_from_dataset_run_or_flags(checkpoint: Path, dataset: Path, tmp_path: Path) -> None:
    trained = load_trained(checkpoint, CPU)
    assert find_settings(trained, None) == Settings()
    config = checkpoint.parent.parent / "config.json"
    eyes = Settings(centre="eyes", face_fraction=0.5)
    try:
        config.write_text(json.dumps({"dataset": {"root": str(dataset), "digest": "d" * 64}}))
        assert find_settings(trained, None, centre="eyes").centre == "eyes"
        config.write_text(json.dumps({"dataset": {"root": str(tmp_path), "config": eyes.to_dict()}}))
        assert find_settings(trained, None) == eyes
        assert find_settings(trained, open_dataset(dataset)) == Settings()
        assert find_settings(trained, None, face_fraction=0.7) == Settings(centre="eyes", face_fraction=0.7)
    finally:
        config.unlink()


@pytest.fixture(scope="module")
def photo(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frame of the test speaker's first clip, of uneven sides."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    command = [ffmpeg_path(), "-v", "error", "-i", str(clips[0]), "-frames:v", "1", "-vf", "crop=319:239:0:0:exact=1"]
    subprocess.run([*command, str(path)], check=True, stdin=subprocess.DEVNULL)
    return path


def test_one_picture_is_enough_and_is_pasted_back(
    checkpoint: Path, driver_file: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "result.mkv"
    arguments = ["--checkpoint", str(checkpoint), "--source", str(photo), "--driver", str(driver_file)]
    assert main([*arguments, "--paste-back", "--out", str(out), "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert (
        "note: photo.png: the bank is one picture, repeated to 5: there is nothing to fetch an open mouth" in said.err
    )
    assert "5 frames at 10 a second" in said.out
    assert "; pasted into photo.png" in said.out
    with VideoReader(out) as reader:
        (*_, last) = (whole(frame) for frame in reader)
    before = np.asarray(Image.open(photo))
    assert last.shape == (240, 320, 3), "odd sides get one more row and column"
    aside = np.abs(last[:239, :30].astype(int) - before[:, :30])
    assert np.median(aside) < 4, "beside the crop the photo stays"
    assert np.abs(last[80:160, 120:200].astype(int) - before[80:160, 120:200]).mean() > 10, "the untrained net's face"


def test_a_photo_without_a_face_is_refused(
    checkpoint: Path, driver_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (320, 240), "green").save(tmp_path / "wall.jpg")
    (tmp_path / "torn.webp").write_bytes(b"RIFF")
    arguments = ["--checkpoint", str(checkpoint), "--driver", str(driver_file), "--device", "cpu"]
    for name, says in (
        ("wall.jpg", "wall.jpg: no face of 40 pixels or wider in it; use another picture"),
        ("torn.webp", "torn.webp: cannot be read as a picture"),
    ):
        assert main([*arguments, "--source", str(tmp_path / name), "--out", str(tmp_path / "out.mp4")]) == 1
        assert says in capsys.readouterr().err


def test_a_folder_of_pictures_leads_nowhere_else(photo: Path, tmp_path: Path) -> None:
    """The user may name a link; what lies in a folder that he was given must not lead to his own files."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "a.png").symlink_to(photo)
    with pytest.raises(InputError, match=r"a\.png: must not be a link that leads out of its folder"):
        source_from_pictures(folder, Settings(), landmark_model_path())
    assert source_from_pictures(folder / "a.png", Settings(), landmark_model_path()).name == photo.resolve().name


def test_a_bank_is_short_where_its_pictures_are_too_few(photo: Path) -> None:
    source = source_from_pictures(photo, Settings(), landmark_model_path())
    assert source.images.shape == (5, 224, 224, 3)
    assert shortage(source, 1) is None, "a network of a bank of one wants no more"
    assert "one picture, repeated to 3" in str(shortage(source, 3))
    images = source.images.copy()
    images[3:] = 255 - images[3:]
    assert "2 pictures, repeated to 5" in str(shortage(replace(source, images=images), 5))
    images[:] += np.arange(5, dtype=np.uint8)[:, None, None, None]
    assert shortage(replace(source, images=images), 5) is None


def test_a_gif_is_silent_loops_and_says_in_its_comment_what_it_is(
    checkpoint: Path, photo: Path, clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "result.gif"
    arguments = ["--checkpoint", str(checkpoint), "--source", str(photo), "--driver", str(clips[1])]
    assert main([*arguments, "--out", str(out), "--device", "cpu"]) == 0
    assert "result.gif: a GIF holds no sound, the driver's is left out" in capsys.readouterr().err
    with Image.open(out) as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"], gif.info["duration"]) == (19, (32, 32), 0, 80)
        comment = gif.info["comment"].decode("ascii")
    assert comment.startswith("Synthetic video: photo.png driven by sa2.mp4\nSynthetic: this face was generated")
    assert re.search(r"of dataset d{12}\.$", comment)
    assert list(tmp_path.iterdir()) == [out], "no partial file is left"


def test_a_webm_has_sound_and_tags(checkpoint: Path, photo: Path, clips: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "result.webm"
    arguments = ["--checkpoint", str(checkpoint), "--source", str(photo), "--driver", str(clips[1])]
    assert main([*arguments, "--out", str(out), "--device", "cpu"]) == 0
    says = probe(out)
    assert re.search(r"Video: vp9.*, 32x32", says)
    assert "Audio: opus" in says
    assert re.search(r"(?i)title +: Synthetic video: photo\.png driven by sa2\.mp4", says)
    assert re.search(r"(?i)comment +: Synthetic: this face was generated", says)
    before, after = loudness(clips[1]), loudness(out)
    shared = min(len(before), len(after))
    assert shared > 11000
    assert np.corrcoef(before[:shared], after[:shared])[0, 1] > 0.8


def test_a_gifs_comment_of_any_length_stands_before_its_first_picture(tmp_path: Path) -> None:
    """The file is longer than what is moved at a time, and its pictures are what they were."""
    path = tmp_path / "noise.gif"
    noise = np.random.default_rng(0).integers(0, 255, (6, 450, 450, 3), np.uint8)
    with clip_writer(path, 60, None, {}) as encoder:
        for frame in noise:
            encoder.write(frame)
    before = path.read_bytes()
    assert len(before) > 1 << 20
    with Image.open(path) as gif:
        shown = [np.asarray(gif.convert("RGB"))]
        assert (gif.n_frames, gif.info["duration"]) == (5, 20), "60 a second are shown as 50"
    for text in ("short", "Zoë: " + "synthetic " * 60):
        path.write_bytes(before)
        add_gif_comment(path, text)
        assert path.read_bytes().count(b"NETSCAPE2.0\x03\x01") == 1
        with Image.open(path) as gif:
            assert gif.info["comment"] == text.encode("ascii", "backslashreplace")
            assert gif.info["loop"] == 0
            assert np.array_equal(np.asarray(gif.convert("RGB")), shown[0])


def test_a_drivers_unreadable_sound_is_said_and_the_clip_is_silent(
    checkpoint: Path, photo: Path, clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stream of sound whose every packet is noise."""
    driver, out = tmp_path / "driver.mkv", tmp_path / "out.mp4"
    command = [ffmpeg_path(), "-v", "error", "-i", clips[1], "-c", "copy", "-bsf:a", "noise=amount=1", driver]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    arguments = ["--checkpoint", str(checkpoint), "--source", str(photo), "--driver", str(driver)]
    assert main([*arguments, "--out", str(out), "--device", "cpu"]) == 0
    assert re.search(
        r"warning: \S+driver\.mkv: its sound cannot be read \(.+\): the result is silent; --audio gives",
        capsys.readouterr().err,
    )
    assert "Audio" not in probe(out)


@pytest.fixture
def faceless(tmp_path: Path) -> Path:
    """A video of a colour."""
    path = tmp_path / "wall.mp4"
    command = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", "color=gray:s=160x120:d=0.2", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


Change = Callable[[dict[str, str], Path, Path], dict[str, str]]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda flags, wall, _: {**flags, "--source": str(wall)}, "wall.mp4: no face in any of the source's 5 frames"),
        (lambda flags, wall, _: {**flags, "--driver": str(wall)}, "wall.mp4: no face in any of the driver's 5 frames"),
        (
            lambda flags, _, __: {**flags, "--missing": "fail"},
            "no face in 1 of the driver's 5 frames, first in frame 2",
        ),
        (lambda flags, _, __: {**flags, "--speaker": "99X"}, "--speaker must be one of 08F, got '99X'"),
        (lambda flags, _, __: {**flags, "--source-video": "x"}, "--source-video must be one of volunteers/08F"),
        (lambda flags, _, tmp: {**flags, "--source": str(tmp)}, "--speaker and --source-video are for a dataset"),
        (lambda flags, _, __: {**flags, "--out": "clip.avi"}, "clip.avi: the result must be a file ending in .mp4"),
        (
            lambda flags, _, tmp: {**flags, "--out": "clip.gif", "--audio": str(tmp / "none.wav")},
            "clip.gif: a GIF holds no sound: leave --audio out",
        ),
        (lambda flags, wall, _: {**flags, "--audio": str(wall)}, "wall.mp4: holds no sound; give another file"),
        (
            lambda flags, _, tmp: {**flags, "--audio": str(tmp / "driver.npz")},
            "driver.npz: its sound cannot be read (Invalid data found when processing input); give another",
        ),
        (lambda flags, _, __: {**flags, "--paste-back": ""}, "a dataset holds crops alone"),
        (lambda flags, _, __: {**flags, "--paste-back": "", "--zoom": "2"}, "leave --show and --zoom out"),
        (
            lambda flags, _, __: {**flags, "--image-size": "32x50"},
            "image_size must be a multiple of 4 from 32 to 4096, got 50",
        ),
        (
            lambda flags, _, __: {**flags, "--image-size": "32x"},
            "--image-size must be a number or HEIGHTxWIDTH, got '32x'",
        ),
        (lambda flags, _, __: {**flags, "--warp-margin": "-3"}, "--warp-margin must be above 0 and below 1000, got -3"),
        (lambda flags, _, tmp: {**flags, "--driver": str(tmp / "none.mp4")}, "none.mp4: no such file or folder"),
        (lambda flags, _, tmp: {**flags, "--audio": str(tmp / "none.wav")}, "none.wav: no such sound file"),
        (lambda flags, _, __: {**flags, "--batch-size": "0"}, "--batch-size must be at least 1, got 0"),
        (lambda flags, wall, _: {**flags, "--checkpoint": str(wall)}, "wall.mp4: not a readable checkpoint"),
    ],
)
def test_errors_are_one_line(
    change: Change,
    says: str,
    checkpoint: Path,
    dataset: Path,
    driver_file: Path,
    faceless: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tmp = driver_file.parent
    flags = {"--checkpoint": str(checkpoint), "--source": str(dataset), "--speaker": SPEAKER, "--device": "cpu"}
    flags = change({**flags, "--driver": str(driver_file), "--out": str(tmp / "out.mp4")}, faceless, tmp)
    if flags["--source"].endswith(".mp4"):
        flags.pop("--speaker")
    assert main([word for flag in flags.items() for word in flag if word]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m model.animate: ")]
    assert len(lines) == 1
    assert says in lines[0]
    assert not (tmp / "out.mp4").exists()


def test_a_broken_landmark_file_is_named(tmp_path: Path) -> None:
    for name, content, says in (
        ("a.npz", b"nothing", "cannot be read as landmarks"),
        ("a.csv", b"1,2,3\n", "a row has fewer than 136 columns"),
        ("b.csv", b"x_0,y_0\n1,2\n", "is not in list"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=says):
            read_landmarks(tmp_path / name)
    np.save(tmp_path / "c.npy", np.zeros((4, 5, 2)))
    with pytest.raises(InputError, match=r"must be of shape \(n, 68, 2\), got \(4, 5, 2\)"):
        read_landmarks(tmp_path / "c.npy")
    np.savez(tmp_path / "d.npz", points=np.zeros((4, 68, 2)))
    with pytest.raises(InputError, match="no array named 'landmarks"):
        read_landmarks(tmp_path / "d.npz")


def test_the_timeline_is_frame_for_frame_at_a_constant_rate(driver_file: Path) -> None:
    times = np.round(np.arange(1000) * 1001 / 30000, 6)  # as 30 fps material of television is stamped
    driver = Driver(driver_file, 30000 / 1001, times, np.ones((1000, 68, 2), np.float32), None)
    timeline: Timeline = plan_timeline(driver, "hold")
    assert np.array_equal(timeline.places, np.arange(1000))
