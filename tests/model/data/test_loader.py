"""Batches: the paper's protocol, determinism, and what the device makes of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from model.config import Size
from model.data.batch import Batch
from model.data.loader import BatchDataset, LoaderError, batches, load_batch
from model.data.sampler import BatchPlanner, Group, fixed_groups, slice_groups
from model.data.to_device import prepare_batch, resize_area, resize_landmarks
from pipeline.errors import DatasetError, InputError
from pipeline.shards import FRAME_SIZE, ShardPool, ShardReader, Video, open_dataset

CPU = torch.device("cpu")
FULL = Size(224, 224)


def video(name: str, speaker: str = "01M", frames: int = 12, bank: tuple[int, ...] = (3, 5, 7, 9, 11)) -> Video:
    return Video(name, speaker, "train", Path("none.h5"), 0, frames, 25.0, bank)


def planner(videos: list[Video], bank_from: str = "other", **changes: int) -> BatchPlanner:
    settings = {"batch_size": 16, "frames_per_video": 4, "bank_size": 5, "seed": 0, **changes}
    return BatchPlanner(videos, bank_from, **settings)


def same(first: Batch, second: Batch) -> bool:
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(first, second, strict=True))


def test_a_batch_is_four_videos_of_four_frames_in_all() -> None:
    groups = planner([video(f"{i}.mp4", f"s{i // 3}") for i in range(12)]).plan(5)
    assert len({group.video.id for group in groups}) == 4
    assert [len(set(group.target_rows)) for group in groups] == [4, 4, 4, 4]


def test_timit_banks_come_from_another_video_of_the_speaker() -> None:
    videos = [video(f"{i}.mp4", f"s{i // 3}") for i in range(12)]
    groups = [group for index in range(30) for group in planner(videos).plan(index)]
    assert all(g.bank_video.id != g.video.id and g.bank_video.speaker == g.video.speaker for g in groups)
    assert {(g.video.id, g.bank_video.id) for g in groups if g.video.speaker == "s0"} == {
        (f"{a}.mp4", f"{b}.mp4") for a in range(3) for b in range(3) if a != b
    }


@pytest.mark.parametrize(("bank_from", "speaker"), [("own", "s{}"), ("own", "s0"), ("other", "s{}")])
def test_a_bank_of_the_same_video_holds_no_target(bank_from: str, speaker: str) -> None:
    videos = [video(f"{i}.mp4", speaker.format(i)) for i in range(6)]
    groups = [group for index in range(30) for group in planner(videos, bank_from).plan(index)]
    assert all(g.bank_video == g.video and not set(g.bank_rows) & set(g.target_rows) for g in groups)
    assert {row for g in groups for row in g.target_rows} == set(range(12)) - {3, 5, 7, 9, 11}


def test_every_video_is_visited_once_before_any_is_again() -> None:
    plans = planner([video(f"{i}.mp4") for i in range(8)])
    order = [group.video.id for index in range(4) for group in plans.plan(index)]
    assert len(set(order[:8])) == len(set(order[8:])) == 8
    assert order[:8] != order[8:]


def test_a_batch_depends_on_seed_and_number_only() -> None:
    videos = [video(f"{i}.mp4") for i in range(8)]
    straight = [planner(videos).plan(index) for index in range(6)]
    plans = planner(videos)
    assert [plans.plan(index) for index in (5, 0, 3)] == [straight[index] for index in (5, 0, 3)]
    assert planner(videos, seed=1).plan(0) != straight[0]


@pytest.mark.parametrize("world_size", [2, 4, 8])
def test_the_processes_parts_make_up_the_batch(world_size: int) -> None:
    videos = [video(f"{i}.mp4") for i in range(8)]
    whole = [(g.video.id, row, g.bank_video.id) for g in planner(videos).plan(3) for row in g.target_rows]
    parts = [planner(videos, rank=rank, world_size=world_size).plan(3) for rank in range(world_size)]
    joined = [(g.video.id, row, g.bank_video.id) for part in parts for g in part for row in g.target_rows]
    assert joined == whole


@pytest.mark.parametrize(("bank_size", "expected"), [(1, (3,)), (3, (3, 5, 7)), (5, (3, 5, 7, 9, 11))])
def test_smaller_banks_are_the_first_of_the_five(bank_size: int, expected: tuple[int, ...]) -> None:
    (group, *_) = planner([video("0.mp4"), video("1.mp4")], bank_size=bank_size).plan(0)
    assert group.bank_rows == expected


def test_a_bank_is_of_none_of_the_batchs_target_videos() -> None:
    """The paper, TCD-TIMIT; a person of few videos keeps at least the target's own out."""
    many = [video(f"many{i}.mp4", "s1") for i in range(9)]
    plans = planner(many, batch_size=16)
    for index in range(40):
        groups = plans.plan(index)
        assert not {g.bank_video.id for g in groups} & {g.video.id for g in groups}
    assert plans.crowded_speakers == 0
    few = planner([video(f"few{i}.mp4", "s2") for i in range(3)], batch_size=12)
    assert few.crowded_speakers == 1
    assert all(g.bank_video.id != g.video.id for index in range(10) for g in few.plan(index))


def test_a_short_video_repeats_frames_and_one_without_any_is_left_out() -> None:
    short = video("short.mp4", "s1", frames=6, bank=(0, 1, 2, 3, 4))
    empty = video("empty.mp4", "s2", frames=5, bank=(0, 1, 2, 3, 4))
    groups = planner([short, empty], batch_size=8).plan(0)
    assert [(g.video.id, g.target_rows) for g in groups] == [("short.mp4", (5, 5, 5, 5))] * 2
    with pytest.raises(DatasetError, match="no video of 1 has a frame"):
        planner([empty])


@pytest.mark.parametrize(("changes", "message"), [
    ({"seed": -1}, "seed"), ({"batch_size": 6}, "batch size"), ({"world_size": 3}, "3 processes"),
    ({"bank_size": 2}, "bank size"),
])  # fmt: skip
def test_settings_out_of_range_are_named(changes: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        planner([video("0.mp4")], **changes)


def test_evaluation_takes_the_next_video_of_the_speaker_as_bank() -> None:
    videos = [video(f"{i}.mp4", "s0") for i in range(3)] + [video("alone.mp4", "s1")]
    groups = fixed_groups(videos, "other", stride=5)
    assert [g.bank_video.id for g in groups] == ["1.mp4", "2.mp4", "0.mp4", "alone.mp4"]
    assert [g.target_rows for g in groups] == [(0, 5, 10)] * 3 + [(0, 8)]


def test_slices_cut_groups_where_they_must() -> None:
    one = video("0.mp4")
    groups = [Group(one, (0, 1, 2), one, one.bank), Group(one, (4, 6), one, one.bank)]
    assert [g.target_rows for g in slice_groups(groups, 1, 4)] == [(1, 2), (4,)]


def test_a_batch_holds_what_the_shards_hold(tiny_dataset: Path) -> None:
    videos = open_dataset(tiny_dataset).videos("train")
    groups = planner(videos, batch_size=8).plan(0)
    batch = load_batch(groups, ShardPool())
    assert batch.targets.shape == (8, FRAME_SIZE, FRAME_SIZE, 3)
    assert batch.targets.dtype == batch.banks.dtype == batch.k_codes.dtype == torch.uint8
    assert batch.banks.shape == (2, 5, FRAME_SIZE, FRAME_SIZE, 3)
    assert batch.group.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    last = groups[1]
    with ShardReader(last.video.shard) as reader:
        assert np.array_equal(batch.targets[7], reader.frames(last.target_rows)[3])
        assert np.array_equal(batch.target_landmarks[7], reader.landmarks(last.target_rows)[3])
    with ShardReader(last.bank_video.shard) as reader:
        assert np.array_equal(batch.banks[1], reader.frames(last.bank_rows))
        assert np.array_equal(batch.bank_openness[1], reader.mouth_openness(last.bank_rows))
    assert bool((batch.bank_openness.diff(dim=1) > 0).all()), "banks run from closed to open"


def test_worker_processes_change_nothing(tiny_dataset: Path) -> None:
    plans = planner(open_dataset(tiny_dataset).videos("train"), batch_size=4)
    alone = list(batches(BatchDataset(plans.plan), 0, 5, workers=0))
    helped = list(batches(BatchDataset(plans.plan), 2, 5, workers=2))
    assert all(same(a, b) for a, b in zip(alone[2:], helped, strict=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_shard_is_one_line_with_its_name(
    make_dataset: Callable[..., Path], tmp_path: Path, workers: int
) -> None:
    root = make_dataset(tmp_path / "out", train={"01M": 2}, test={}, frames=6)
    plans = planner(open_dataset(root).videos("train"), batch_size=4)
    shard = root / "shards" / "train" / "01M.h5"
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(DatasetError, match=r"01M\.h5") as caught:
        list(batches(BatchDataset(plans.plan), 0, 1, workers=workers))
    assert "Traceback" not in str(caught.value)


def test_a_dead_worker_is_one_line(tiny_dataset: Path) -> None:
    plans = planner(open_dataset(tiny_dataset).videos("train"), batch_size=4)
    loaded = batches(BatchDataset(Dying(plans)), 0, 2, workers=1)
    with pytest.raises(LoaderError, match="a loader process died"):
        list(loaded)


class Dying:
    """A plan that ends its process at batch 1."""

    def __init__(self, plans: BatchPlanner) -> None:
        self.plans = plans

    def __call__(self, index: int) -> list[Group]:
        if index:
            os._exit(3)
        return self.plans.plan(index)


def test_the_pool_keeps_few_shards_open(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = sorted((tiny_dataset / "shards").rglob("*.h5"))
    pool = ShardPool(limit=2)
    closed: list[Path] = []
    monkeypatch.setattr(ShardReader, "close", lambda reader: closed.append(reader.path))
    readers = [pool.reader(shard) for shard in shards]
    assert closed == shards[:-2]
    assert pool.reader(shards[-1]) is readers[-1]
    assert pool.reader(shards[0]) is readers[0]  # which knows that its shard is sound
    assert closed == shards[:-1]
    pool.close()
    assert sorted(closed[-2:]) == [shards[0], shards[-1]]


def test_prepared_batches_are_normalised_and_complete(tiny_dataset: Path) -> None:
    groups = planner(open_dataset(tiny_dataset).videos("train"), batch_size=4).plan(0)
    batch = load_batch(groups, ShardPool())
    prepared = prepare_batch(batch, CPU, FULL)
    assert prepared.bank.shape == (4, 5, 3, 224, 224)
    assert prepared.field.shape == (4, 5, 2, 224, 224)
    assert prepared.weight_map.shape == (4, 1, 224, 224)
    assert torch.equal(prepared.target[1], batch.targets[1].permute(2, 0, 1) / 127.5 - 1)
    assert torch.equal(prepared.weight_map[2, 0], batch.k_levels[batch.k_codes[2].long()])
    assert torch.equal(prepared.bank[0], prepared.bank[3]), "targets of one video share its bank"


def test_resizing_moves_pictures_and_landmarks_alike() -> None:
    """A blob's centre of mass and a landmark on it stay together, at ratios that are not whole too."""
    y, x = torch.meshgrid(torch.arange(224.0), torch.arange(224.0), indexing="ij")
    centre = torch.tensor([90.3, 131.8])
    blob = torch.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 200)
    for size in (Size(32, 32), Size(64, 64), Size(96, 112), Size(112, 96)):
        small = resize_area(blob[None, None], size)[0, 0]
        assert small.shape == size
        along_x, along_y = torch.arange(float(size.width)), torch.arange(float(size.height))
        mass = torch.stack(((small.sum(0) * along_x).sum(), (small.sum(1) * along_y).sum())) / small.sum()
        assert torch.allclose(mass, resize_landmarks(centre, FULL, size), atol=2e-3)


def test_area_resizing_is_the_mean_of_the_area() -> None:
    images = torch.rand(2, 3, 224, 224)
    assert torch.allclose(resize_area(images, Size(112, 112)), torch.nn.functional.avg_pool2d(images, 2), atol=1e-6)
    assert torch.allclose(resize_area(images, Size(96, 64)).mean(), images.mean(), atol=1e-5)
    assert resize_area(images, FULL) is images


def test_a_smaller_image_has_the_same_field_values(tiny_dataset: Path) -> None:
    """Offsets are in pixels of a 224-pixel image, whatever the size of this one."""
    groups = planner(open_dataset(tiny_dataset).videos("train"), batch_size=4).plan(0)
    batch = load_batch(groups, ShardPool())
    full, half = (prepare_batch(batch, CPU, Size(side, side)) for side in (224, 112))
    assert half.field.shape[-1] == half.target.shape[-1] == 112
    assert torch.allclose(full.field.abs().amax(), half.field.abs().amax(), atol=1e-5)
