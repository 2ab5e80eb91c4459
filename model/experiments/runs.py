"""The files of an experiment: run folders and what lies beside them, and what was measured."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.files import atomic_write

MEASURED_FOLDER = "measured"
# Left out of what is kept of an evaluation: single frames, and other networks.
_NOT_KEPT = ("examples", "compared")


@dataclass(frozen=True, order=True)
class RunFolder:
    """A training's run folder, `<out>/<corpus>/<training>-<seed>/`, and the files beside it."""

    out: Path
    corpus: str
    training: str
    seed: int

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.corpus}/{self.training}-{self.seed}"

    @property
    def folder(self) -> Path:
        """Of `model.train`."""
        return self.out / self.name

    def beside(self, ending: str) -> Path:
        """A file beside it."""
        return self.folder.with_name(f"{self.folder.name}{ending}")

    @property
    def diverged_file(self) -> Path:
        """That says so, where it did."""
        return self.beside(".diverged.json")

    @property
    def diverged(self) -> str | None:
        """What the training said when it diverged, where it did."""
        path = self.diverged_file
        return str(json.loads(path.read_text(encoding="utf-8"))["message"]) if path.is_file() else None

    @property
    def steps(self) -> int | None:
        """All steps of the run, once it has begun."""
        try:
            contents = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return int(contents["config"]["steps"])

    @property
    def last_checkpoint(self) -> Path:
        """The file that the training ends with."""
        return self.folder / "checkpoints" / f"step-{self.steps or 0:08d}.pt"

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to train. Checkpoints have their name when they are complete."""
        return self.diverged_file.is_file() or (self.steps is not None and self.last_checkpoint.is_file())

    @property
    def metrics(self) -> list[dict[str, str]]:
        """The rows of metrics.csv."""
        try:
            with (self.folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
                return [row for row in csv.DictReader(file) if None not in row.values()]
        except OSError:
            return []

    @property
    def hours(self) -> float:
        """That the steps have taken, without starting up, saving and drawing."""
        seconds, before = 0.0, 0
        for row in self.metrics:
            step, rate = int(row["step"]), float(row["steps_per_second"])
            seconds += (step - before) / rate if rate else 0.0
            before = step
        return seconds / 3600

    @property
    def done_share(self) -> float:
        """How much of the training is done, in [0, 1]."""
        if self.ended:
            return 1.0
        rows, steps = self.metrics, self.steps
        return min(int(rows[-1]["step"]) / steps, 1.0) if rows and steps else 0.0


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        results: by corpus, row and seed: what `model.evaluate` wrote, and "hours".
        diverged: what the runs that did so said, by "corpus/row-seed".
    """

    results: Mapping[str, Mapping[str, Mapping[int, dict[str, Any]]]] = field(default_factory=dict)
    diverged: Mapping[str, str] = field(default_factory=dict)


def measured_file(out: Path, corpus: str, row: str, seed: int) -> Path:
    """What was measured of a row: complete, once it is there."""
    return out / corpus / MEASURED_FOLDER / f"{row}-{seed}.json"


def read_measured(out: Path, request: Mapping[str, Any]) -> Measured:
    """All that was asked for; runs that diverged have no results."""
    results: dict[str, dict[str, dict[int, dict[str, Any]]]] = {}
    diverged: dict[str, str] = {}
    for corpus in request["corpora"]:
        for row in request["rows"]:
            for seed in request["seeds"]:
                path = measured_file(out, corpus, row, seed)
                found = json.loads(path.read_text(encoding="utf-8"))
                if "diverged" in found:
                    diverged[f"{corpus}/{row}-{seed}"] = found["diverged"]
                else:
                    results.setdefault(corpus, {}).setdefault(row, {})[seed] = found
    return Measured(results, diverged)


def read_result(folder: Path, split: str) -> dict[str, Any]:
    """What `model.evaluate` wrote into a folder, without single frames."""
    found = json.loads((folder / f"{split}.json").read_text(encoding="utf-8"))
    return {name: value for name, value in found.items() if name not in _NOT_KEPT}


def write_json(path: Path, contents: Mapping[str, Any]) -> None:
    """Complete or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(contents, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
