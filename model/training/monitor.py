"""What a run leaves for its user to watch: config.json, metrics.csv, TensorBoard events, picture grids, progress."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import torch
from torch.utils.tensorboard import SummaryWriter

from model.checkpoint import CONFIG_FILE
from model.pictures import Pixels, save_picture
from pipeline import log
from pipeline.files import atomic_write

METRICS_FILE = "metrics.csv"
_PACKAGES = ("torch", "numpy", "h5py", "hdf5plugin", "flnet")
_GIB = 2**30

Item = TypeVar("Item")


class WaitTimer(Iterator[Item]):
    """Passes an iterator through and adds up the seconds spent waiting for it.

    A GPU works on what is queued meanwhile, so its own idle time is at most this.
    """

    def __init__(self, source: Iterator[Item]) -> None:
        self._source = source
        self.seconds = 0.0

    def __next__(self) -> Item:
        began = time.perf_counter()
        try:
            return next(self._source)
        finally:
            self.seconds += time.perf_counter() - began


class Monitor:
    """Writes a run's curves and pictures. Use as a context manager; one per run, in the main process.

    Args:
        run_folder: exists.
        first_step: steps already done; rows and events beyond them (of a run that was killed after its last
            checkpoint) are dropped, since those steps are about to be done again.
        steps: generator steps in all.
        log_every: a row of metrics.csv is the mean over this many steps.
        targets_per_step: images of the generator's batch, for the throughput.
        device: whose memory is reported.
    """

    def __init__(
        self,
        run_folder: Path,
        *,
        first_step: int,
        steps: int,
        log_every: int,
        targets_per_step: int,
        device: torch.device,
    ) -> None:
        self.run_folder = run_folder
        self.log_every = log_every
        self.targets_per_step = targets_per_step
        self.device = device
        self._terms: list[dict[str, float]] = []
        self._began = time.perf_counter()
        self._waited = 0.0
        self._metrics = run_folder / METRICS_FILE
        _drop_rows_after(self._metrics, first_step)
        self._events = SummaryWriter(str(run_folder / "tensorboard"), purge_step=first_step + 1)
        self._bar = log.progress(what="training", total=steps, initial=first_step, unit="steps")

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        self._events.close()

    def add(self, step: int, terms: dict[str, float], waited_seconds: float, *, last: bool = False) -> None:
        """Take in one finished step.

        Args:
            step: its number, from 1.
            terms: the loss terms by symbol.
            waited_seconds: the time that this process has waited for its loader since the run began.
            last: write a row now, however few steps it covers.
        """
        self._terms.append(terms)
        self._bar.update()
        if step % self.log_every == 0 or last:
            self._write(step, waited_seconds)

    def picture(self, step: int, pixels: Pixels) -> None:
        """Keep a picture grid as PNG and in TensorBoard."""
        save_picture(self.run_folder / "grids" / f"step-{step:08d}.png", pixels)
        self._events.add_image("examples", pixels, step, dataformats="HWC")

    def _write(self, step: int, waited_seconds: float) -> None:
        now = time.perf_counter()
        elapsed = max(now - self._began, 1e-9)
        steps = len(self._terms)
        means = {name: sum(terms[name] for terms in self._terms) / steps for name in self._terms[0]}
        losses = {name: value for name, value in means.items() if _is_loss(name)}
        maps = {name: value for name, value in means.items() if not _is_loss(name)}
        speed = {
            "steps_per_second": steps / elapsed,
            "targets_per_second": steps * self.targets_per_step / elapsed,
            "loader_wait_share": min((waited_seconds - self._waited) / elapsed, 1.0),
            "gpu_memory_gib": _peak_memory_gib(self.device),
        }
        _append_row(self._metrics, {"step": step, **losses, **maps, **speed})
        for group, values in (("loss", losses), ("maps", maps), ("speed", speed)):
            for name, value in values.items():
                self._events.add_scalar(f"{group}/{name}", value, step)
        shown = {name: f"{losses[name]:.4g}" for name in ("total", "L_rec_o") if name in losses}
        self._bar.set_postfix(shown, refresh=False)
        self._terms, self._began, self._waited = [], now, waited_seconds


def write_run_config(run_folder: Path, config: dict[str, Any], dataset: dict[str, Any]) -> None:
    """Write config.json: the run's settings, its dataset and the versions of what it runs on."""
    contents = {"config": config, "dataset": dataset, "versions": package_versions()}
    with atomic_write(run_folder / CONFIG_FILE) as partial:
        partial.write_text(json.dumps(contents, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on; a package that is absent is left out."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _is_loss(name: str) -> bool:
    """Symbols of losses begin with L; what else a recipe tells is of the network's maps."""
    return name == "total" or name.startswith("L_")


def _append_row(path: Path, row: dict[str, float]) -> None:
    is_new = not path.is_file() or path.stat().st_size == 0
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        if is_new:
            writer.writerow(row)
        writer.writerow(value if isinstance(value, int) else f"{value:.9g}" for value in row.values())


def _drop_rows_after(path: Path, step: int) -> None:
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = [*csv.reader(stream)] or [[]]
    # A kill may have cut the last row short.
    kept = [row for row in rows if len(row) == len(header) and int(row[0]) <= step]
    with atomic_write(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *kept] if header else [])


def _peak_memory_gib(device: torch.device) -> float:
    return torch.cuda.max_memory_allocated(device) / _GIB if device.type == "cuda" else 0.0
