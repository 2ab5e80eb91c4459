"""`python -m model.train --shards out/`: train FLNet, or a network that it is compared with, on a dataset."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import torch

from model.config import TrainConfig
from model.network.perceptual import load_perceptual
from model.networks import NETWORKS, PUBLISHED, Kind, kind_of, protocol_of, schedule_of
from model.setting import add_flags, flags_of, given
from model.training.distributed import Processes, joined_processes
from model.training.run import EXIT_DIVERGED, EXIT_PREEMPTED, Run, train
from model.training.step import DivergenceError
from pipeline.cli import one_line, run
from pipeline.errors import InputError
from pipeline.interrupts import INTERRUPTED
from pipeline.shards import open_dataset

MAX_FRAMES_PER_VIDEO = 4
MAX_LOADER_WORKERS = 8


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--network", default=TrainConfig.network)
    first.add_argument("--protocol", default=PUBLISHED)
    chosen, _ = first.parse_known_args(words)  # they decide which flags there are, and their defaults
    return run(build_parser(chosen.network, chosen.protocol), _train, words)


def build_parser(network: str = TrainConfig.network, protocol: str = PUBLISHED) -> argparse.ArgumentParser:
    """The command's flags, and the defaults that a protocol of a network gives them."""
    kind = NETWORKS.get(network, NETWORKS[TrainConfig.network])
    preset = kind.protocols.get(protocol, kind.protocols[PUBLISHED])
    parser = argparse.ArgumentParser(
        prog="python -m model.train",
        description=f"Train {kind.title} on a dataset that a build task made. The defaults are those of its paper. "
        "Flags and defaults below are those of the --network and --protocol named beside --help.",
        epilog="Several GPUs: torchrun --nproc-per-node 8 -m model.train --shards out/ . "
        f"Exit status: 0 done, 1 failed, {EXIT_DIVERGED} a loss was beyond all bounds, {EXIT_PREEMPTED} saved and "
        f"stopped by SIGTERM or SIGUSR1, {INTERRUPTED} by Ctrl-C (run again with --resume). "
        "torchrun passes SIGTERM on but not SIGUSR1, and has an exit status of its own.",
    )
    add = parser.add_argument
    add("--shards", type=Path, required=True, help="the dataset's folder (it holds dataset.json)")
    add("--out", type=Path, help="run folder (default: runs/<name of the dataset's folder>, and of another network)")
    add("--resume", action="store_true", help="go on from the run folder's newest checkpoint, if there is one")
    add("--network", choices=NETWORKS, default=TrainConfig.network, help="what to train (default flnet)")
    add("--protocol", default=PUBLISHED, metavar="NAME",
        help=f"how: {' or '.join(kind.protocols)}; further flags go before it (default {PUBLISHED})")  # fmt: skip
    # What is a setting is declared as a field of a dataclass; flags are made of those.
    add_flags(parser.add_argument_group(f"{kind.title}'s network"), kind.config, preset.model)
    losses = parser.add_argument_group(f"{kind.title}'s losses")
    add_flags(losses, kind.weights, preset.weights)
    if _has_perceptual(kind):
        losses.add_argument(
            "--vgg-weights",
            type=Path,
            metavar="FILE",
            help="vgg16-397923af.pth (default: looked for in $TORCH_HOME/hub/checkpoints, else downloaded)",
        )
    training = parser.add_argument_group("training")
    add_flags(training, TrainConfig, preset.training, kind.unused)
    training.add_argument(
        "--batches", type=int, metavar="N", help="instead of --steps: as many steps as so many batches are enough for"
    )
    # These change nothing but speed.
    add = parser.add_argument_group("machine").add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    add("--compile", action=argparse.BooleanOptionalAction, help="torch.compile (default: on a GPU)")
    add("--workers", type=int, help=f"loader processes (default: 1 on the CPU, up to {MAX_LOADER_WORKERS} for a GPU)")
    _refuse_flags_of_others(parser, kind)
    return parser


def _has_perceptual(kind: Kind) -> bool:
    return any(each.name == "perceptual" for each in fields(kind.weights))


def _refuse_flags_of_others(parser: argparse.ArgumentParser, kind: Kind) -> None:
    """A flag that another network has is an error that names that one."""

    class Refuse(argparse.Action):
        def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
            parser.error(f"{self.option_strings[0]} is a flag of {self.const}, not of {kind.title}")

    taken = {flag for action in parser._actions for flag in action.option_strings}
    for other in NETWORKS.values():
        flags = flags_of(other.config) | flags_of(other.weights) | flags_of(TrainConfig, other.unused)
        flags |= {"--vgg-weights"} if _has_perceptual(other) else set()
        for flag in sorted(flags - taken):
            parser.add_argument(
                flag, action=Refuse, nargs="*", const=other.title, default=argparse.SUPPRESS, help=argparse.SUPPRESS
            )
        taken |= flags


def config_from(args: argparse.Namespace, device: torch.device) -> TrainConfig:
    """The run's settings: the command's flags, then the protocol, then the defaults.

    Raises:
        InputError: a flag out of its range.
    """
    kind, preset = kind_of(args.network), protocol_of(args.network, args.protocol)
    training = {**preset.training, **given(args, TrainConfig), "network": args.network}
    weights = kind.weights(**{**preset.weights, **given(args, kind.weights)})
    batch_size = training.get("batch_size", TrainConfig.batch_size)
    if batch_size < 1:
        raise InputError(f"--batch-size must be at least 1, got {batch_size}")
    if training.get("discriminator_steps") == 0 and kind.critic_can_rest:
        training["discriminator_steps"] = TrainConfig.discriminator_steps
        weights = replace(weights, adversarial=0.0)
    training["compile"] = compiles_by_default(device) if args.compile is None else args.compile
    training["frames_per_video"] = max(n for n in range(1, MAX_FRAMES_PER_VIDEO + 1) if batch_size % n == 0)
    config = TrainConfig(**training, model=kind.config(**{**preset.model, **given(args, kind.config)}), weights=weights)
    return config if args.batches is None else _with_batches(config, args)


def _with_batches(config: TrainConfig, args: argparse.Namespace) -> TrainConfig:
    """As many steps as the batches are enough for: networks that update several times a step get fewer."""
    if hasattr(args, "steps"):
        raise InputError("--steps and --batches are two ways to say the same; give one of them")
    each = len(schedule_of(config))
    if args.batches < each:
        raise InputError(f"--batches must be at least {each}, what one step takes, got {args.batches}")
    return replace(config, steps=args.batches // each)


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
    name = args.shards.resolve().name
    folder = args.out or Path("runs") / (name if args.network == TrainConfig.network else f"{name}-{args.network}")
    with joined_processes(args.device) as processes:
        config = config_from(args, processes.device)
        if processes.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
        features = load_perceptual(args.vgg_weights) if getattr(config.weights, "perceptual", 0) else None
        workers = default_workers(processes) if args.workers is None else args.workers
        try:
            status = train(Run(folder, dataset, config, workers, args.resume), processes, features)
        except DivergenceError as error:
            print(f"python -m model.train: {one_line(error)}", file=sys.stderr)
            return EXIT_DIVERGED
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
