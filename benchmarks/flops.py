"""Counts the operations of every network a module at a time, and of one training iteration (5 D + 1 G).

A multiply-add is two operations. Nothing is computed: the networks stand on the meta device.
"""

from __future__ import annotations

import argparse
import sys

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from model.config import ModelConfig
from model.network.discriminator import Discriminator
from model.network.generator import Generator
from model.network.perceptual import PerceptualFeatures
from pipeline.cli import run


def count_gflop(module: nn.Module, *inputs: Tensor) -> float:
    """10⁹ operations of one forward pass."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    return float(counter.get_total_flops()) / 1e9


def count_parts(config: ModelConfig) -> dict[str, float]:
    """GFLOP an image of each part's forward pass, by its name."""
    size, channels = config.image_size, config.base_channels
    with torch.device("meta"):
        generator, image = Generator(config), torch.empty(1, 3, size, size)
        bank = torch.empty(1, config.bank_size, 3, size, size)
        x = torch.cat((bank, bank[:, :, :2]), dim=2).flatten(1, 2)
        parts: dict[str, float] = {}
        for index, layer in enumerate(generator.master.layers):
            cost = count_gflop(layer, x)
            x = layer(x)
            if cost:
                parts[f"E {index} {type(layer).__name__.removeprefix('Parametrized')} → {x.shape[1]}"] = cost
        total = count_gflop(generator, bank, bank[:, :, :2])
        parts["heads"] = total - sum(parts.values())
        parts["generator"] = total
        parts["discriminator"] = count_gflop(Discriminator(channels), image)
        parts["VGG16 to relu4_3"] = count_gflop(PerceptualFeatures(), image)
    return parts


def iteration_gflop(parts: dict[str, float], discriminator_steps: int) -> float:
    """GFLOP a target of one iteration; a backward pass is two forward passes, or one where weights are frozen."""
    g, d, vgg = parts["generator"], parts["discriminator"], parts["VGG16 to relu4_3"]
    discriminator_update = g + 2 * 3 * d
    generator_update = 3 * g + 2 * d + 3 * vgg
    return discriminator_steps * discriminator_update + generator_update


def main(args: argparse.Namespace) -> int:
    """Print both tables."""
    parts = count_parts(ModelConfig(args.image_size, args.base_channels, args.bank_size))
    print(f"{'forward pass':<40} GFLOP an image   share of the generator")
    for name, gflop in parts.items():
        print(f"{name:<40} {gflop:14.2f} {gflop / parts['generator']:14.1%}")
    iteration = iteration_gflop(parts, args.discriminator_steps)
    print(f"\none iteration ({args.discriminator_steps} D + 1 G): {iteration:.0f} GFLOP a target, "
          f"{iteration * args.batch_size / 1e3:.1f} TFLOP a batch of {args.batch_size}")  # fmt: skip
    return 0


def parser() -> argparse.ArgumentParser:
    """The command's flags; the defaults are the paper's."""
    found = argparse.ArgumentParser(prog="python benchmarks/flops.py", description=__doc__)
    found.add_argument("--image-size", type=int, default=224, help="side of the images in pixels")
    found.add_argument("--base-channels", type=int, default=64, help="channels of the first convolution")
    found.add_argument("--bank-size", type=int, default=5, help="bank images, 1, 3 or 5")
    found.add_argument("--batch-size", type=int, default=16, help="targets of a batch")
    found.add_argument("--discriminator-steps", type=int, default=5, help="D updates for each G update")
    return found


if __name__ == "__main__":
    sys.exit(run(parser(), main))
