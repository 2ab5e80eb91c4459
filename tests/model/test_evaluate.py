"""L1 beside the trivial answer: against a plain loop, and the command end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.baseline import copied_bank_image, nearest_openness
from model.config import ModelConfig
from model.evaluate import evaluate_l1, main, markdown_table
from model.examples import example_groups
from model.generator import Generator
from model.metrics import region_mask
from model.train import main as train_main
from pipeline.errors import DatasetError
from pipeline.shards import ShardReader, open_dataset

CPU = torch.device("cpu")


def small_generator(**settings: int) -> Generator:
    torch.manual_seed(0)
    return Generator(ModelConfig(image_size=32, base_channels=4, **settings))


def test_the_nearest_mouth_is_chosen_and_the_more_closed_of_two() -> None:
    bank = torch.tensor([[0.0, 2.0, 4.0, 8.0, 16.0]]).expand(4, 5)
    target = torch.tensor([3.0, 100.0, -1.0, 7.0])
    assert nearest_openness(target, bank).tolist() == [1, 4, 0, 3]
    images = torch.arange(20.0).view(4, 5, 1, 1, 1).expand(4, 5, 3, 2, 2)
    assert copied_bank_image(images, target, bank)[:, 0, 0, 0].tolist() == [1.0, 9.0, 10.0, 18.0]


def test_a_region_is_its_landmarks_box_with_a_margin() -> None:
    points = torch.tensor([[[10.0, 20.0], [18.0, 24.0]], [[-50.0, -50.0], [-40.0, -40.0]]])
    mask = region_mask(points, 32)
    assert mask[0].sum() == 13 * 9  # 8 + 2 * 2 and 4 + 2 * 2, both ends included
    assert mask[0, 18:27, 8:21].min() == 1
    assert mask[1].sum() == 1, "never empty"


def test_the_trivial_answer_is_what_a_loop_finds(tiny_dataset: Path) -> None:
    """At full size for one speaker of two videos: frames, banks and choice by hand."""
    dataset = open_dataset(tiny_dataset)
    torch.manual_seed(0)
    generator = Generator(ModelConfig(image_size=224, base_channels=1))
    measured = evaluate_l1(generator, dataset, CPU, stride=3, batch_size=2)
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
    measured = evaluate_l1(small_generator(), open_dataset(tiny_dataset), CPU)
    assert measured.split == "test"
    assert {name: row.frames for name, row in measured.speakers.items()} == {"08F": 14, "09F": 2}
    for figure in ("l1", "mouth_l1", "eyes_l1"):
        total = sum(row.frames * row.scores["model"][figure] for row in measured.speakers.values())
        assert measured.overall.scores["model"][figure] == pytest.approx(total / 16)


def test_batch_size_and_workers_change_nothing_and_the_generator_stays(tiny_dataset: Path) -> None:
    generator = small_generator()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    one = evaluate_l1(generator, open_dataset(tiny_dataset), CPU, batch_size=1)
    many = evaluate_l1(generator, open_dataset(tiny_dataset), CPU, batch_size=5, workers=1)
    assert one.l1 == pytest.approx(many.l1, rel=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    assert generator.training


def test_every_ablation_is_compared_with_the_same_trivial_answer(tiny_dataset: Path) -> None:
    dataset = open_dataset(tiny_dataset)
    trivial = {evaluate_l1(small_generator(bank_size=n), dataset, CPU, stride=2).trivial_l1 for n in (1, 3, 5)}
    assert len(trivial) == 1


def test_the_warp_margin_can_be_another(tiny_dataset: Path) -> None:
    dataset = open_dataset(tiny_dataset)
    usual, same, wide = (
        evaluate_l1(small_generator(), dataset, CPU, stride=4, warp_margin_px=px).l1 for px in (None, 40.0, 80.0)
    )
    assert usual == same
    assert usual != wide


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
    assert results["overall"]["scores"].keys() == {"model", "trivial"}
    table = (run / "evaluation" / "test.md").read_text()
    assert table in capsys.readouterr().out
    assert [line.split("|")[1].strip() for line in table.splitlines()] == ["speaker", "---", "08F", "09F", "all"]
    with Image.open(run / "evaluation" / "test.png") as grid:
        assert grid.height > 3 * 112
    assert main([*arguments, "--checkpoint", str(tmp_path / "none.pt")]) == 1
    assert "none.pt: no such checkpoint" in capsys.readouterr().err


def test_a_dataset_without_test_videos_says_so(make_dataset: object, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "out", train={"01M": 2}, test={}, frames=6)  # type: ignore[operator]
    with pytest.raises(DatasetError, match="neither a test nor a val split"):
        evaluate_l1(small_generator(), open_dataset(root), CPU)


def test_the_table_shows_both_answers(tiny_dataset: Path) -> None:
    table = markdown_table(evaluate_l1(small_generator(), open_dataset(tiny_dataset), CPU, stride=4))
    assert "| L1 FLNet | L1 copied | mouth L1 FLNet |" in table
