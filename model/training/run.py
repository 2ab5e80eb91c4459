"""A training run from its first (or next) step to its last: loader, checkpoints, pictures, signals."""

from __future__ import annotations

import math
import signal
import time
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from model.checkpoint import CONFIG_FILE, FOLDER, load_latest, save_checkpoint
from model.config import TrainConfig
from model.data.batch import Batch, PreparedBatch
from model.data.loader import BatchDataset, batches
from model.data.sampler import BatchPlanner
from model.network.perceptual import PerceptualFeatures
from model.networks import checkpoint_config
from model.presets import PRESETS
from model.setting import to_dict
from model.signals import StopRequest, watched_signals
from model.training.distributed import Processes
from model.training.monitor import Monitor, WaitTimer, write_run_config
from model.training.progress_pictures import draw_examples, example_batch
from model.training.step import StepLosses, Trainer
from pipeline import locks, log
from pipeline.cli import printable
from pipeline.errors import DatasetError, InputError
from pipeline.files import has_no_link, read_json
from pipeline.interrupts import INTERRUPTED
from pipeline.run_file import RUN_FILE, write_run_file
from pipeline.shards import Dataset

EXIT_DIVERGED = 76
EXIT_PREEMPTED = 75  # EX_TEMPFAIL of sysexits.h: not done, run again with --resume
TRAIN_SPLIT = "train"
LOCK_FILE = ".lock"
PATIENCE_SECONDS = 10.0  # what the processes of a training that was killed may take to be gone
RUN_FILE_TOLD = "All that this run uses, for flnet train --config; --resume of this run reads it by itself."
WARM_SECONDS = 30.0  # of a first step, from which on it is no matter of starting up: else the second one is timed
LONG_HOURS = 4.0  # of a training on a CPU, from which on the user is told of it
CONCERN_SHARE = 0.05  # of the steps, after which a recipe may say that something goes wrong
# Settings that say how a run is carried out. All others must be the checkpoint's when a run is resumed.
FREE_SETTINGS = frozenset(
    ("steps", "accumulation_steps", "compile", "checkpoint_every", "keep_checkpoints", "picture_every", "log_every")
)


@dataclass(frozen=True)
class Run:
    """What a training run is made of.

    Attributes:
        folder: the run folder.
        dataset: the opened dataset.
        config: the settings that results depend on, and how often to save and draw.
        workers: loader processes; 0 reads in the training process.
        resume: go on from the folder's newest sound checkpoint, if it has one.
        table: all that was said, as `run.toml` has it.
    """

    folder: Path
    dataset: Dataset
    config: TrainConfig
    workers: int
    resume: bool
    table: Mapping[str, Any] = field(default_factory=dict)


def train(run: Run, processes: Processes, features: PerceptualFeatures | None) -> int:
    """Train until `config.steps` generator steps are done.

    Returns:
        0; `EXIT_PREEMPTED` after SIGTERM or SIGUSR1, `INTERRUPTED` after Ctrl-C (the state is saved then).

    Raises:
        InputError: the run folder, or the checkpoint in it, does not fit.
        DatasetError: a shard cannot be read.
        DivergenceError: a loss is no number or beyond all bounds; no checkpoint is written of that.
    """
    planner = make_planner(run, processes)
    if processes.is_main:
        claim_run_folder(run)
        if planner.crowded_speakers:
            log.note(
                f"{planner.crowded_speakers} speakers have so few videos that a batch of {planner.groups_per_batch} "
                "videos can hold all of them: their banks are then of another target's video"
            )
    processes.wait_for_all()
    trainer = Trainer(run.config, processes, features)
    if not (run.resume and _restore(run, trainer)):
        trainer.recipe.fit(run.dataset)
    if processes.is_main:
        write_run_config(run.folder, to_dict(run.config), describe_dataset(run.dataset))
        if run.table:
            write_run_file(run.folder / RUN_FILE, "train", run.table, RUN_FILE_TOLD)
        for warning in run.dataset.warnings:
            log.warn(printable(warning))
    # Listen before the helper processes start, so that a signal during the first seconds is not fatal either.
    with watched_signals() as stop:
        return _Session(run, trainer, planner, stop).run()


class Pace:
    """Times the first steps of a training until one tells how long the others will take."""

    def __init__(self) -> None:
        self._began, self._waited, self._steps = time.perf_counter(), 0.0, 0

    def step(self, waited_seconds: float) -> float | None:
        """After each step: the seconds that it took without waiting for batches; None where that tells nothing yet.

        Args:
            waited_seconds: for batches, since the beginning.
        """
        now = time.perf_counter()
        seconds = now - self._began - (waited_seconds - self._waited)
        self._began, self._waited, self._steps = now, waited_seconds, self._steps + 1
        return seconds if self._steps > 1 or seconds > WARM_SECONDS else None


def forecast(seconds: float, steps: int, is_small: bool = False) -> str:
    """What the user should know of a training on a CPU whose steps take so long, if it will take hours.

    Args:
        seconds: that a step takes.
        steps: still to do.
        is_small: the network is no larger than that of --preset cpu.
    """
    hours = seconds * steps / 3600
    if hours < LONG_HOURS or not steps:
        return ""
    whole = f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"
    else_ = "fewer --steps" if is_small else "have a small network in minutes with --preset cpu"
    return (
        f"a step takes {seconds:.1f} s on this CPU: the {steps} steps to come will take about {whole}; use a GPU, or "
        f"{else_} (Ctrl-C saves and stops)"
    )


def make_planner(run: Run, processes: Processes) -> BatchPlanner:
    """The run's batches, or rather this process's part of them."""
    config = run.config
    return BatchPlanner(
        run.dataset.videos(TRAIN_SPLIT),
        run.dataset.bank_from,
        batch_size=config.batch_size,
        frames_per_video=config.frames_per_video,
        bank_size=config.model.bank_size,
        seed=config.seed,
        augment=config.augment,
        rank=processes.rank,
        world_size=processes.world_size,
    )


def claim_run_folder(run: Run) -> None:
    """Make the run folder, and keep others out of it while this process lives.

    Raises:
        InputError: somebody is training in it; it holds something, and the user did not ask to go on with it; or what
            it holds is no run.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    if not locks.take(run.folder / LOCK_FILE, shared=False, patience_seconds=PATIENCE_SECONDS):
        raise InputError(f"{run.folder}: another training is at work in this folder; let it end, or give another --out")
    if not any(path.name != LOCK_FILE for path in run.folder.iterdir()):
        return
    if not run.resume:
        raise InputError(f"{run.folder}: the run folder is not empty; give --resume to go on, or another --out")
    if not (run.folder / CONFIG_FILE).is_file():
        raise InputError(f"{run.folder}: holds files but no {CONFIG_FILE} of a run; give another --out")
    if not has_no_link(run.folder, run.folder / FOLDER):
        raise InputError(
            f"{run.folder / FOLDER}: must be no link, checkpoints would lie elsewhere; link the whole folder"
        )


def flattened(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with those of nested classes among them."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def describe_dataset(dataset: Dataset) -> dict[str, Any]:
    """What a run notes about its data."""
    return {
        "root": str(dataset.root),
        "digest": dataset.digest,
        "corpus": dataset.corpus,
        "bank_from": dataset.bank_from,
        "config": dataset.config,  # how to crop a clip for this network: `model.animation.crop_settings`
    }


def _restore(run: Run, trainer: Trainer) -> bool:
    """Go on from the newest checkpoint; whether there was one."""
    found = load_latest(run.folder)
    if found is None:
        if trainer.processes.is_main:
            log.note(f"{run.folder}: no checkpoint to resume from, starting at step 0")
        return False
    path, payload = found
    missing = {"config", "dataset_digest", "step"} - payload.keys()
    if missing:
        raise InputError(f"{path}: not a training run's checkpoint, it lacks {', '.join(sorted(missing))}")
    # The same data and the same protocol: else the steps so far would be another run's.
    if payload["dataset_digest"] != run.dataset.digest:
        raise InputError(
            f"{path}: was trained on another dataset ({str(payload['dataset_digest'])[:12]}…, --shards has "
            f"{run.dataset.digest[:12]}…); give the same --shards, or another --out"
        )
    before = _banks_before(run)
    if before not in (None, run.dataset.bank_from):
        raise InputError(
            f"{path}: was trained with banks from '{before}' videos, --shards now says '{run.dataset.bank_from}'; "
            f"build with --bank-from {before}, or give another --out"
        )
    # Through the classes: a checkpoint from before a setting was there has its default.
    there, wanted = (to_dict(config) for config in (checkpoint_config(payload, path), run.config))
    free = FREE_SETTINGS if run.config.decay_share == 0 else FREE_SETTINGS - {"steps"}  # the rate depends on them
    then, now = (flattened({key: each[key] for key in each if key not in free}) for each in (there, wanted))
    differing = [f"{key} {then.get(key)!r} there, {now[key]!r} now" for key in now if then.get(key) != now[key]]
    if differing:
        raise InputError(f"{path}: other settings ({'; '.join(differing)}); give the same, or another --out")
    try:
        trainer.load_state_dict(payload)
    except (RuntimeError, TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: its state does not fit its own settings ({reason}); use an earlier one") from error
    return True


def _banks_before(run: Run) -> str | None:
    """Where the run took its banks from so far; None where that was not noted."""
    try:
        return str(read_json(run.folder / CONFIG_FILE)["dataset"]["bank_from"])
    except (OSError, DatasetError, KeyError, TypeError):
        return None


class _Session:
    """The loop, and what it saves and draws on its way."""

    def __init__(self, run: Run, trainer: Trainer, planner: BatchPlanner, stop: StopRequest) -> None:
        self.run_settings = run
        self.config = run.config
        self.trainer = trainer
        self.processes = trainer.processes
        self.planner = planner
        self.stop = stop
        # On a GPU the losses of a step are read while the next one runs, so that the GPU never waits for that.
        self.unread: deque[StepLosses] = deque()
        self.most_unread = 1 if trainer.device.type == "cuda" else 0
        self.monitor: Monitor | None = None
        self.examples: PreparedBatch | None = None

    def run(self) -> int:
        first, last = self.trainer.step_count, self.config.steps
        if first >= last:
            if self.processes.is_main:
                print(f"{self.run_settings.folder}: {first} steps are done, --steps {last} asks for no more")
            return 0
        with closing(self._batches(first, last)) as source:
            if not self.processes.is_main:
                return self._loop(WaitTimer(source))
            self.examples = example_batch(self.run_settings.dataset, self.config.model, self.trainer.device)
            with Monitor(
                self.run_settings.folder,
                first_step=first,
                steps=last,
                log_every=self.config.log_every,
                targets_per_step=self.config.batch_size,
                device=self.trainer.device,
            ) as self.monitor:
                return self._loop(WaitTimer(source))

    def _batches(self, first_step: int, last_step: int) -> Generator[Batch, None, None]:
        per_step = self.trainer.batches_per_step
        return batches(
            BatchDataset(self.planner.plan),
            first_step * per_step,
            last_step * per_step,
            workers=self.run_settings.workers,
            pin_memory=self.trainer.device.type == "cuda",
        )

    def _loop(self, source: WaitTimer[Batch]) -> int:
        pace = Pace() if self.processes.is_main and self.trainer.device.type == "cpu" else None
        while self.trainer.step_count < self.config.steps:
            losses = self.trainer.step(source)
            step = losses.step
            if pace is not None and (seconds := pace.step(source.seconds)) is not None:
                self._forecast(seconds, self.config.steps - step)
                pace = None
            stopping = self._agreed_to_stop()
            ending = step == self.config.steps or stopping
            saving = step % self.config.checkpoint_every == 0 or ending
            drawing = step % self.config.picture_every == 0 or ending
            self.unread.append(losses)
            # Nothing is saved or drawn of a step that has diverged: its losses are read before.
            self._read_losses(0 if saving or drawing else self.most_unread, source.seconds, ending=ending)
            if drawing:
                self._draw(step)
            if saving:
                self._save()
            if stopping and step < self.config.steps:
                return self._report_stop(step)
        return 0

    def _read_losses(self, left: int, waited_seconds: float, *, ending: bool) -> None:
        """Check and log the oldest steps' losses until `left` are unread; `ending`: the newest are the run's last."""
        while len(self.unread) > left:
            losses = self.unread.popleft()
            terms = losses.checked()
            self._warn(losses.step, terms)
            if self.monitor is not None:
                self.monitor.add(losses.step, terms, waited_seconds, last=ending and not self.unread)

    def _forecast(self, seconds: float, steps: int) -> None:
        cpu = PRESETS["cpu"]
        told = forecast(seconds, steps, self.config.model.image_size <= cpu["image_size"])
        if told:
            log.warn(told)

    def _warn(self, step: int, terms: dict[str, float]) -> None:
        """Say once, early on, what the recipe finds wrong with the losses."""
        if step == math.ceil(self.config.steps * CONCERN_SHARE) and self.processes.is_main:
            concern = self.trainer.recipe.concern(terms)
            if concern:
                log.warn(f"after {step} steps {concern}")

    def _agreed_to_stop(self) -> bool:
        """Whether any process has had a signal: all of them must leave after the same step."""
        if self.processes.world_size == 1:
            return bool(self.stop)
        # A CPU tensor travels by gloo: no GPU has to finish its work for this.
        return self.processes.average(torch.tensor(float(bool(self.stop)))).item() > 0

    def _draw(self, step: int) -> None:
        if self.monitor is not None and self.examples is not None:
            self.monitor.picture(step, draw_examples(self.trainer.recipe.generator, self.examples))

    def _save(self) -> None:
        if self.processes.is_main:
            payload = {
                **self.trainer.state_dict(),
                "config": to_dict(self.config),
                "dataset_digest": self.run_settings.dataset.digest,
            }
            save_checkpoint(self.run_settings.folder, payload, self.config.keep_checkpoints)

    def _report_stop(self, step: int) -> int:
        if self.processes.is_main:
            name = self.stop.signal.name if self.stop.signal else "a signal to another process"
            folder = printable(str(self.run_settings.folder))
            log.warn(f"stopped by {name} after step {step}, saved; go on with flnet train --resume {folder}")
        return INTERRUPTED if self.stop.signal == signal.SIGINT else EXIT_PREEMPTED
