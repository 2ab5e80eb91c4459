"""`python -m model.export --checkpoint … --out generator.pt2`: the generator for use without this package's code."""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from model.config import GENERATOR_DOWNSAMPLING, SMALLEST_SIDE, Size
from model.network.generator import Generator, GeneratorOutput
from model.network.offsets import offset_field
from model.setting import to_dict
from model.trained import InferenceSettings, Trained, add_inference_flags, inference_settings, load_trained
from pipeline.cli import Parser, run
from pipeline.errors import BuildError, InputError
from pipeline.files import atomic_write
from pipeline.geometry import LANDMARKS
from pipeline.shards.sink import Sink

PROGRAM = "python -m model.export"
FORMATS = {".pt2": "torch.export", ".onnx": "ONNX"}
INPUTS = ("bank", "bank_landmarks", "landmarks")
LARGEST_BATCH, LARGEST_SIDE = 1024, 4096
TOLERANCE = 1e-3
"""Largest difference of any output value, in [-1, 1], between the network and what was exported."""
ONNX_PACKAGES = ("onnx", "onnxscript")


class ExportedGenerator(nn.Module):
    """The generator from images and landmarks to its outputs, with spectral norm folded into the weights.

    Args:
        generator: stays as it is.
        inference: a size makes it one for images of that size alone; without one it takes any that the generator does.
    """

    def __init__(self, generator: Generator, inference: InferenceSettings | None = None) -> None:
        super().__init__()
        self.inference = inference or InferenceSettings()
        self.generator = folded(generator)

    def forward(self, bank: Tensor, bank_landmarks: Tensor, landmarks: Tensor) -> dict[str, Tensor]:
        """Make images.

        Args:
            bank: (B, N, 3, H, W) float32 in [-1, 1], closed mouth to open.
            bank_landmarks: (B, N, 68, 2) float32 x, y in pixels of these images, pixel centres at integers.
            landmarks: (B, 68, 2) those of the images to make.

        Returns:
            The fields of `GeneratorOutput` by name.
        """
        field = offset_field(landmarks, bank_landmarks, *bank.shape[-2:])
        out: GeneratorOutput = self.generator(bank, field, self.inference.warp_margin_px)
        return out._asdict()

    @property
    def example_size(self) -> Size:
        """The size that it is made for, or one of those."""
        return self.inference.size_for(self.generator)


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


def example_inputs(bank_size: int, size: Size, batch: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Random images, and landmarks inside and a little outside of them."""
    rng = torch.Generator().manual_seed(seed)
    sides = torch.tensor((size.width, size.height))
    bank = torch.rand((batch, bank_size, 3, *size), generator=rng) * 2 - 1
    bank_landmarks = (torch.rand((batch, bank_size, LANDMARKS, 2), generator=rng) * 1.1 - 0.05) * sides
    landmarks = (torch.rand((batch, LANDMARKS, 2), generator=rng) * 1.1 - 0.05) * sides
    return bank, bank_landmarks, landmarks


def dynamic_shapes(module: ExportedGenerator) -> list[dict[int, Any]]:
    """Which dimensions of the inputs are open: the batch, and height and width unless the size is fixed."""
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    shapes: list[dict[int, Any]] = [{0: batch} for _ in INPUTS]
    if module.inference.size is None:
        least, most = SMALLEST_SIDE // GENERATOR_DOWNSAMPLING, LARGEST_SIDE // GENERATOR_DOWNSAMPLING
        for place, name in ((3, "height"), (4, "width")):
            quarter = torch.export.Dim(f"quarter_{name}", min=least, max=most)
            shapes[0][place] = GENERATOR_DOWNSAMPLING * quarter
    return shapes


def _traced_inputs(module: ExportedGenerator) -> tuple[Tensor, Tensor, Tensor]:
    """What the exporters run it with: unequal sides, where those are open, so that none is taken for the other."""
    size = module.example_size
    if module.inference.size is None:
        size = Size(size.height, size.width + GENERATOR_DOWNSAMPLING)
    return example_inputs(module.generator.config.bank_size, size, 2)


def export_torch(module: ExportedGenerator, path: Path, notes: dict[str, str]) -> float:
    """Write torch.export's `.pt2`, for any batch and image size, and read it back to compare.

    Args:
        notes: kept in the file as `notes.json`.

    Returns:
        The largest difference of an output value.

    Raises:
        BuildError: the difference is above `TOLERANCE`; the file is not written.
    """
    with _quiet():
        program = torch.export.export(module, _traced_inputs(module), dynamic_shapes=dynamic_shapes(module))
    with atomic_write(path) as partial:
        with _quiet(), Sink(partial) as sink:  # torch does not survive an error of a write
            torch.export.save(program, cast(IO[bytes], sink), extra_files={"notes.json": json.dumps(notes, indent=2)})
        with partial.open("rb") as file:
            loaded = torch.export.load(file).module()
        return _checked(module, lambda inputs: list(loaded(*inputs).values()), path)


def export_onnx(module: ExportedGenerator, path: Path, notes: dict[str, str]) -> float | None:
    """Write ONNX, for any batch and image size; compared in onnxruntime where that is installed.

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
    with _quiet():
        program = torch.onnx.export(
            module,
            _traced_inputs(module),
            input_names=list(INPUTS),
            output_names=list(GeneratorOutput._fields),
            dynamic_shapes=dynamic_shapes(module),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # with dynamo there is one
    # Inside the file: who runs it elsewhere has nothing else that says what goes in and comes out.
    program.model.metadata_props.update(notes)
    with atomic_write(path) as partial:
        program.save(str(partial))
        if importlib.util.find_spec("onnxruntime") is None:
            return None
        import onnxruntime  # type: ignore[import-not-found, unused-ignore]

        # Before it has its name: a file that computes something else is never there.
        session = onnxruntime.InferenceSession(partial.read_bytes(), providers=["CPUExecutionProvider"])

        def infer(inputs: Sequence[Tensor]) -> list[Tensor]:
            named = {name: value.numpy() for name, value in zip(INPUTS, inputs, strict=True)}
            return [torch.from_numpy(value) for value in session.run(None, named)]

        return _checked(module, infer, path)


def _checked(module: ExportedGenerator, infer: Callable[[Sequence[Tensor]], Sequence[Tensor]], path: Path) -> float:
    """The largest difference between the module and an exported form of it, for two other batches."""
    largest, size = 0.0, module.example_size
    other = size if module.inference.size else Size(size.height + 2 * GENERATOR_DOWNSAMPLING, size.width)
    with torch.no_grad():
        for batch, sides in ((1, size), (3, other)):
            inputs = example_inputs(module.generator.config.bank_size, sides, batch, seed=batch)
            for expected, got in zip(module(*inputs).values(), infer(inputs), strict=True):
                difference = float((expected - got).abs().max())
                largest = max(largest, difference if math.isfinite(difference) else math.inf)
    if not largest <= TOLERANCE:
        raise BuildError(
            f"{path}: the exported network differs from the original by {largest:g}, at most {TOLERANCE:g} (infinity: "
            "outputs that are no numbers); export another checkpoint"
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


def notes_for(trained: Trained, inference: InferenceSettings) -> dict[str, str]:
    """What an exported file says of itself."""
    sides = f"H and W from {SMALLEST_SIDE} to {LARGEST_SIDE} that {GENERATOR_DOWNSAMPLING} divides"
    return {
        "network": "FLNet generator; its images are synthetic",
        "config": json.dumps(to_dict(trained.config.model)),
        "checkpoint": trained.checkpoint.name,
        "step": str(trained.step),
        "dataset_digest": trained.dataset_digest,
        "image_size": str(inference.size) if inference.size else sides,
        "warp_margin_px": f"{inference.margin_for(trained.flnet):g}",
        "inputs": "bank (B,N,3,H,W) in [-1,1], closed mouth to open; bank_landmarks (B,N,68,2) and landmarks (B,68,2): "
        "x, y in pixels of these images, pixel centres at integers",
    }


def build_parser(prog: str = PROGRAM) -> Parser:
    """The command's flags."""
    parser = Parser(
        prog=prog,
        description="Export a trained generator, from bank images and landmarks to images and masks, for use without "
        "this package, for any batch and any image size that the network takes, or one size named with --image-size. "
        "The exported network is run beside the original before the file gets its name. (A dataset: flnet "
        "export-dataset.)",
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="a .pt file, or a run folder: its newest checkpoint")
    add("--out", type=Path, required=True, help="file to write: .pt2 (torch.export), or .onnx (pip install '.[onnx]')")
    add_inference_flags(add, any_size=True)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = PROGRAM) -> int:
    """The command; returns its exit status."""
    return run(build_parser(prog), _export, argv)


def _export(args: argparse.Namespace) -> int:
    if args.out.suffix.lower() not in FORMATS:
        raise InputError(f"{args.out}: the file must end in {' or '.join(FORMATS)}")
    inference = inference_settings(args)
    trained = load_trained(args.checkpoint, torch.device("cpu"))
    module = ExportedGenerator(trained.flnet, inference).eval()
    write = export_torch if args.out.suffix.lower() == ".pt2" else export_onnx
    difference = write(module, args.out, notes_for(trained, inference))
    told = "not compared: pip install onnxruntime" if difference is None else f"differs by at most {difference:.1e}"
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, step {trained.step}; {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
