"""Beginning a build, without Luigi: what is locked, listed, kept and refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import locks
from pipeline.building.begin import Order, begin
from pipeline.corpora import Source
from pipeline.errors import InputError
from pipeline.layout import inventory_file, plan_file
from pipeline.settings import Settings


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Order]:
    """Two clips of two people, which are there; locks are let go at the end."""
    held: dict[Path, int] = {}
    monkeypatch.setattr(locks, "held", held)
    root = tmp_path / "corpus"
    root.mkdir()
    sources = [Source("a.mp4", "anna", "train"), Source("b.mp4", "bob", "test")]
    for source in sources:
        (root / source.path).write_bytes(b"a video")
    yield Order(
        out=tmp_path / "out",
        root=root,
        corpus="folder",
        settings=Settings(),
        listing="0" * 12,
        sources=lambda: sources,
        exclude=None,
        bank_from="own",
        rescan=False,
        retry_failed=False,
        alone=True,
    )
    for file in held.values():
        os.close(file)


def test_the_first_list_stands_until_a_new_one_is_asked_for(order: Order) -> None:
    first = begin(order)
    assert [source.id for source in first.inventory] == ["a.mp4", "b.mp4"]
    assert inventory_file(order.out, order.listing).is_file()
    assert plan_file(order.out, first.plan.digest).is_file()
    fewer = replace(order, sources=lambda: [Source("a.mp4", "anna", "train")])
    assert begin(fewer).plan == first.plan
    assert [source.id for source in begin(replace(fewer, rescan=True)).inventory] == ["a.mp4"]


def test_what_is_excluded_is_in_no_plan(order: Order, tmp_path: Path) -> None:
    names = tmp_path / "exclude.txt"
    names.write_text("b.mp4\n", encoding="utf-8")
    assert [video.id for video in begin(replace(order, exclude=names)).plan.videos] == ["a.mp4"]


def test_another_build_is_kept_out(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.building.upkeep.PATIENCE_SECONDS", 0.0)
    begin(order)
    monkeypatch.setattr(locks, "held", {})  # as in another process
    with pytest.raises(InputError, match="another build is at work here"):
        begin(order)


def test_leftovers_are_cleared_away_by_who_is_alone(order: Order, capsys: pytest.CaptureFixture[str]) -> None:
    left = order.out / "work" / f".x.{'0' * 12}.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    begin(replace(order, alone=False))
    assert left.is_file()
    begin(order)
    assert not left.exists()
    assert "removed 1 leftovers of earlier builds" in capsys.readouterr().out


def test_a_list_of_another_corpus_is_refused(order: Order, tmp_path: Path) -> None:
    begin(order)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(InputError, match="holds none of the videos"):
        begin(replace(order, root=other))
