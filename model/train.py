"""`python -m model.train --shards out/`: train FLNet, or a network that it is compared with, on a dataset."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from model.config import PAPER_IMAGE_SIZE, TrainConfig
from model.network.perceptual import load_perceptual
from model.networks import NETWORKS, PUBLISHED, Kind, kind_of, protocol_of, schedule_of
from model.presets import PRESETS, PRESETS_HELP
from model.setting import add_flags, flags_of, given, to_table
from model.training.distributed import Processes, joined_processes
from model.training.run import EXIT_DIVERGED, EXIT_PREEMPTED, Run, train
from model.training.step import DivergenceError
from pipeline import log
from pipeline.cli import Parser, one_line, run
from pipeline.errors import InputError
from pipeline.interrupts import INTERRUPTED
from pipeline.run_file import RUN_FILE, config_of, read_table, words_of
from pipeline.run_file import add_flag as add_config_flag
from pipeline.run_file import flags_of as flags_of_parser
from pipeline.shards import open_dataset

PROGRAM = "python -m model.train"
COMMAND = "train"  # its table in a file of settings
MAX_FRAMES_PER_VIDEO = 4
MAX_LOADER_WORKERS = 8


def main(argv: Sequence[str] | None = None, prog: str = PROGRAM) -> int:
    """The command; returns its exit status."""
    typed = sys.argv[1:] if argv is None else list(argv)
    try:
        parser, words = said(typed, prog)
    except InputError as error:
        print(f"{prog}: {one_line(error)}", file=sys.stderr)
        return 2
    return run(parser, partial(_train, prog=prog), words)


def said(typed: Sequence[str], prog: str) -> tuple[Parser, list[str]]:
    """The parser, and all that was said to it: by the run that goes on, the preset, the file of settings, by hand.

    Raises:
        InputError: a file of settings does not fit.
    """
    first = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    for flag in ("--network", "--protocol", "--preset", "--shards", "--out", "--batches"):
        first.add_argument(flag)
    first.add_argument("--resume", nargs="?", const="")
    try:
        hints, _ = first.parse_known_args(typed)
    except argparse.ArgumentError:  # a flag without its value: the parser will say so
        return build_parser(prog=prog), list(typed)
    config = config_of(typed)
    chosen = {} if config is None else read_table(config, COMMAND)
    earlier = _earlier_settings(hints, chosen)
    if hints.batches is not None or "batches" in chosen:
        earlier = {key: value for key, value in earlier.items() if key != "steps"}
    if hints.network not in (None, earlier.get("network")):  # which the checkpoint will refuse, and say so
        earlier = {}
    named: dict[str, Any] = {**earlier, **chosen, **{key: value for key, value in vars(hints).items() if value}}
    network, protocol = str(named.get("network", TrainConfig.network)), str(named.get("protocol", PUBLISHED))
    parser = build_parser(network, protocol, prog)
    known = flags_of_parser(parser)
    preset = {key: value for key, value in PRESETS.get(str(named.get("preset")), {}).items() if key in known}
    words = words_of(earlier, parser, RUN_FILE) + words_of(preset, parser, "--preset")
    return parser, [*words, *words_of(chosen, parser, f"{config}: [{COMMAND}]"), *typed]


def _earlier_settings(hints: argparse.Namespace, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What the run that is to go on was begun with; nothing where it does not say, or none is to."""
    if hints.resume is None and not chosen.get("resume"):
        return {}
    shards = hints.shards or chosen.get("shards")
    out = hints.resume or chosen.get("resume") or hints.out or chosen.get("out")
    network = str(hints.network or chosen.get("network", TrainConfig.network))
    folder = Path(out) if out else default_folder(Path(shards), network) if shards else None
    if folder is not None and (folder / RUN_FILE).is_file():
        return read_table(folder / RUN_FILE, COMMAND)
    if not shards:
        raise InputError(
            f"{folder or '--resume'}: there is no {RUN_FILE} of a run that could go on; name its folder, or what it "
            "was begun with (--shards and so on)"
        )
    return {}


def default_folder(shards: Path, network: str) -> Path:
    """Where a run goes that names no folder."""
    name = shards.resolve().name
    return Path("runs") / (name if network == TrainConfig.network else f"{name}-{network}")


def build_parser(network: str = TrainConfig.network, protocol: str = PUBLISHED, prog: str = PROGRAM) -> Parser:
    """The command's flags, and the defaults that a protocol of a network gives them."""
    kind = NETWORKS.get(network, NETWORKS[TrainConfig.network])
    preset = kind.protocols.get(protocol, kind.protocols[PUBLISHED])
    parser = Parser(
        prog=prog,
        usage=f"{prog} --shards FOLDER [flags], or {prog} --resume RUN",
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
    add("--resume", nargs="?", const=True, default=False, metavar="RUN",
        help="go on from the newest checkpoint of this run folder (default: of --out), if there is one, with the "
        "settings that it was begun with, which need not be given again")  # fmt: skip
    add_config_flag(parser, COMMAND)
    add("--preset", choices=PRESETS, help=PRESETS_HELP)
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


def config_from(args: argparse.Namespace, device: torch.device, image_size: int = PAPER_IMAGE_SIZE) -> TrainConfig:
    """The run's settings: the command's flags, then the protocol, then the defaults.

    Args:
        image_size: where none is named: that of the dataset's frames.

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
    model = kind.config(**{"image_size": image_size, **preset.model, **given(args, kind.config)})
    config = TrainConfig(**training, model=model, weights=weights)
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
    log.note(f"training without torch.compile, which needs {lacking}: slower")
    return False


def _train(args: argparse.Namespace, prog: str) -> int:
    dataset = open_dataset(args.shards)
    folder = _run_folder(args)
    with joined_processes(args.device) as processes:
        config = config_from(args, processes.device, dataset.frame_size)
        if processes.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
        features = load_perceptual(args.vgg_weights) if getattr(config.weights, "perceptual", 0) else None
        workers = default_workers(processes) if args.workers is None else args.workers
        try:
            run_of = Run(folder, dataset, config, workers, bool(args.resume), settings_table(args, config))
            status = train(run_of, processes, features)
        except DivergenceError as error:
            log.error(f"{prog}: {one_line(error)}")
            return EXIT_DIVERGED
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"the GPU's memory ran out; cut the batch with --accumulate {2 * config.accumulation_steps}, and add "
                f"--resume ({one_line(error)})"
            ) from error
        if processes.is_main and status == 0:
            print(f"{folder}: checkpoints, metrics.csv, grids/ and TensorBoard events are here")
        return status


def _run_folder(args: argparse.Namespace) -> Path:
    """Where the run is.

    Raises:
        InputError: --resume and --out name two folders.
    """
    if not isinstance(args.resume, str):
        return args.out or default_folder(args.shards, args.network)
    if args.out is not None and args.out.resolve() != Path(args.resume).resolve():
        raise InputError(f"--resume {args.resume} and --out {args.out} name two run folders; give one of them")
    return Path(args.resume)


def settings_table(args: argparse.Namespace, config: TrainConfig) -> dict[str, Any]:
    """What the run uses, as a file of settings has it: all that decides results, and what was said of the machine."""
    machine = {
        "device": None if args.device == "auto" else args.device,
        "workers": args.workers,
        "compile": args.compile,
    }
    weights = getattr(args, "vgg_weights", None)
    files = {"shards": args.shards, "vgg_weights": weights}
    return {
        **{key: str(path.resolve()) for key, path in files.items() if path is not None},
        "network": args.network,
        "protocol": args.protocol,
        **to_table(config, kind_of(args.network).unused),
        **to_table(config.model),
        **to_table(config.weights),
        **{key: value for key, value in machine.items() if value is not None},
    }


def default_workers(processes: Processes) -> int:
    """Loader processes where the user names no number: on a GPU its share of the cores, up to eight."""
    if processes.device.type != "cuda":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MAX_LOADER_WORKERS, cores // torch.cuda.device_count()))


if __name__ == "__main__":
    sys.exit(main())
