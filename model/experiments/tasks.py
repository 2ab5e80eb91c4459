"""The experiments as Luigi tasks: a training, a measurement, and the tables that consist of them."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import shlex
from functools import cached_property
from pathlib import Path
from typing import Any

import luigi

from model.experiments.child import FLNET, CommandError, last_words, locked, run_command
from model.experiments.plan import ABLATION_CLAIMS, ABLATIONS, TABLE1_CLAIMS, Row, chosen_rows, varied_row
from model.experiments.progress import Progress
from model.experiments.report import write_tables
from model.experiments.runs import RunFolder, measured_file, read_measured, read_result, write_json
from model.experiments.setup import Setup, check_variations, claim, load_setup, open_corpora
from model.networks import NETWORKS, kind_of
from pipeline.child_process import end_with_parent
from pipeline.errors import FlnetError, InputError
from pipeline.run_file import RUN_FILE, task_table, write_run_file

RUN_FILE_TOLD = "All that this experiment was asked for with; flnet takes it with --config."
EXIT_DIVERGED, EXIT_PREEMPTED = 76, 75  # of model.train, which is not imported: scheduling needs no torch


class ExperimentError(FlnetError):
    """The tables are written, but something in them is missing."""


class _Done(luigi.Target):  # type: ignore[misc]
    """A target that exists when a check says so: complete files, not merely present ones."""

    def __init__(self, path: Path, check: Any) -> None:
        self.path = path
        self._check = check

    def exists(self) -> bool:
        return bool(self._check())


class _OfOneRun(luigi.Task):  # type: ignore[misc]
    """What belongs to one run of one training: it needs a GPU (or what stands for one) to itself."""

    resources = {"gpu": 1}  # noqa: RUF012 - Luigi's

    out = luigi.Parameter(description="folder of the experiment")
    corpus = luigi.Parameter(description="name of a dataset")
    seed = luigi.IntParameter(description="of the run")
    device = luigi.Parameter(default="auto", significant=False, description="auto, cpu or cuda")
    loader_workers = luigi.OptionalIntParameter(default=None, significant=False, description="loader processes")
    checkpoint_every = luigi.IntParameter(default=1000, significant=False, description="steps")
    threads = luigi.IntParameter(default=1, significant=False, description="on the CPU")

    @property
    def priority(self) -> float:
        """Of Luigi, which heeds none below 0: lower seeds of everything first, for a whole table as early as can be."""
        return 1 / (1 + int(self.seed))

    @cached_property
    def _setup(self) -> Setup:
        return load_setup(Path(self.out))

    def _run_folder(self, training: str) -> RunFolder:
        return RunFolder(Path(self.out), self.corpus, training, self.seed)

    @property
    def _machine(self) -> list[str]:
        workers = [] if self.loader_workers is None else ["--workers", str(self.loader_workers)]
        return ["--device", self.device, *workers]

    def _live_with_luigi(self) -> None:
        worker = multiprocessing.parent_process()
        if worker is not None:  # Luigi forked us; do not outlive it when it is killed
            end_with_parent(worker.pid or 0)


class TrainRun(_OfOneRun):
    """Trains a network, from its last checkpoint if there is one; complete with its last one, or when it diverged."""

    training = luigi.Parameter(description="its name, as of the run folder")

    def output(self) -> luigi.Target:
        run = self._run_folder(self.training)
        return _Done(run.folder, lambda: run.ended)

    def run(self) -> None:
        self._live_with_luigi()
        run = self._run_folder(self.training)
        with locked(run.beside(".lock")) as lock:
            if run.ended:  # by whoever held the lock
                return
            command = self._setup.train_command(
                self.corpus, self._setup.trainings[self.training], self.seed, run.folder
            )
            command += [*self._machine, "--checkpoint-every", str(self.checkpoint_every)]
            log = run.beside(".log")
            status = run_command([*FLNET, "train", *command], log, self.threads, lock)
        if status == EXIT_DIVERGED:
            write_json(run.diverged_file, {"message": last_words(log)})
        elif status == EXIT_PREEMPTED:
            raise CommandError(f"{run.folder}: the training was stopped and saved; run again to go on")
        elif status:
            raise CommandError(f"{run.folder}: training failed with status {status}: {last_words(log)} (all in {log})")


class MeasureRun(_OfOneRun):
    """Measures a row of a table: a training's last checkpoint on the test split."""

    row = luigi.Parameter(description="its key")

    @property
    def _row(self) -> Row:
        return self._setup.rows[self.row]

    def requires(self) -> TrainRun:
        shared = ("out", "corpus", "seed", "device", "loader_workers", "checkpoint_every", "threads")
        values = {name: getattr(self, name) for name in shared}
        return TrainRun(training=self._row.training.name, **values)

    def output(self) -> luigi.Target:
        return luigi.LocalTarget(str(measured_file(Path(self.out), self.corpus, self.row, self.seed)))

    def run(self) -> None:
        self._live_with_luigi()
        run = self._run_folder(self._row.training.name)
        path = Path(self.output().path)
        if run.diverged is not None:
            write_json(path, {"diverged": run.diverged})
            return
        folder = path.with_suffix("")
        command = self._setup.evaluate_command(self.corpus, self._row, run.last_checkpoint, folder)
        log = path.with_suffix(".log")
        status = run_command([*FLNET, "evaluate", *command, *self._machine], log, self.threads)
        if status:
            raise CommandError(f"{path}: measuring failed with status {status}: {last_words(log)} (all in {log})")
        result = read_result(folder, self._setup.corpora[self.corpus].split)
        write_json(path, {**result, "hours": run.hours})


class Experiment(luigi.Task):  # type: ignore[misc]
    """What both experiments share: flags, setup, and writing tables and a figure of what was measured."""

    retry_count = 1  # of Luigi: what this task finds wrong, another try does not mend
    progress: Progress | None = None
    name, figure, default_out = "", "", ""
    claims: tuple[tuple[str, ...], ...] = ()

    datasets = luigi.Parameter(default="", description="NAME=FOLDER of each dataset, with commas between")
    out = luigi.Parameter(default="", description="folder for all of it (default: the name of the experiment)")
    seeds = luigi.Parameter(default="0,1,2", description="of the runs, with commas between")
    steps = luigi.IntParameter(
        default=100_000, description="FLNet's; all other networks draw as many batches, six a step"
    )
    image_size = luigi.IntParameter(default=224, description="side of the images")
    base_channels = luigi.IntParameter(default=64, description="of all networks")
    batch_size = luigi.IntParameter(default=16, description="targets a batch")
    train_flags = luigi.Parameter(default="", description="further flags of model.train for all networks, in quotes")
    network_flags = luigi.DictParameter(
        default={}, description='further ones by network, as JSON: \'{"flnet": "--perceptual-weight 0"}\''
    )
    stride = luigi.IntParameter(default=1, description="measure every how many-th test frame")
    evaluate_flags = luigi.Parameter(default="", description="further flags of model.evaluate, in quotes")
    groups = luigi.Parameter(
        default="",
        significant=False,
        description="columns for the speakers of some names: NAME=PATTERN, with commas between; '!PATTERN' for others",
    )
    device = luigi.Parameter(default="auto", significant=False, description="auto, cpu or cuda")
    loader_workers = luigi.OptionalIntParameter(
        default=None, significant=False, description="loader processes of a run"
    )
    checkpoint_every = luigi.IntParameter(default=1000, significant=False, description="steps")
    at_once = luigi.IntParameter(
        default=1, significant=False, description="trainings at once here, without luigid; luigid has [resources] gpu"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # At once: bad flags end the command before anything is scheduled.
        self.root = Path(self.out or self.default_out)
        self.seed_list = [_whole_number("--seeds", word) for word in _words(self.seeds)]
        self.rows = self.chosen_rows()
        if not self.rows or not self.seed_list or self.at_once < 1:
            raise InputError("nothing to do: name networks, protocols, seeds and --at-once that there are")
        self.corpora = open_corpora(self.datasets)
        flags = {kind: tuple(shlex.split(words)) for kind, words in self.network_flags.items()}
        for kind in flags:
            kind_of(kind)
        self.setup = claim(
            self.root,
            Setup(
                steps=self.steps,
                image_size=self.image_size,
                base_channels=self.base_channels,
                batch_size=self.batch_size,
                train_flags=tuple(shlex.split(self.train_flags)),
                network_flags=flags,
                stride=self.stride,
                evaluate_flags=tuple(shlex.split(self.evaluate_flags)),
                corpora=self.corpora,
                variations=self.chosen_variations(),
            ),
        )
        # The local scheduler is made after this, and reads it.
        resources = luigi.configuration.get_config()
        if not resources.has_option("resources", "gpu"):
            resources.set("resources", "gpu", str(self.at_once))

    def chosen_rows(self) -> list[Row]:
        """The rows of the table."""
        raise InputError(f"{self.task_family} is no experiment itself: use Table1 or Ablations")

    def chosen_variations(self) -> dict[str, tuple[str, ...]]:
        """Flags of `model.train` by name of each variation that is not the paper's."""
        return {}

    def is_drawn(self, _row: Row) -> bool:
        """Whether the figure shows a row's network."""
        return True

    def requires(self) -> list[MeasureRun]:
        threads = max(1, (os.cpu_count() or 1) // self.at_once)
        return [
            MeasureRun(
                out=str(self.root),
                corpus=corpus,
                seed=seed,
                row=row.key,
                device=self.device,
                loader_workers=self.loader_workers,
                checkpoint_every=self.checkpoint_every,
                threads=threads,
            )
            for seed in self.seed_list
            for corpus in self.corpora
            for row in self.rows
        ]

    def output(self) -> luigi.Target:
        return _Done(self.root / f"{self.name}.json", self._is_written)

    def _is_written(self) -> bool:
        """Whether the tables are there, of all that is asked for, and nothing in them is missing."""
        path = self.root / f"{self.name}.json"
        if not (path.is_file() and (self.root / f"figure{self.figure}.png").is_file()):
            return False
        there = json.loads(path.read_text(encoding="utf-8"))
        return bool(there["request"] == self.request and not there["diverged"])

    @property
    def request(self) -> dict[str, Any]:
        """What was asked for, as JSON holds it."""
        return {"corpora": list(self.corpora), "rows": [row.key for row in self.rows], "seeds": self.seed_list}

    def run(self) -> None:
        """Write the tables, whatever diverged; and fail if something did."""
        measured = read_measured(self.root, self.request)
        contents = {"request": self.request, "diverged": measured.diverged}
        groups = dict(word.split("=", 1) for word in _words(self.groups))
        told = write_tables(self.root / self.name, self.rows, measured, self.setup, self.claims, groups, contents)
        self._draw(self.seed_list[0])
        print(f"{told}\n{self.root}: {self.name}.md, {self.name}.json and figure{self.figure}.png are here")
        if measured.diverged:
            raise ExperimentError(
                f"{self.root / self.name}.md is written, but these diverged: {', '.join(measured.diverged)}; remove "
                "their run folders, .diverged.json and measured/ to try again"
            )

    def _draw(self, seed: int) -> None:
        """The figure, of the first seed's runs."""
        shards, checkpoints = [], []
        for name, corpus in self.corpora.items():
            trainings = dict.fromkeys(row.training.name for row in self.rows if self.is_drawn(row))
            runs = [RunFolder(self.root, name, training, seed) for training in trainings]
            sound = [f"{name}={run.folder}" for run in runs if run.diverged is None]
            shards += [f"{name}={corpus.shards}"] if sound else []
            checkpoints += sound
        if not shards:
            return
        command = ["--only", self.figure, "--shards", *shards, "--checkpoint", *checkpoints, "--out", str(self.root)]
        log = self.root / f"figure{self.figure}.log"
        status = run_command([*FLNET, "figures", *command, "--device", self.device], log, os.cpu_count() or 1)
        if status:
            raise CommandError(f"figure{self.figure}.png failed with status {status}: {last_words(log)} (all in {log})")


class Table1(Experiment):
    """Trains and measures FLNet, GANimation and X2Face, and writes table1.md, table1.json and figure3.png."""

    name, figure, default_out = "table1", "3", "table1"
    claims = TABLE1_CLAIMS

    networks = luigi.Parameter(default=",".join(NETWORKS), description="some of them, with commas between")
    protocols = luigi.Parameter(default="published,strong", description="rows as published, and as strong as they get")

    def chosen_rows(self) -> list[Row]:
        for network in _words(self.networks):
            kind_of(network)
        known = {name for kind in NETWORKS.values() for name in kind.protocols}
        for protocol in _words(self.protocols):
            if protocol not in known:
                raise InputError(f"--protocols must be some of {', '.join(sorted(known))}, got {protocol!r}")
        return chosen_rows(_words(self.networks), _words(self.protocols))

    def is_drawn(self, row: Row) -> bool:
        return not row.training.variation


class Ablations(Experiment):
    """Trains and measures FLNet and its ablations, and writes ablations.md, ablations.json and figure4.png."""

    name, figure, default_out = "ablations", "4", "ablations"
    claims = ABLATION_CLAIMS

    variations = luigi.DictParameter(
        default={}, description='further rows, FLNet with other flags, as JSON: \'{"guided": "--guide landmarks"}\''
    )

    def chosen_rows(self) -> list[Row]:
        return [*ABLATIONS, *map(varied_row, self.variations)]

    def chosen_variations(self) -> dict[str, tuple[str, ...]]:
        return check_variations(self.variations)

    def is_drawn(self, row: Row) -> bool:
        return row in ABLATIONS


@Experiment.event_handler(luigi.Event.DEPENDENCY_DISCOVERED)  # type: ignore[untyped-decorator]
def _announce(task: luigi.Task, _dependency: luigi.Task) -> None:
    """Luigi found something to do: show how far the trainings are from now on."""
    if isinstance(task, Experiment) and task.progress is None:
        runs = {
            RunFolder(task.root, corpus, row.training.name, seed)
            for corpus in task.corpora
            for row in task.rows
            for seed in task.seed_list
        }
        write_run_file(task.root / RUN_FILE, task.name, task_table(task), RUN_FILE_TOLD)
        task.progress = Progress(sorted(runs), task.setup.batches)
        task.progress.start()
        atexit.register(task.progress.stop)


@Experiment.event_handler(luigi.Event.DEPENDENCY_PRESENT)  # type: ignore[untyped-decorator]
def _nothing_to_do(task: luigi.Task) -> None:
    if isinstance(task, Experiment):
        print(f"{task.root / task.name}.md: complete already, nothing to do")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _whole_number(flag: str, word: str) -> int:
    if not word.isdecimal():
        raise InputError(f"{flag} must be whole numbers with commas between, got {word!r}")
    return int(word)
