"""The notebook of docs/ runs from its first cell to its last, and is kept without outputs."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

NOTEBOOK = Path(__file__).parents[2] / "docs" / "first_steps.ipynb"


def code_cells() -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run_cell(source: str, names: dict[str, Any], name: str) -> Any:
    """What a notebook shows of a cell: the value of its last line, where that is an expression."""
    *before, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        exec(compile(source, name, "exec"), names)
        return None
    exec(compile(ast.Module(before, []), name, "exec"), names)
    return eval(compile(ast.Expression(last.value), name, "eval"), names)


def test_no_outputs_are_kept() -> None:
    assert len(code_cells()) >= 8
    assert [cell["outputs"] for cell in code_cells()] == [[]] * len(code_cells())
    assert {cell["execution_count"] for cell in code_cells()} == {None}


def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In an empty folder, by plain Python: no cell uses anything of Jupyter's. Fewer speakers and steps, for speed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    monkeypatch.delenv("FLNET_DATASET", raising=False)
    names: dict[str, Any] = {"__name__": "notebook"}
    sources = ["".join(cell["source"]) for cell in code_cells()]
    assert ('"--speakers", "4"' in sources[0], sum("steps=30" in source for source in sources)) == (True, 1)
    sources = [
        source.replace('"--speakers", "4"', '"--speakers", "2"').replace("steps=30", "steps=6") for source in sources
    ]
    shown = [run_cell(source, names, f"cell {number}") for number, source in enumerate(sources, 1)]
    pictures = [value for value in shown if isinstance(value, Image.Image)]
    assert len(pictures) == 4
    assert all(np.asarray(picture).std() > 30 for picture in pictures)
    assert names["bank"].shape == (5, 224, 224, 3)
    assert (np.diff(names["openness"]) >= 0).all()
    assert 0.29 < names["k"].min() < 0.31 < names["k"].max() == 1
    losses = [step["L_rec_o"] for step in names["losses"]]
    assert len(losses) == 6
    assert losses[-1] < losses[0]
    assert float(names["masks"].sum(0).mean()) == pytest.approx(1, abs=1e-4)
    told = capsys.readouterr().out
    assert "digest" in told
    assert "bank of volunteers/" in told
