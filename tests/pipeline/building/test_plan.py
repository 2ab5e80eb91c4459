"""Plans: chunks whose borders and names depend on the list and the settings, on nothing else."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.building.plan import MAX_CHUNK, load_plan, make_plan, save_plan
from pipeline.corpora import Source
from pipeline.errors import BuildError, DatasetError, InputError
from pipeline.settings import Settings, recorded_settings


def corpus(speakers: int, each: int) -> list[Source]:
    return [
        Source(f"{s:04}/{n:03}.mp4", f"{s:04}", "test" if s % 4 == 0 else "train")
        for s in range(speakers)
        for n in range(each)
    ]


@pytest.mark.parametrize(("speakers", "each"), [(1, 1), (4, 3), (59, 98), (1000, 1), (3, 377)])
def test_chunks_hold_everything_once_in_one_split(speakers: int, each: int) -> None:
    sources = corpus(speakers, each)
    plan = make_plan("folder", sources, Settings())
    assert plan.videos == sorted(sources, key=lambda s: s.id)
    assert all(1 <= len(chunk.videos) <= MAX_CHUNK for chunk in plan.chunks)
    assert all({video.split for video in chunk.videos} == {chunk.split} for chunk in plan.chunks)
    assert len({chunk.name for chunk in plan.chunks}) == len(plan.chunks)


def test_a_few_hundred_tasks_for_the_whole_of_tcd_timit() -> None:
    plan = make_plan("timit", corpus(59, 98), Settings())
    assert len(plan.chunks) == 2 * 59
    assert all(len({video.speaker for video in chunk.videos}) == 1 for chunk in plan.chunks)


def test_order_of_the_list_does_not_matter() -> None:
    sources = corpus(7, 5)
    shuffled = random.Random(0).sample(sources, len(sources))
    assert make_plan("folder", shuffled, Settings()) == make_plan("folder", sources, Settings())


def test_names_follow_content_and_settings() -> None:
    sources = corpus(4, 4)
    plan = make_plan("folder", sources, Settings())
    names = {chunk.name for chunk in plan.chunks}
    other = {chunk.name for chunk in make_plan("folder", sources, Settings(face_fraction=0.5)).chunks}
    assert not names & other
    renamed = [replace(source, speaker="x") if source.speaker == "0001" else source for source in sources]
    assert names & {chunk.name for chunk in make_plan("folder", renamed, Settings()).chunks} < names


def test_plans_survive_the_disk(tmp_path: Path) -> None:
    plan = make_plan("timit", corpus(3, 2), Settings(centre="eyes"))
    path = tmp_path / f"{plan.digest}.json"
    save_plan(path, plan)
    assert load_plan(path) == plan
    with pytest.raises(BuildError, match="not the plan of its name"):
        load_plan(path.rename(tmp_path / "p.json"))
    (tmp_path / "p.json").write_text("{")
    with pytest.raises(BuildError, match=r"p\.json: cannot be read"):
        load_plan(tmp_path / "p.json")


def test_settings_that_differ_have_other_digests() -> None:
    base = Settings()
    assert base.digest != replace(base, storage="raw").digest
    assert base.track_digest == replace(base, storage="raw", face_fraction=0.5).track_digest
    by_device = replace(base, hwaccel="cuda")
    assert base.digest != by_device.digest
    assert base.track_digest != by_device.track_digest
    assert Settings.from_dict(base.to_dict()) == base


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"centre": "ear"}, "--crop-centre must be one of nose, eyes, got 'ear'"),
        ({"face_fraction": 0.0}, "--face-fraction must be in"),
        ({"max_padding": 2.0}, "--max-padding must be in"),
        ({"storage": "zip"}, "--storage must be one of"),
        ({"scenes": "both"}, "--scenes must be one of main, keep, got 'both'"),
        ({"after_damage": "mend"}, "--after-damage must be one of keep, drop"),
        ({"hwaccel": "abacus"}, "--hwaccel must be one of cuda, .*, got 'abacus'"),
        ({"min_seconds": -1.0}, "--min-seconds must be in"),
        ({"bank_size": 3}, "--bank-size must be 5, got 3: .*model.train --ablation bank=3"),
    ],
)
def test_bad_settings(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**change)


@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), True])
def test_a_recorded_setting_that_is_no_number(value: object) -> None:
    with pytest.raises(DatasetError, match=r"dataset\.json: its settings cannot be used \(k_floor must be float"):
        recorded_settings({"k_floor": value}, Path("dataset.json"))


def test_a_plan_that_could_not_be_read_back_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.files.MOST_JSON_BYTES", 500)
    with pytest.raises(InputError, match=r"12 videos are too many for one dataset.* join them by flnet merge"):
        save_plan(tmp_path / "plan.json", make_plan("folder", corpus(4, 3), Settings()))
    assert list(tmp_path.iterdir()) == []
