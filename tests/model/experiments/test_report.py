"""The tables: rows in order beside what the paper printed, several seeds, divergence, and who beats whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model.experiments.plan import TABLE1, TABLE1_CLAIMS
from model.experiments.report import write_tables
from model.experiments.runs import Measured
from model.experiments.setup import Corpus, Setup

SETUP = Setup(
    50, 64, 8, 4, corpora={
        "timit": Corpus("a", "d", "timit", "test", {"test": {"speakers": 1, "videos": 2, "frames": 3}}),
        "mine": Corpus("b", "d", "folder", "val"),
    },
)  # fmt: skip
COPIED = {"trivial": {"l1": 11.5, "mouth_l1": 20.0}, "landmarks": {"l1": 9.25, "mouth_l1": 19.0}}


def result(l1: float, *, sees: bool = False, fid: float | None = None) -> dict[str, Any]:
    """What `model.evaluate` leaves, as far as the tables read it."""
    model = {"l1": l1, "mouth_l1": 2 * l1, "face_l1": l1, "eyes_l1": l1} | ({} if fid is None else {"fid": fid})
    copied = {name: {**scores, "face_l1": 1.0, "eyes_l1": 1.0} for name, scores in COPIED.items()}
    scores = {"model": model, **copied}
    speakers = {
        "grid_1": {"frames": 1, "scores": {"model": {**model, "l1": l1 + 3}, **copied}},
        "other": {"frames": 3, "scores": {"model": {**model, "l1": l1 - 1}, **copied}},
    }
    return {
        "overall": {"frames": 4, "scores": scores}, "speakers": speakers, "sees_target": sees, "sources": 5,
        "parameters": 8_534_035, "gflop_per_image": 71.4, "batches_seen": 300, "hours": 0.5, "left_out": ["no FID"],
    }  # fmt: skip


def write(folder: Path, results: dict[str, Any], diverged: dict[str, str] | None = None, **groups: str) -> list[str]:
    measured = Measured(results, diverged or {})
    corpora = ["timit", "mine"] if "mine" in results else ["timit"]
    request = {"request": {"corpora": corpora, "rows": [], "seeds": []}, "diverged": dict(measured.diverged)}
    text = write_tables(folder / "table1", TABLE1, measured, SETUP, TABLE1_CLAIMS, groups, request)
    assert (folder / "table1.md").read_text() == text
    return text.splitlines()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_rows_stand_in_order_under_what_the_paper_printed(tmp_path: Path) -> None:
    by_row = {"ganimation": 12.0, "ganimation-nearest": 10.0, "x2face": 9.0, "flnet": 8.0}
    results = {"timit": {key: {0: result(l1, fid=30.0)} for key, l1 in by_row.items()}}
    results["mine"] = {"flnet": {0: result(7.0)}}
    lines = write(tmp_path, results)
    table = [cells(line) for line in lines[: lines.index("")]]
    assert table[0] == ["method", "timit L1 ↓", "timit FID ↓", "mine L1 ↓", "mine FID ↓"]
    assert table[2:] == [
        ["a bank image copied, by openness", "11.50", "", "11.50", ""],
        ["a bank image copied, by landmarks", "9.25", "", "9.25", ""],
        ["*GANimation, printed in the paper*", "10.86", "59.65", "", ""],
        ["GANimation + landmarks, bank image 1", "12.00", "30.00", "", ""],
        ["… nearest of the 5 (same weights)", "10.00", "30.00", "", ""],
        ["… strong: L1 to the target, field of offsets, nearest of the 5", "", "", "", ""],
        ["FLNet, bank of 1", "", "", "", ""],
        ["*X2Face, printed in the paper*", "8.31", "30.50", "", ""],
        ["X2Face, 5 sources", "9.00", "30.00", "", ""],
        ["… strong: 5 weighted in training, identity start, Adam", "", "", "", ""],
        ["*Ours, printed in the paper*", "7.99", "17.07", "", ""],
        ["FLNet", "8.00", "30.00", "7.00", ""],
    ]
    text = "\n".join(lines)
    assert "timit: L1 in the paper's order, FLNet < X2Face < GANimation: in 1 of 1 seeds" in text
    assert "timit: L1 below that of FLNet (8.00): none" in text
    assert "timit: test 1 speakers, 2 videos, 3 frames; measured on test" in text
    assert "timit: the paper's figures are of its own crops" in text
    assert "mine: the paper's figures" not in text
    assert "- no FID" in text
    stored = json.loads((tmp_path / "table1.json").read_text())
    assert stored["results"]["timit"]["flnet"]["0"]["overall"]["scores"]["model"]["l1"] == 8.0
    assert stored["printed"]["timit"]["Ours"] == [7.99, 17.07]


def test_details_say_who_sees_the_target_and_what_it_costs(tmp_path: Path) -> None:
    lines = write(tmp_path, {"timit": {"x2face": {0: result(9.0, sees=True)}, "flnet": {0: result(8.0)}}})
    (header,) = (line for line in lines if "sees the target" in line)
    rows = {cells(line)[0]: dict(zip(cells(header), cells(line), strict=True)) for line in lines if line.count("|") > 8}
    assert rows["X2Face, 5 sources"]["sees the target"] == "yes"
    ours = rows["FLNet"]
    assert (ours["sees the target"], ours["sources"], ours["parameters"]) == ("no", "5", "8.53 M")
    assert (ours["GFLOP an image"], ours["batches seen"], ours["hours"]) == ("71.4", "300", "0.50")
    assert ours["mouth L1 ↓"] == "16.00"
    assert rows["a bank image copied, by openness"]["sees the target"] == "no"


def test_who_beats_flnet_is_printed(tmp_path: Path) -> None:
    lines = write(tmp_path, {"timit": {"x2face": {0: result(7.5)}, "flnet": {0: result(10.0)}}})
    told = "timit: L1 below that of FLNet (10.00): a bank image copied, by landmarks (9.25), X2Face (7.50)"
    assert f"- {told}" in lines


def test_rows_that_do_worse_than_copying_are_named(tmp_path: Path) -> None:
    """The better copy is 9.25 off."""
    by_row = {"ganimation": 12.0, "x2face": 9.3, "flnet": 9.0}
    told = "timit: L1 above that of the better copy (9.25), so that an order among them says nothing yet: "
    lines = write(tmp_path, {"timit": {key: {0: result(l1)} for key, l1 in by_row.items()}})
    assert f"- {told}GANimation, X2Face" in lines
    assert told not in "\n".join(write(tmp_path, {"timit": {"flnet": {0: result(9.0)}}}))


def test_several_seeds_are_a_mean_and_a_spread(tmp_path: Path) -> None:
    results = {
        "timit": {
            "flnet": {0: result(8.0), 1: result(9.0)}, "x2face": {0: result(8.5), 1: result(8.5)},
            "ganimation": {0: result(9.5), 1: result(9.5)},
        }
    }  # fmt: skip
    lines = write(tmp_path, results)
    assert "| FLNet | 8.50 ± 0.71 |  |" in lines
    assert "- timit: L1 in the paper's order, FLNet < X2Face < GANimation: in 1 of 2 seeds" in lines


def test_what_diverged_says_so_in_its_row(tmp_path: Path) -> None:
    said = {"timit/x2face-0": "step 3: total is nan", "timit/flnet-1": "step 5: total is inf"}
    lines = write(tmp_path, {"timit": {"flnet": {0: result(8.0)}}}, said)
    assert "| X2Face, 5 sources | diverged | diverged |" in lines
    assert "| FLNet | 8.00 (1 diverged) | diverged |" in lines
    assert "- timit/x2face-0 diverged: step 3: total is nan" in lines
    assert json.loads((tmp_path / "table1.json").read_text())["diverged"] == said


@pytest.mark.parametrize(("pattern", "l1"), [("grid_*", "11.00"), ("!grid_*", "**7.00**"), ("*", "**8.00**")])
def test_groups_of_speakers_weigh_every_frame_alike(tmp_path: Path, pattern: str, l1: str) -> None:
    lines = write(tmp_path, {"timit": {"flnet": {0: result(8.0)}}}, None, some=pattern)
    assert f"| FLNet | {l1} / 8.00 / **16.00** / 8.00 |" in lines, "bold where every seed is nearer than both copies"
    both = write(tmp_path, {"timit": {"flnet": {0: result(8.0), 1: result(9.4)}}}, None, all="*")
    assert "| FLNet | 8.70 / 8.70 / **17.40** / 8.70 |" in both
