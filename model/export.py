"""`python -m model.export --checkpoint … --out generator.pt2`: the generator for use without this package's code."""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from model.config import ModelConfig
from model.network.generator import Generator, GeneratorOutput
from model.network.offsets import offset_field
from model.setting import to_dict
from model.trained import Trained, load_trained
from pipeline.cli import run
from pipeline.errors import BuildError, InputError
from pipeline.files import atomic_write

FORMATS = {".pt2": "torch.export", ".onnx": "ONNX"}
INPUTS = ("bank", "bank_landmarks", "landmarks")
TOLERANCE = 1e-3
"""Largest difference of any output value, in [-1, 1], between the network and what was exported."""
ONNX_PACKAGES = ("onnx", "onnxscript")
_LANDMARKS = 68


class ExportedGenerator(nn.Module):
    """The generator from images and landmarks to its outputs, with spectral norm folded into the weights.

    Args:
        generator: stays as it is.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = folded(generator)

    def forward(self, bank: Tensor, bank_landmarks: Tensor, landmarks: Tensor) -> dict[str, Tensor]:
        """Make images.

        Args:
            bank: (B, N, 3, S, S) float32 in [-1, 1], closed mouth to open.
            bank_landmarks: (B, N, 68, 2) float32 x, y in pixels of these images, pixel centres at integers.
            landmarks: (B, 68, 2) those of the images to make.

        Returns:
            The fields of `GeneratorOutput` by name.
        """
        field = offset_field(landmarks, bank_landmarks, *bank.shape[-2:])
        out: GeneratorOutput = self.generator(bank, field)
        return out._asdict()


def folded(generator: Generator) -> Generator:
    """A copy with plain weights in place of spectral norm's, which it computes anew in every pass."""
    # Not `deepcopy`: the copy would share the classes that torch makes for parametrised modules, and taking spectral
    # norm out of it would take it out of the original.
    copied = Generator(generator.config)
    copied.load_state_dict(generator.state_dict())
    copied = copied.eval()
    for module in list(copied.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return copied.requires_grad_(False)


def example_inputs(config: ModelConfig, batch: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Random images, and landmarks inside and a little outside of them."""
    rng = torch.Generator().manual_seed(seed)
    size, count = config.image_size, config.bank_size
    bank = torch.rand((batch, count, 3, size, size), generator=rng) * 2 - 1
    bank_landmarks = (torch.rand((batch, count, _LANDMARKS, 2), generator=rng) * 1.1 - 0.05) * size
    landmarks = (torch.rand((batch, _LANDMARKS, 2), generator=rng) * 1.1 - 0.05) * size
    return bank, bank_landmarks, landmarks


def export_torch(module: ExportedGenerator, path: Path, notes: dict[str, str]) -> float:
    """Write torch.export's `.pt2`, for any batch size, and read it back to compare.

    Args:
        notes: kept in the file as `notes.json`.

    Returns:
        The largest difference of an output value.

    Raises:
        BuildError: the difference is above `TOLERANCE`; the file is not written.
    """
    config = module.generator.config
    batch = torch.export.Dim("batch", min=1, max=1024)
    with _quiet():
        program = torch.export.export(module, example_inputs(config, 2), dynamic_shapes=[{0: batch}] * len(INPUTS))
    with atomic_write(path) as partial:
        # torch demands its suffix, and a file of any name can be read.
        written = partial.with_name(f"{partial.name}.pt2")
        try:
            torch.export.save(program, written, extra_files={"notes.json": json.dumps(notes, indent=2)})
            written.replace(partial)
        finally:
            written.unlink(missing_ok=True)
        with partial.open("rb") as file:
            loaded = torch.export.load(file).module()
        return _checked(module, lambda inputs: list(loaded(*inputs).values()), path)


def export_onnx(module: ExportedGenerator, path: Path, notes: dict[str, str]) -> float | None:
    """Write ONNX, for any batch size; compared in onnxruntime where that is installed.

    Returns:
        The largest difference of an output value; None where there is no onnxruntime to compare in.

    Raises:
        InputError: onnx or onnxscript is not installed.
        BuildError: the difference is above `TOLERANCE`; the file is not written.
    """
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"{path}: ONNX needs {' and '.join(missing)}: pip install {' '.join(ONNX_PACKAGES)} onnxruntime"
        )
    batch = torch.export.Dim("batch", min=1, max=1024)
    with _quiet():
        program = torch.onnx.export(
            module,
            example_inputs(module.generator.config, 2),
            input_names=list(INPUTS),
            output_names=list(GeneratorOutput._fields),
            dynamic_shapes=[{0: batch}] * len(INPUTS),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # with dynamo there is one
    program.model.metadata_props.update(notes)
    with atomic_write(path) as partial:
        program.save(str(partial))
        if importlib.util.find_spec("onnxruntime") is None:
            return None
        import onnxruntime  # type: ignore[import-not-found, unused-ignore]

        session = onnxruntime.InferenceSession(partial.read_bytes(), providers=["CPUExecutionProvider"])

        def infer(inputs: Sequence[Tensor]) -> list[Tensor]:
            named = {name: value.numpy() for name, value in zip(INPUTS, inputs, strict=True)}
            return [torch.from_numpy(value) for value in session.run(None, named)]

        return _checked(module, infer, path)


def _checked(module: ExportedGenerator, infer: Callable[[Sequence[Tensor]], Sequence[Tensor]], path: Path) -> float:
    """The largest difference between the module and an exported form of it, for two other batch sizes."""
    largest = 0.0
    with torch.no_grad():
        for batch in (1, 3):
            inputs = example_inputs(module.generator.config, batch, seed=batch)
            for expected, got in zip(module(*inputs).values(), infer(inputs), strict=True):
                largest = max(largest, float((expected - got).abs().max()))
    if not largest <= TOLERANCE:
        raise BuildError(
            f"{path}: the exported network differs from the original by {largest:g}, at most {TOLERANCE:g}"
        )
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' remarks, which are for torch's own developers."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def notes_for(trained: Trained) -> dict[str, str]:
    """What an exported file says of itself."""
    return {
        "network": "FLNet generator; its images are synthetic",
        "config": json.dumps(to_dict(trained.config.model)),
        "checkpoint": trained.checkpoint.name,
        "step": str(trained.step),
        "dataset_digest": trained.dataset_digest,
        "inputs": "bank (B,N,3,S,S) in [-1,1], closed mouth to open; bank_landmarks (B,N,68,2) and landmarks (B,68,2): "
        "x, y in pixels of these images, pixel centres at integers",
    }


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m model.export",
        description="Export a trained generator, from bank images and landmarks to images and masks, for use without "
        "this package. The exported network is run beside the original before the file gets its name.",
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="a .pt file, or a run folder: its newest checkpoint")
    add("--out", type=Path, required=True, help="file to write: .pt2 (torch.export), or .onnx (pip install '.[onnx]')")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run(build_parser(), _export, argv)


def _export(args: argparse.Namespace) -> int:
    if args.out.suffix.lower() not in FORMATS:
        raise InputError(f"{args.out}: the file must end in {' or '.join(FORMATS)}")
    trained = load_trained(args.checkpoint, torch.device("cpu"))
    module = ExportedGenerator(trained.generator).eval()
    write = export_torch if args.out.suffix.lower() == ".pt2" else export_onnx
    difference = write(module, args.out, notes_for(trained))
    told = "not compared: pip install onnxruntime" if difference is None else f"differs by at most {difference:.1e}"
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, step {trained.step}; {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
