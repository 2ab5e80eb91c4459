"""`python -m model.train --shards out/`: train FLNet on a dataset."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from model.config import GUIDANCES, INITIALISATIONS, PRECISIONS, LossWeights, ModelConfig, TrainConfig
from model.network.perceptual import load_perceptual
from model.training.distributed import Processes, joined_processes
from model.training.run import EXIT_PREEMPTED, Run, train
from pipeline.cli import one_line, run
from pipeline.errors import InputError
from pipeline.shards import open_dataset

DEFAULT_STEPS = 100_000
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
    add("--steps", type=int, default=DEFAULT_STEPS,
        help=f"generator steps in all (default {DEFAULT_STEPS}; the paper gives no number)")  # fmt: skip
    add("--seed", type=int, default=0, help="of the weights and of the choice of frames (default 0)")

    network = parser.add_argument_group("network")
    add = network.add_argument
    add("--image-size", type=int, default=224,
        help="side of the images; below 224 frames, landmarks, K and warp margin shrink together")  # fmt: skip
    add("--base-channels", type=int, default=64, help="channels of the first convolution (default 64)")
    add("--warp-margin", type=float, default=40.0, metavar="PX",
        help="longest warp, in pixels of a 224-pixel image (default 40)")  # fmt: skip
    add("--initialisation", choices=INITIALISATIONS, default="ganimation",
        help="of the convolutions: GANimation's N(0, 0.02), or PyTorch's own (default ganimation)")  # fmt: skip
    add("--guide", choices=GUIDANCES, default="none",
        help="landmarks: masks and warps start from the answer that the landmarks give by themselves (not in the paper;"
        " default none)")  # fmt: skip
    add("--ablation", action="append", default=[], metavar="NAME=VALUE",
        help="bank=1|3|5 or streams=warp|appearance|both; may be given twice")  # fmt: skip

    optimisation = parser.add_argument_group("optimisation")
    add = optimisation.add_argument
    add("--batch-size", type=int, default=16,
        help="targets a step over all processes, 4 of a video, or the most that divide it (default 16)")  # fmt: skip
    add("--learning-rate", type=float, default=1e-4, help="Adam's, of both networks (default 0.0001)")
    add("--decay-share", type=float, default=0.0, metavar="SHARE",
        help="of the steps, at the end, over which the learning rate falls to 0 (default 0: it stays)")  # fmt: skip
    add("--history-size", type=int, default=320, metavar="IMAGES",
        help="earlier generated images that the discriminator is shown again (default 320; 0: none)")  # fmt: skip
    add("--discriminator-steps", type=int, default=5,
        help="discriminator updates per generator update (default 5; 0: as --adversarial-weight 0)")  # fmt: skip
    add("--augment", action="store_true",
        help="mirror and tint whole videos at random: for corpora of few people (not in the paper)")  # fmt: skip
    add("--reconstruction-weight", type=float, default=250.0, help="λ_rec (default 250)")
    add("--perceptual-weight", type=float, default=1.0, help="λ_p (default 1; 0 needs no VGG16 weights)")
    add("--adversarial-weight", type=float, default=1.0, help="λ_adv (default 1; 0 trains no discriminator)")
    add("--vgg-weights", type=Path, metavar="FILE",
        help="vgg16-397923af.pth (default: looked for in $TORCH_HOME/hub/checkpoints, else downloaded)")  # fmt: skip

    machine = parser.add_argument_group("machine")
    add = machine.add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    add("--precision", choices=PRECISIONS, default="auto", help="default: bf16 on a GPU that has it, else fp32")
    add("--compile", action=argparse.BooleanOptionalAction, help="torch.compile (default: on a GPU)")
    add("--accumulate", type=int, default=1, metavar="N",
        help="cut each process's share of a batch into N parts, to fit a smaller GPU (default 1)")  # fmt: skip
    add("--workers", type=int, help=f"loader processes (default: 1 on the CPU, up to {MAX_LOADER_WORKERS} for a GPU)")

    record = parser.add_argument_group("record")
    add = record.add_argument
    add("--checkpoint-every", type=int, default=1000, metavar="STEPS", help="default 1000; and at the end")
    add("--keep-checkpoints", type=int, default=3, metavar="K", help="how many stay on disk (default 3)")
    add("--picture-every", type=int, default=1000, metavar="STEPS", help="picture grids (default 1000; and at the end)")
    add("--log-every", type=int, default=10, metavar="STEPS", help="rows of metrics.csv (default 10)")
    return parser


def config_from(args: argparse.Namespace, device: torch.device) -> TrainConfig:
    """The run's settings from the command's flags.

    Raises:
        InputError: a flag out of its range.
    """
    if args.batch_size < 1:
        raise InputError(f"--batch-size must be at least 1, got {args.batch_size}")
    if args.discriminator_steps < 0:
        raise InputError(f"--discriminator-steps must be 0 or more, got {args.discriminator_steps}")
    frames = max(n for n in range(1, MAX_FRAMES_PER_VIDEO + 1) if args.batch_size % n == 0)
    model = ModelConfig(
        image_size=args.image_size,
        base_channels=args.base_channels,
        warp_margin_px=args.warp_margin,
        initialisation=args.initialisation,
        guide=args.guide,
        **parse_ablations(args.ablation),
    )
    weights = LossWeights(
        reconstruction=args.reconstruction_weight,
        perceptual=args.perceptual_weight,
        adversarial=args.adversarial_weight if args.discriminator_steps else 0.0,
    )
    return TrainConfig(
        steps=args.steps,
        batch_size=args.batch_size,
        frames_per_video=frames,
        learning_rate=args.learning_rate,
        decay_share=args.decay_share,
        history_size=args.history_size,
        discriminator_steps=max(args.discriminator_steps, 1),
        accumulation_steps=args.accumulate,
        precision=args.precision,
        compile=compiles_by_default(device) if args.compile is None else args.compile,
        augment=args.augment,
        seed=args.seed,
        checkpoint_every=args.checkpoint_every,
        keep_checkpoints=args.keep_checkpoints,
        picture_every=args.picture_every,
        log_every=args.log_every,
        model=model,
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
