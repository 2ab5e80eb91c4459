"""One folder, one setup; and what datasets an experiment can be made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.experiments.plan import varied_row
from model.experiments.setup import Corpus, Setup, check_variations, claim, load_setup, open_corpora
from pipeline.errors import DatasetError, InputError
from pipeline.shards import open_dataset

TIMIT = Corpus("out/timit", "1" * 64, "timit", "test", {"test": {"speakers": 1, "videos": 2, "frames": 3}})
SETUP = Setup(50, 64, 8, 4, ("--augment",), {"flnet": ("--perceptual-weight", "0")}, 2, (), {"timit": TIMIT})


def test_a_folder_keeps_its_setup(tmp_path: Path) -> None:
    assert claim(tmp_path, SETUP) == SETUP
    assert load_setup(tmp_path) == SETUP
    assert claim(tmp_path, SETUP) == SETUP


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 51}, "the runs here have steps 50, not 51; give another --out"),
        ({"train_flags": ()}, r"train_flags \['--augment'\], not \[\]"),
        ({"network_flags": {}}, "network_flags"),
        ({"stride": 1}, "stride 2, not 1"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    claim(tmp_path, SETUP)
    with pytest.raises(InputError, match=message):
        claim(tmp_path, replace(SETUP, **change))


def test_datasets_can_come_later_but_not_change(tmp_path: Path) -> None:
    claim(tmp_path, SETUP)
    other = Corpus("out/ff", "2" * 64, "faceforensics", "test")
    both = claim(tmp_path, replace(SETUP, corpora={"ff": other}))
    assert both.corpora == {"timit": TIMIT, "ff": other} == load_setup(tmp_path).corpora
    moved = replace(TIMIT, shards="elsewhere")
    assert claim(tmp_path, replace(SETUP, corpora={"timit": moved})).corpora["timit"] == moved
    with pytest.raises(InputError, match=r"timit was another dataset \(111111111111…, now 333333333333…\)"):
        claim(tmp_path, replace(SETUP, corpora={"timit": replace(TIMIT, digest="3" * 64)}))


def test_variations_can_come_later_but_not_change(tmp_path: Path) -> None:
    claim(tmp_path, SETUP)
    guided = check_variations({"guided": "--guide landmarks"})
    assert claim(tmp_path, replace(SETUP, variations=guided)).variations == guided
    known = claim(tmp_path, replace(SETUP, variations=check_variations({"pytorch": "--initialisation pytorch"})))
    assert list(known.variations) == ["guided", "pytorch"]
    assert known.rows["flnet-guided"] == varied_row("guided")
    training = load_setup(tmp_path).trainings["flnet-published-guided"]
    assert known.train_command("timit", training, 3, tmp_path)[-2:] == ["--guide", "landmarks"]
    with pytest.raises(InputError, match="the variation guided was '--guide landmarks', not '--guide none'"):
        claim(tmp_path, replace(SETUP, variations=check_variations({"guided": "--guide none"})))


@pytest.mark.parametrize("name", ["bank-1", "Guided", "../guided", "a b", ""])
def test_a_variation_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(InputError, match=r"must be small letters, digits and hyphens, and none of bank-1, bank-3"):
        check_variations({name: "--guide landmarks"})


def test_datasets_by_name(tiny_dataset: Path) -> None:
    found = open_corpora(f"timit={tiny_dataset}, again={tiny_dataset}")
    assert list(found) == ["timit", "again"]
    assert (found["timit"].digest, found["timit"].split) == (open_dataset(tiny_dataset).digest, "test")


def test_what_is_wrong_with_datasets_is_said(tiny_dataset: Path, make_dataset: Any, tmp_path: Path) -> None:
    alone = make_dataset(tmp_path / "alone", train={"01M": 2}, test={})
    for words, message in (
        ("", "name the datasets with --datasets"),
        (str(tiny_dataset), "must be NAME=FOLDER"),
        (f"a b={tiny_dataset}", "each name a word and once; got 'a b="),
        (f"x={tiny_dataset},x={tiny_dataset}", "each name a word and once; got 'x="),
    ):
        with pytest.raises(InputError, match=message):
            open_corpora(words)
    with pytest.raises(DatasetError, match="has train alone, and a comparison needs people to train on and others"):
        open_corpora(f"timit={alone}")
    with pytest.raises(DatasetError, match="no finished dataset here"):
        open_corpora(f"timit={tmp_path / 'none'}")
