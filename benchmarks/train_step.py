"""Training steps a second (5 D + 1 G) at the paper's size: eager float32 against the shipped default, on this device.

    python -m benchmarks.train_step                              # on a GPU: the whole table, a few minutes
    python -m benchmarks.train_step --shards OUT                 # and the wait for the real loader
    python -m benchmarks.train_step --image-size 64 --base-channels 16 --batch-size 4    # what a CPU can do

The trainer is the real one (`model.training.step.Trainer`), plain and with one thing more in each row; the last row is
what a user gets. The rows run in turns, and on a CPU by its own time, so that the ratios hold on a busy machine. The
share is that of the dense bf16 matrix product's rate measured here, with the operations that `benchmarks/flops.py`
counts.
Float32 is as torch ships it: convolutions on a GPU may use TF32, which makes the ratios smaller.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.flops import count_parts, iteration_gflop
from model.config import LossWeights, ModelConfig, Precision, TrainConfig
from model.data.batch import Batch
from model.data.loader import BatchDataset, batches
from model.data.sampler import BatchPlanner
from model.device import choose_device
from model.network.perceptual import PerceptualFeatures
from model.networks import schedule_of
from model.train import default_workers
from model.training.distributed import Processes
from model.training.machine import Machine
from model.training.monitor import WaitTimer
from model.training.step import Trainer
from pipeline.cli import run
from pipeline.geometry import LANDMARKS
from pipeline.shards import open_dataset
from pipeline.shards.schema import FRAME_SIZE

K_LEVELS = 196


@dataclass(frozen=True)
class Setting:
    """One way to run the same step.

    Attributes:
        precision: "bf16" is autocast.
        fast_layout: channels_last weights.
        compiled: `torch.compile`.
        fused: Adam's fused implementation.
    """

    precision: Precision = "fp32"
    fast_layout: bool = False
    compiled: bool = False
    fused: bool = False


SHIPPED = "as shipped"
SETTINGS: dict[str, Setting | None] = {
    "eager, float32": Setting(),
    "+ bf16 autocast": Setting("bf16"),
    "+ channels last": Setting("bf16", fast_layout=True),
    "+ fused Adam": Setting("bf16", fast_layout=True, fused=True),
    "+ torch.compile": Setting("bf16", fast_layout=True, fused=True, compiled=True),
    SHIPPED: None,  # as `model.train` makes the trainer on this device
}


def main(args: argparse.Namespace) -> int:
    """Measure and print the tables."""
    device = choose_device(args.device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
    config = TrainConfig(
        steps=1,
        batch_size=args.batch_size,
        frames_per_video=min(4, args.batch_size),
        model=ModelConfig(image_size=args.image_size, base_channels=args.base_channels),
        weights=LossWeights(perceptual=args.perceptual_weight),
    )
    matrix = {dtype: matrix_tflops(device, dtype) for dtype in (torch.bfloat16, torch.float32)}
    model = config.model
    print(f"{describe(device)}; {model.image_size} px, {model.base_channels} channels, batch {config.batch_size}")
    print("dense matrix product, TFLOP/s:", ", ".join(f"{dtype} {rate:.3g}" for dtype, rate in matrix.items()), "\n")
    names = [name for name in SETTINGS if args.compile or name != "+ torch.compile"]
    trainers = {name: make_trainer(config, SETTINGS[name], device) for name in names}
    seconds = time_steps(trainers, drawn_batches(config, args.seed), args.turns, device)
    print(speed_table(config, seconds, matrix[torch.bfloat16]))
    if args.shards:
        print(wait_line(trainers[SHIPPED], args.shards, args.workers, args.turns * 4))
    return 0


def describe(device: torch.device) -> str:
    """The device and torch in words."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return f"{name}, torch {torch.__version__}"


@contextmanager
def _as_set(setting: Setting) -> Iterator[None]:
    """Take away from the trainer, while it is made, what a setting does without."""
    layout = torch.channels_last if setting.fast_layout else torch.preserve_format

    def placed(machine: Machine, network: torch.nn.Module) -> torch.nn.Module:
        return network.to(machine.device).to(memory_format=layout)  # type: ignore[call-overload, no-any-return]

    def adam(machine: Machine, network: torch.nn.Module) -> torch.optim.Adam:
        settings = machine.config
        return torch.optim.Adam(network.parameters(), settings.learning_rate, settings.betas, fused=setting.fused)

    with patch.object(Machine, "placed", placed), patch.object(Machine, "adam", adam):
        yield


def make_trainer(config: TrainConfig, setting: Setting | None, device: torch.device) -> Trainer:
    """The trainer (None: as shipped) with random VGG16 weights: speed does not depend on them."""
    alone = Processes(0, 1, device)
    features = PerceptualFeatures() if config.weights.perceptual else None
    if setting is None:
        return Trainer(replace(config, compile=device.type == "cuda"), alone, features)
    with _as_set(setting):
        return Trainer(replace(config, precision=setting.precision, compile=setting.compiled), alone, features)


def drawn_batches(config: TrainConfig, seed: int) -> list[Batch]:
    """Random batches of the stored size, enough for one step, in page-locked memory where there is a GPU."""
    draw = torch.Generator().manual_seed(seed)
    count, bank = config.batch_size, config.model.bank_size
    videos = count // config.frames_per_video

    def pixels(*shape: int) -> Tensor:
        return torch.randint(0, 256, (*shape, FRAME_SIZE, FRAME_SIZE, 3), dtype=torch.uint8, generator=draw)

    def points(*shape: int) -> Tensor:
        return torch.rand((*shape, LANDMARKS, 2), generator=draw) * (FRAME_SIZE - 1)

    def batch() -> Batch:
        codes = torch.randint(0, K_LEVELS, (count, FRAME_SIZE, FRAME_SIZE), dtype=torch.uint8, generator=draw)
        made = Batch(
            targets=pixels(count),
            target_landmarks=points(count),
            k_codes=codes,
            group=torch.arange(count) // config.frames_per_video,
            banks=pixels(videos, bank),
            bank_landmarks=points(videos, bank),
            k_levels=torch.linspace(1, 0.3, K_LEVELS),
            target_openness=torch.rand(count, generator=draw),
            bank_openness=torch.rand(videos, bank, generator=draw),
            variation=torch.empty(videos, 0),
            videos=("drawn",) * videos,
        )
        pinned = (v.pin_memory() if isinstance(v, Tensor) and torch.cuda.is_available() else v for v in made)
        return Batch._make(pinned)

    return [batch() for _ in schedule_of(config)]


def time_steps(
    trainers: dict[str, Trainer], data: list[Batch], turns: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of every step of each trainer, `turns` times in turns, after two to warm up (and compile)."""
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for turn in range(turns + 2):
        for name, trainer in trainers.items():
            begun = _seconds(device)
            trainer.step(iter(data))
            if turn >= 2:
                seconds[name].append(_seconds(device) - begun)
    return seconds


def _seconds(device: torch.device) -> float:
    """The clock, once a GPU has finished its work; on a CPU the time it gave this process, a thread."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time() / torch.get_num_threads()


def matrix_tflops(device: torch.device, dtype: torch.dtype) -> float:
    """10¹² operations a second of a large square matrix product, the best of several."""
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    times = []
    for _ in range(10):
        begun = _seconds(device)
        a @ b
        times.append(_seconds(device) - begun)
    return 2 * side**3 / min(times[2:]) / 1e12


def speed_table(config: TrainConfig, seconds: dict[str, list[float]], peak_tflops: float) -> str:
    """Markdown: steps a second, against eager float32 and against the matrix product."""
    tflop = count_tflop(config)
    base = median(next(iter(seconds.values())))
    lines = [
        f"| {config.discriminator_steps} D + 1 G, {tflop:.3g} TFLOP | steps/s | targets/s | times eager float32 |"
        " TFLOP/s | of the matrix product's |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, each in seconds.items():
        took = median(each)
        targets = config.batch_size * len(schedule_of(config))
        lines.append(
            f"| {name} | {1 / took:.3g} | {targets / took:.3g} | {base / took:.2f} |"
            f" {tflop / took:.3g} | {tflop / took / peak_tflops:.0%} |"
        )
    return "\n".join(lines) + "\n"


def count_tflop(config: TrainConfig) -> float:
    """10¹² operations of one step."""
    parts = count_parts(config.model)
    if not config.weights.perceptual:
        parts["VGG16 to relu4_3"] = 0.0
    return iteration_gflop(parts, config.discriminator_steps) * config.batch_size / 1e3


def wait_line(trainer: Trainer, shards: Path, workers: int | None, steps: int) -> str:
    """Train on a real dataset, through the real loader, and say how long it waited."""
    config, dataset = trainer.config, open_dataset(shards)
    planner = BatchPlanner(
        dataset.videos("train"),
        dataset.bank_from,
        batch_size=config.batch_size,
        frames_per_video=config.frames_per_video,
        bank_size=config.model.bank_size,
        seed=config.seed,
    )
    if workers is None:
        workers = default_workers(trainer.processes)
    warm = 3
    pin = trainer.device.type == "cuda"
    count = (warm + steps) * trainer.batches_per_step
    with closing(batches(BatchDataset(planner.plan), 0, count, workers=workers, pin_memory=pin)) as source:
        timer = WaitTimer(source)
        for _ in itertools.repeat(None, warm):
            trainer.step(timer).checked()
        waited, begun = timer.seconds, time.perf_counter()
        unread = None
        for _ in itertools.repeat(None, steps):
            losses = trainer.step(timer)
            if unread is not None:
                unread.checked()  # a step late, as in training: the device is never waited for
            unread = losses
        _seconds(trainer.device)
        took = time.perf_counter() - begun
    share = (timer.seconds - waited) / took
    return (
        f"with the loader ({workers} processes, storage {dataset.config.get('storage', 'unknown')}):"
        f" {steps / took:.3g} steps/s, {share:.1%} of the time waiting for it"
    )


def build_parser() -> argparse.ArgumentParser:
    """The command's flags; the defaults are the paper's."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_step",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one")
    add("--image-size", type=int, default=224, help="default 224")
    add("--base-channels", type=int, default=64, help="default 64")
    add("--batch-size", type=int, default=16, help="targets (default 16)")
    add("--perceptual-weight", type=float, default=1.0, help="λ_p; 0 leaves VGG16 out (default 1)")
    add("--turns", type=int, default=10, help="steps of each setting that count (default 10)")
    add("--compile", action=argparse.BooleanOptionalAction, default=True, help="measure torch.compile too")
    add("--shards", type=Path, help="a finished dataset: measure the wait for the loader too")
    add("--workers", type=int, help="loader processes (default: as training chooses)")
    add("--seed", type=int, default=0, help="of the drawn batches (default 0)")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
