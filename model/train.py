"""`python -m model.train --shards out/`: train FLNet on a dataset."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from model.config import LossWeights, ModelConfig, TrainConfig
from model.network.perceptual import load_perceptual
from model.setting import add_flags, given
from model.training.distributed import Processes, joined_processes
from model.training.run import EXIT_PREEMPTED, Run, train
from pipeline.cli import one_line, run
from pipeline.errors import InputError
from pipeline.shards import open_dataset

MAX_FRAMES_PER_VIDEO = 4
MAX_LOADER_WORKERS = 8
_ABLATIONS = {"bank": "bank_size", "streams": "streams"}


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run(build_parser(), _train, argv)


def build_parser() -> argparse.ArgumentParser:
    """The command's flags; every default is the paper's where it states one."""
    parser = argparse.ArgumentParser(
        prog="python -m model.train",
        description="Train FLNet on a dataset that a build task made. The defaults are the paper's.",
        epilog="Several GPUs: torchrun --nproc-per-node 8 -m model.train --shards out/ . "
        f"Exit status: 0 done, 1 failed, {EXIT_PREEMPTED} saved and stopped by SIGTERM or SIGUSR1 (run again with "
        "--resume). torchrun passes SIGTERM on but not SIGUSR1, and has an exit status of its own.",
    )
    add = parser.add_argument
    add("--shards", type=Path, required=True, help="the dataset's folder (it holds dataset.json)")
    add("--out", type=Path, help="run folder (default: runs/<name of the dataset's folder>)")
    add("--resume", action="store_true", help="go on from the run folder's newest checkpoint, if there is one")
    network = parser.add_argument_group("network")
    add_flags(network, ModelConfig)
    network.add_argument(
        "--ablation",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="bank=1|3|5 or streams=warp|appearance|both; may be given twice",
    )
    losses = parser.add_argument_group("losses (λ of Eq. 17)")
    add_flags(losses, LossWeights)
    losses.add_argument(
        "--vgg-weights",
        type=Path,
        metavar="FILE",
        help="vgg16-397923af.pth (default: looked for in $TORCH_HOME/hub/checkpoints, else downloaded)",
    )
    add_flags(parser.add_argument_group("training"), TrainConfig)
    add = parser.add_argument_group("machine").add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    add("--compile", action=argparse.BooleanOptionalAction, help="torch.compile (default: on a GPU)")
    add("--workers", type=int, help=f"loader processes (default: 1 on the CPU, up to {MAX_LOADER_WORKERS} for a GPU)")
    return parser


def config_from(args: argparse.Namespace, device: torch.device) -> TrainConfig:
    """The run's settings from the command's flags.

    Raises:
        InputError: a flag out of its range.
    """
    wanted = given(args, TrainConfig)
    batch_size = wanted.get("batch_size", TrainConfig.batch_size)
    if batch_size < 1:
        raise InputError(f"--batch-size must be at least 1, got {batch_size}")
    weights = LossWeights(**given(args, LossWeights))
    if wanted.get("discriminator_steps") == 0:  # no discriminator
        wanted["discriminator_steps"] = TrainConfig.discriminator_steps
        weights = replace(weights, adversarial=0.0)
    wanted["compile"] = compiles_by_default(device) if args.compile is None else args.compile
    return TrainConfig(
        **wanted,
        frames_per_video=max(n for n in range(1, MAX_FRAMES_PER_VIDEO + 1) if batch_size % n == 0),
        model=ModelConfig(**given(args, ModelConfig), **parse_ablations(args.ablation)),
        weights=weights,
    )


def parse_ablations(words: Sequence[str]) -> dict[str, Any]:
    """`["bank=3", "streams=warp"]` (or joined by commas) as settings of `ModelConfig`.

    Raises:
        InputError: another name, or no number after `bank=`; the values' ranges are `ModelConfig`'s to check.
    """
    settings: dict[str, Any] = {}
    for word in ",".join(words).split(",") if words else []:
        name, _, value = word.strip().partition("=")
        if name not in _ABLATIONS or (name == "bank" and not value.isdecimal()):
            raise InputError(f"--ablation must be bank=1|3|5 or streams=warp|appearance|both, got {word!r}")
        settings[_ABLATIONS[name]] = int(value) if name == "bank" else value
    return settings


def compiles_by_default(device: torch.device) -> bool:
    """Whether `torch.compile` is worth it and can work: on a GPU, where there is what it builds its kernels with."""
    if device.type != "cuda":
        return False
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if compiler and headers.is_file():
        return True
    lacking = f"Python's headers ({headers})" if compiler else "a C compiler"
    print(f"training without torch.compile, which needs {lacking}: slower", file=sys.stderr)
    return False


def _train(args: argparse.Namespace) -> int:
    dataset = open_dataset(args.shards)
    folder = args.out or Path("runs") / args.shards.resolve().name
    with joined_processes(args.device) as processes:
        config = config_from(args, processes.device)
        if processes.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
        features = load_perceptual(args.vgg_weights) if config.weights.perceptual else None
        workers = default_workers(processes) if args.workers is None else args.workers
        try:
            status = train(Run(folder, dataset, config, workers, args.resume), processes, features)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"the GPU's memory ran out; cut the batch with --accumulate {2 * config.accumulation_steps}, and add "
                f"--resume ({one_line(error)})"
            ) from error
        if processes.is_main and status == 0:
            print(f"{folder}: checkpoints, metrics.csv, grids/ and TensorBoard events are here")
        return status


def default_workers(processes: Processes) -> int:
    """Loader processes where the user names no number: on a GPU its share of the cores, up to eight."""
    if processes.device.type != "cuda":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MAX_LOADER_WORKERS, cores // torch.cuda.device_count()))


if __name__ == "__main__":
    sys.exit(main())
