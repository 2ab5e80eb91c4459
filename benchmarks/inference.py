"""Speed of the generator at inference: frames a second by size and batch, as trained, with folded weights, exported.

    python benchmarks/inference.py                        # this machine's CPU: image sizes 64 to 224
    python benchmarks/inference.py --device cuda          # adds bfloat16
    python benchmarks/inference.py --checkpoint RUN       # a trained network's own size

Each row times the same frames in turns, so that the ratios hold on a busy machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from model.config import ModelConfig
from model.device import choose_device
from model.export import ExportedGenerator, example_inputs, export_torch
from model.network.generator import Generator
from model.network.offsets import offset_field
from model.trained import load_trained
from pipeline.cli import run

Run = Callable[[], object]


def variants(generator: Generator, inputs: Sequence[Tensor], device: torch.device) -> dict[str, Run]:
    """The ways to run the network, by name; each makes one batch from images and landmarks."""

    def through(network: Generator, half: bool = False) -> Run:
        def make() -> object:
            bank, bank_landmarks, landmarks = inputs
            with torch.autocast(device.type, torch.bfloat16) if half else nullcontext():
                return network(bank, offset_field(landmarks, bank_landmarks, *bank.shape[-2:]))

        return make

    module = ExportedGenerator(generator.cpu())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.pt2"
        export_torch(module, path, {})
        exported = torch.export.load(path).module().to(device)
    plain, generator = module.generator.to(device), generator.to(device)
    ways = {"as trained": through(generator), "folded": through(plain), "exported": lambda: exported(*inputs)}
    if device.type == "cuda":
        ways["folded, bf16"] = through(plain, half=True)
    return ways


@torch.inference_mode()
def seconds_each(ways: dict[str, Run], device: torch.device, turns: int) -> dict[str, float]:
    """The median time of each way over `turns` turns, after one to warm up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, make in ways.items():
            begun = time.perf_counter()
            make()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn:
                times[name].append(time.perf_counter() - begun)
    return {name: sorted(each)[len(each) // 2] for name, each in times.items()}


def measure(args: argparse.Namespace) -> int:
    """Print the table."""
    device = choose_device(args.device)
    if args.checkpoint:
        generators = [load_trained(args.checkpoint, torch.device("cpu")).flnet]
    else:
        shapes = [(size, args.base_channels) for size in args.image_size]
        generators = [Generator(ModelConfig(image_size=size, base_channels=c)).eval() for size, c in shapes]
    print(f"{device}, torch {torch.__version__}, {torch.get_num_threads()} threads, median of {args.turns} turns")
    for generator in generators:
        config = generator.config
        for batch in args.batch:
            inputs = [value.to(device) for value in example_inputs(config.bank_size, config.size, batch)]
            each = seconds_each(variants(generator, inputs, device), device, args.turns)
            base = each["as trained"]
            shown = ", ".join(f"{name} {batch / s:.1f} frames/s (x{base / s:.2f})" for name, s in each.items())
            print(f"{config.image_size} px, {config.base_channels} channels, batch {batch}: {shown}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(prog="python benchmarks/inference.py", description="Frames a second at inference.")
    add = parser.add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    add("--checkpoint", type=Path, help="measure this network (default: untrained ones of the sizes below)")
    add("--image-size", type=int, nargs="+", default=[64, 112, 224], help="default 64 112 224")
    add("--base-channels", type=int, default=64, help="default 64, the paper's")
    add("--batch", type=int, nargs="+", default=[1, 8], help="frames at once (default 1 8)")
    add("--turns", type=int, default=5, help="default 5")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), measure))
