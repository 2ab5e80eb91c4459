"""Exported generators answer as the original does, for batches and sizes they were not made with."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model import export
from model.checkpoint import save_checkpoint
from model.config import ModelConfig, Size, TrainConfig
from model.export import ExportedGenerator, example_inputs, export_torch, folded, main
from model.network.generator import Generator, GeneratorOutput
from model.network.offsets import offset_field
from model.setting import to_dict
from model.trained import InferenceSettings
from pipeline.errors import BuildError


def make_generator(**settings: object) -> Generator:
    torch.manual_seed(0)
    generator = Generator(ModelConfig(image_size=32, base_channels=4, **settings))  # type: ignore[arg-type]
    for parameter in generator.parameters():  # away from the initial state, in which some outputs are constant
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    return generator.eval()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    generator = make_generator()
    config = TrainConfig(steps=1, model=generator.config)
    state = {"step": 7, "config": to_dict(config), "generator": generator.state_dict(), "dataset_digest": "d" * 64}
    return save_checkpoint(tmp_path / "run", state, keep=1)


def test_folding_changes_no_output_and_leaves_the_original() -> None:
    generator = make_generator()
    before = set(generator.state_dict())
    plain = folded(generator)
    assert not any("parametrizations" in name for name in plain.state_dict())
    assert set(generator.state_dict()) == before
    bank, bank_landmarks, landmarks = example_inputs(5, Size(32, 48), 2)
    field = offset_field(landmarks, bank_landmarks, 32, 48)
    with torch.no_grad():
        for expected, got in zip(generator(bank, field), plain(bank, field), strict=True):
            torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def assert_answers_alike(loaded: Callable[..., dict[str, Tensor]], size: Size, margin: float | None) -> None:
    """For a batch that it was not made with."""
    generator = make_generator()
    bank, bank_landmarks, landmarks = example_inputs(5, size, 5, seed=9)
    field = offset_field(landmarks, bank_landmarks, *size)
    with torch.no_grad():
        expected, got = generator(bank, field, margin), loaded(bank, bank_landmarks, landmarks)
    assert tuple(got) == GeneratorOutput._fields
    for name, value in expected._asdict().items():
        torch.testing.assert_close(got[name], value, atol=1e-5, rtol=0)


def test_torch_export_answers_by_name_for_any_batch_and_size(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint.parent / "generator.pt2"
    assert main(["--checkpoint", str(checkpoint), "--out", str(path)]) == 0
    assert "step 7; differs by at most" in capsys.readouterr().out
    notes = {"notes.json": ""}
    loaded = torch.export.load(path, extra_files=notes).module()
    noted = json.loads(notes["notes.json"])
    assert (noted["step"], noted["warp_margin_px"]) == ("7", "40")
    assert noted["image_size"] == "H and W from 32 to 4096 that 4 divides"
    assert "synthetic" in noted["network"]
    for size in (Size(32, 32), Size(36, 128), Size(96, 44)):
        assert_answers_alike(loaded, size, None)
    with pytest.raises((AssertionError, RuntimeError)):
        loaded(*example_inputs(5, Size(34, 32), 1))


def test_one_size_and_another_margin_can_be_exported(checkpoint: Path) -> None:
    path = checkpoint.parent / "fixed.pt2"
    flags = ["--image-size", "32x64", "--warp-margin", "80"]
    assert main(["--checkpoint", str(checkpoint), "--out", str(path), *flags]) == 0
    loaded = torch.export.load(path).module()
    assert_answers_alike(loaded, Size(32, 64), 80.0)
    with pytest.raises((AssertionError, RuntimeError)):
        loaded(*example_inputs(5, Size(64, 64), 1))


def test_a_file_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    module = ExportedGenerator(make_generator(streams="appearance"), InferenceSettings(Size(32, 32)))
    with pytest.raises(BuildError, match=r"g\.pt2: the exported network differs from the original by"):
        export_torch(module, tmp_path / "g.pt2", {})
    assert list(tmp_path.iterdir()) == []


def test_onnx_answers_alike(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for package in (*export.ONNX_PACKAGES, "onnxruntime"):
        pytest.importorskip(package, reason="no ONNX: pip install --constraint constraints.txt '.[onnx]'")
    path = checkpoint.parent / "generator.onnx"
    for flags in ([], ["--image-size", "32x64"]):
        assert main(["--checkpoint", str(checkpoint), "--out", str(path), *flags]) == 0
        assert "differs by at most" in capsys.readouterr().out


def test_errors_are_one_line(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    for out, says in (("g.onnx", "ONNX needs onnx and onnxscript: pip install"), ("g.pt", "must end in .pt2 or .onnx")):
        assert main(["--checkpoint", str(checkpoint), "--out", str(tmp_path / out)]) == 1
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
