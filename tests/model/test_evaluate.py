"""Every figure of the evaluation against a plain loop, the trivial answers, and the command end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model.checkpoint import save_checkpoint
from model.config import ModelConfig, Size, TrainConfig
from model.data.examples import load_groups
from model.data.sampler import fixed_groups
from model.evaluate import main
from model.evaluation.answers import NetworkAnswers
from model.evaluation.copied_answers import copied_bank_image, nearest_openness
from model.evaluation.metrics import AnsweredBatch, FidMetric, FrameMetric, l1_figures, quality_figures
from model.evaluation.protocol import FrameScore, evaluate, extremes
from model.evaluation.psnr_ssim import ssim
from model.evaluation.temporal import TemporalMetric
from model.network.generator import Generator
from model.setting import to_dict
from model.train import main as train_main
from model.trained import InferenceSettings, load_trained
from model.training.progress_pictures import example_groups
from pipeline.errors import DatasetError
from pipeline.shards import ShardReader, open_dataset

CPU = torch.device("cpu")


def small_generator(**settings: Any) -> Generator:
    torch.manual_seed(0)
    return Generator(ModelConfig(image_size=32, base_channels=4, **settings))


def test_the_nearest_mouth_is_chosen_and_the_more_closed_of_two() -> None:
    bank = torch.tensor([[0.0, 2.0, 4.0, 8.0, 16.0]]).expand(4, 5)
    target = torch.tensor([3.0, 100.0, -1.0, 7.0])
    assert nearest_openness(target, bank).tolist() == [1, 4, 0, 3]
    images = torch.arange(20.0).view(4, 5, 1, 1, 1).expand(4, 5, 3, 2, 2)
    assert copied_bank_image(images, target, bank)[:, 0, 0, 0].tolist() == [1.0, 9.0, 10.0, 18.0]


def test_the_trivial_answer_is_what_a_loop_finds(tiny_dataset: Path) -> None:
    """At full size for one speaker of two videos: frames, banks and choice by hand."""
    dataset = open_dataset(tiny_dataset)
    torch.manual_seed(0)
    generator = Generator(ModelConfig(image_size=224, base_channels=1))
    measured = evaluate(generator, dataset, stride=3, batch_size=2)
    first, second = [video for video in dataset.videos("test") if video.speaker == "08F"]
    errors = []
    for video, other in ((first, second), (second, first)):
        with ShardReader(video.shard) as shard, ShardReader(other.shard) as bank_shard:
            for row in range(video.first_row, video.first_row + video.row_count, 3):
                distance = np.abs(bank_shard.mouth_openness(other.bank) - shard.mouth_openness([row]))
                copied = bank_shard.frames([other.bank[int(distance.argmin())]])[0].astype(float)
                errors.append(np.abs(copied - shard.frames([row])[0]).mean())
    speaker = measured.speakers["08F"]
    assert speaker.frames == len(errors) == 6
    assert speaker.scores["trivial"]["l1"] == pytest.approx(np.mean(errors), abs=1e-4)


def test_all_is_the_mean_over_frames(tiny_dataset: Path) -> None:
    measured = evaluate(small_generator(), open_dataset(tiny_dataset))
    assert measured.split == "test"
    assert {name: row.frames for name, row in measured.speakers.items()} == {"08F": 14, "09F": 2}
    for figure in ("l1", "mouth_l1", "eyes_l1"):
        total = sum(row.frames * row.scores["model"][figure] for row in measured.speakers.values())
        assert measured.overall.scores["model"][figure] == pytest.approx(total / 16)


def test_batch_size_and_workers_change_nothing_and_the_generator_stays(tiny_dataset: Path) -> None:
    generator = small_generator()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    one = evaluate(generator, open_dataset(tiny_dataset), batch_size=1)
    many = evaluate(generator, open_dataset(tiny_dataset), batch_size=5, workers=1)
    assert one.l1 == pytest.approx(many.l1, rel=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    assert generator.training


def test_every_ablation_is_compared_with_the_same_trivial_answer(tiny_dataset: Path) -> None:
    dataset = open_dataset(tiny_dataset)
    trivial = {
        evaluate(small_generator(bank_size=n), dataset, stride=2).overall.scores["trivial"]["l1"] for n in (1, 3, 5)
    }
    assert len(trivial) == 1


def test_the_warp_margin_can_be_another(tiny_dataset: Path) -> None:
    dataset = open_dataset(tiny_dataset)
    usual, same, wide = (
        evaluate(NetworkAnswers(small_generator(), InferenceSettings(warp_margin_px=px)), dataset, stride=4)
        for px in (None, 40.0, 80.0)
    )
    assert usual.l1 == same.l1
    assert usual.l1 != wide.l1
    assert [found.warp_margin_px for found in (usual, same, wide)] == [40.0, 40.0, 80.0]


def test_the_warp_margin_scales_the_warp_and_nothing_else(tiny_dataset: Path) -> None:
    """Half as far with a network of twice the margin: the offsets that both read are the same."""
    dataset = open_dataset(tiny_dataset)
    near, far = small_generator(warp_margin_px=20.0), small_generator(warp_margin_px=80.0)
    far.load_state_dict(near.state_dict())
    found = evaluate(near, dataset, stride=4)
    assert evaluate(far, dataset, stride=4).l1 != found.l1
    same = evaluate(NetworkAnswers(far, InferenceSettings(warp_margin_px=20.0)), dataset, stride=4)
    assert same.overall == found.overall


@pytest.mark.parametrize("size", [Size(36, 64), Size(64, 44), Size(32, 240)])
def test_another_size_is_what_a_loop_finds(tiny_dataset: Path, size: Size) -> None:
    """Height and width unequal, neither a multiple of 16, one of them larger than what is stored."""
    dataset = open_dataset(tiny_dataset)
    generator = small_generator().eval()
    metrics = [FrameMetric(l1_figures), FrameMetric(quality_figures)]
    found = evaluate(NetworkAnswers(generator, InferenceSettings(size)), dataset, metrics=metrics, stride=3)
    errors = []
    for group in fixed_groups(dataset.videos("test"), dataset.bank_from, stride=3):
        batch = load_groups([group], generator.config, CPU, size)
        assert batch.target.shape[-2:] == size
        with torch.no_grad():
            errors += (generator(batch.bank, batch.field).output - batch.target).abs().mean((1, 2, 3)).tolist()
    assert found.image_size == size
    assert found.l1 == pytest.approx(127.5 * np.mean(errors), rel=1e-5)
    assert all(np.isfinite(value) for value in found.overall.scores["model"].values())


def test_examples_are_spread_over_the_split(tiny_dataset: Path) -> None:
    groups = example_groups(open_dataset(tiny_dataset), "train", count=4)
    assert len({group.video.id for group in groups}) == 4
    assert len({group.target_rows[0] - group.video.first_row for group in groups}) > 1
    assert groups == example_groups(open_dataset(tiny_dataset), "train", count=4)


def test_the_command_writes_json_table_and_pictures(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    flags = ["--steps", "1", "--image-size", "32", "--base-channels", "4", "--batch-size", "4", "--device", "cpu"]
    flags += ["--perceptual-weight", "0", "--adversarial-weight", "0", "--workers", "0"]
    assert train_main(["--shards", str(tiny_dataset), "--out", str(run), *flags]) == 0
    arguments = ["--shards", str(tiny_dataset), "--device", "cpu", "--workers", "0"]
    assert main([*arguments, "--checkpoint", str(run)]) == 0
    results = json.loads((run / "evaluation" / "test.json").read_text())
    assert results["step"] == 1
    assert results["dataset_digest"] == results["trained_on_digest"] == open_dataset(tiny_dataset).digest
    assert results["overall"]["scores"].keys() == {"model", "trivial", "landmarks"}
    assert all("motion_error" in scores for scores in results["overall"]["scores"].values())
    assert (results["image_size"], results["warp_margin_px"]) == ("32x32", 40.0)
    table = (run / "evaluation" / "test.md").read_text()
    printed = capsys.readouterr().out
    assert table in printed
    ours, copied = (results["overall"]["scores"][answer]["l1"] for answer in ("model", "trivial"))
    share = f"{abs(1 - ours / copied):.0%} {'below' if ours < copied else 'above'}"
    assert f"L1 on the test split is {ours:.2f}: {share} that of the bank image copied by openness" in printed
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]
    assert rows[:5] == ["answer", "---", "run", "copied by openness", "copied by landmarks"]
    assert rows[5:] == ["speaker", "---", "08F", "09F", "all"]
    assert "\nFID is left out: Inception weights not found" in table
    assert [example["kind"] for example in results["examples"]] == ["best"] * 2 + ["median"] * 2 + ["worst"] * 2
    assert results["examples"] == sorted(results["examples"], key=lambda example: example["l1"])
    assert "frames" not in results
    with Image.open(run / "evaluation" / "test.png") as grid:
        assert grid.height > 6 * 112
    assert main([*arguments, "--checkpoint", str(run), "--image-size", "48x96", "--warp-margin", "9"]) == 0
    results = json.loads((run / "evaluation" / "test.json").read_text())
    assert (results["image_size"], results["warp_margin_px"]) == ("48x96", 9.0)
    assert "| run | 48x96 |" in capsys.readouterr().out
    assert main([*arguments, "--checkpoint", str(run), "--image-size", "48x90"]) == 1
    assert "image_size must be a multiple of 4 from 32 to 4096, got 90" in capsys.readouterr().err
    assert main([*arguments, "--checkpoint", str(tmp_path / "none.pt")]) == 1
    assert "none.pt: no such checkpoint" in capsys.readouterr().err


def test_a_dataset_without_test_videos_says_so(make_dataset: object, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "out", train={"01M": 2}, test={}, frames=6)  # type: ignore[operator]
    with pytest.raises(DatasetError, match="neither a test nor a val split"):
        evaluate(small_generator(), open_dataset(root))


class Counting:
    """Stands for Inception: four features of an image."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        means = images.mean(dim=(2, 3))
        return torch.cat((means, images.std(dim=(1, 2, 3))[:, None]), dim=1)


def test_every_figure_is_what_a_loop_over_frames_finds(tiny_dataset: Path) -> None:
    """One frame at a time through the network, the figures by NumPy, and the FID as it is usually written."""
    dataset = open_dataset(tiny_dataset)
    generator = small_generator().eval()
    metrics = [FrameMetric(l1_figures), FrameMetric(quality_figures), FidMetric(Counting(), 4), TemporalMetric()]
    measured = evaluate(generator, dataset, metrics=metrics, batch_size=3)
    found: dict[str, list[float]] = {"l1": [], "mouth_l1": [], "eyes_l1": [], "psnr": [], "ssim": []}
    features: dict[str, list[np.ndarray]] = {"answer": [], "truth": []}
    copies: list[float] = []
    motion: list[float] = []
    for group in fixed_groups(dataset.videos("test"), dataset.bank_from):
        before = None
        for row in group.target_rows:
            batch = load_groups([replace(group, target_rows=(row,))], generator.config, CPU)
            with torch.no_grad():
                answer = (generator(batch.bank, batch.field).output[0].double().numpy() + 1) * 127.5
            truth = (batch.target[0].double().numpy() + 1) * 127.5
            found["l1"].append(np.abs(answer - truth).mean())
            if before is not None and row == before[0] + 1:
                motion.append(np.abs((answer - before[1]) - (truth - before[2])).mean())
            before = (row, answer, truth)
            for name, points in (("mouth_l1", slice(48, 68)), ("eyes_l1", slice(36, 48))):
                box = batch.target_landmarks[0, points].numpy()
                margin = 0.25 * (box.max(0) - box.min(0)).max()
                left, top = np.clip(np.rint(box.min(0) - margin), 0, 31).astype(int)
                right, bottom = np.clip(np.rint(box.max(0) + margin), 0, 31).astype(int)
                window = np.s_[:, top : bottom + 1, left : right + 1]
                found[name].append(np.abs(answer[window] - truth[window]).mean())
            found["psnr"].append(10 * np.log10(255**2 / ((answer - truth) ** 2).mean()))
            found["ssim"].append(float(ssim(torch.from_numpy(answer)[None], torch.from_numpy(truth)[None])))
            for name, image in (("answer", answer), ("truth", truth)):
                features[name].append(np.append(image.mean((1, 2)), image.std(ddof=1)))
            distances = [
                np.hypot(*(batch.target_landmarks[0] - bank).T.numpy()).mean() for bank in batch.bank_landmarks[0]
            ]
            copies.append(np.abs((batch.bank[0, int(np.argmin(distances))].numpy() + 1) * 127.5 - truth).mean())
    scores = measured.overall.scores
    for figure, values in found.items():
        assert scores["model"][figure] == pytest.approx(np.mean(values), rel=1e-4), figure
    assert scores["landmarks"]["l1"] == pytest.approx(np.mean(copies), rel=1e-4)
    assert scores["model"]["motion_error"] == pytest.approx(np.mean(motion), rel=1e-4)
    assert [frame.l1 for frame in measured.frames] == pytest.approx(found["l1"], rel=1e-4)
    a, b = np.array(features["truth"]), np.array(features["answer"])
    covariances = [np.cov(part, rowvar=False) for part in (a, b)]
    roots = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).astype(complex)).real.sum()
    distance = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1]) - 2 * roots
    assert scores["model"]["fid"] == pytest.approx(distance, rel=1e-3)
    assert measured.speakers["08F"].scores["model"]["fid"] != scores["model"]["fid"]


def test_frames_without_a_value_are_left_out_of_the_mean() -> None:
    values = iter([torch.tensor([1.0, float("nan")]), torch.tensor([float("nan")] * 2), torch.tensor([4.0, 7.0])])
    metric = FrameMetric(lambda *_: {"figure": next(values)})
    image = torch.zeros(2, 3, 4, 4)
    for speaker in "aba":
        metric.update(AnsweredBatch(image, {"model": image}, torch.zeros(2, 68, 2), speaker, "video", torch.arange(2)))
    assert metric.scores("a") == metric.scores(None) == {"model": {"figure": 4.0}}
    assert metric.scores("b") == {}


def test_a_speakers_frames_come_together_for_the_fid() -> None:
    metric = FidMetric(Counting(), 4)
    image = torch.rand(3, 3, 4, 4)
    for speaker in "ab":
        metric.update(AnsweredBatch(image, {"model": image}, torch.zeros(3, 68, 2), speaker, "video", torch.arange(3)))
    assert metric.scores(None)["model"]["fid"] == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="speaker a must come together"):
        metric.update(AnsweredBatch(image, {"model": image}, torch.zeros(3, 68, 2), "a", "video", torch.arange(3)))


@pytest.mark.parametrize(("count", "kinds"), [(1, "b"), (2, "bw"), (3, "bmw"), (5, "bmw"), (20, "bbmmww")])
def test_extremes_are_the_ends_and_the_middle(count: int, kinds: str) -> None:
    frames = [FrameScore(None, float((7 * i) % count)) for i in range(count)]  # type: ignore[arg-type]
    found = extremes(frames, 2)
    assert "".join(kind[0] for kind, _ in found) == kinds
    values = [frame.l1 for _, frame in found]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-1] == max(frame.l1 for frame in frames)


def test_networks_are_compared_in_one_table(tiny_dataset: Path, tmp_path: Path) -> None:
    checkpoints = []
    for name, settings in (("five", {}), ("one", {"bank_size": 1}), ("large", {"image_size": 48})):
        torch.manual_seed(0)
        config = TrainConfig(steps=1, model=ModelConfig(**{"image_size": 32, "base_channels": 4, **settings}))
        state = Generator(config.model).state_dict()
        payload = {"step": 3, "config": to_dict(config), "generator": state, "dataset_digest": "d"}
        checkpoints.append(str(save_checkpoint(tmp_path / name, payload, keep=1)))
    arguments = ["--shards", str(tiny_dataset), "--device", "cpu", "--workers", "0", "--stride", "3"]
    assert main([*arguments, "--checkpoint", checkpoints[0], "--compare", *checkpoints]) == 0
    folder = tmp_path / "five" / "evaluation"
    table = (folder / "test.md").read_text()
    cells = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if line[:1] == "|"]
    rows = [row[1] for row in cells]
    assert rows[2:6] == ["five", "five step 3", "one", "large"]
    assert rows[6:10] == [f"copied by {name}" for _ in (32, 48) for name in ("openness", "landmarks")]
    assert [row[2] for row in cells[2:10]] == ["32x32"] * 3 + ["48x48"] + ["32x32"] * 2 + ["48x48"] * 2
    assert "Motion error and flicker are left out: there are no consecutive frames with --stride 3" in table
    compared = json.loads((folder / "test.json").read_text())["compared"]
    alone = evaluate(load_trained(Path(checkpoints[1]), CPU).generator, open_dataset(tiny_dataset), stride=3)
    assert compared["one"]["overall"]["scores"]["model"]["l1"] == pytest.approx(alone.l1)


def test_weights_that_are_demanded_must_be_there(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    config = TrainConfig(steps=1, model=ModelConfig(image_size=32, base_channels=4))
    payload = {"step": 1, "config": to_dict(config), "generator": {}, "dataset_digest": "d"}
    broken = str(save_checkpoint(tmp_path / "broken", payload, keep=1))
    payload["generator"] = Generator(config.model).state_dict()
    sound = str(save_checkpoint(tmp_path / "run", payload, keep=1))
    (tmp_path / "inception.pt").write_bytes(b"broken")
    for flags, says in (
        (["--checkpoint", sound, "--inception-weights", str(tmp_path / "inception.pt")], "must have the sha256"),
        (["--checkpoint", sound, "--lpips", "--lpips-weights", str(tmp_path / "none.pth")], "weights not found"),
        (["--checkpoint", broken], "the weights do not fit the checkpoint's own settings"),
    ):
        assert main(["--shards", str(tiny_dataset), "--device", "cpu", *flags]) == 1
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
