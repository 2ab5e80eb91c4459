"""`python -m model.train` as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from model.checkpoint import checkpoint_path, list_checkpoints, load_checkpoint
from model.config import TrainConfig
from model.evaluate import main as evaluate
from model.networks import NETWORKS
from model.presets import PRESETS
from model.setting import to_table
from model.train import compiles_by_default, config_from, main, said, settings_table
from model.training.run import Pace, forecast
from model.training.step import Trainer
from pipeline.run_file import read_table, write_run_file
from pipeline.shards import open_dataset

SMALL = [
    "--image-size", "32", "--base-channels", "4", "--batch-size", "4", "--perceptual-weight", "0",
    "--discriminator-steps", "1", "--device", "cpu", "--workers", "0",
]  # fmt: skip


def train(dataset: Path, folder: Path, *flags: str) -> int:
    return main(["--shards", str(dataset), "--out", str(folder), *SMALL, *flags])


def metrics(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_two_steps_end_to_end(tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert train(tiny_dataset, run, "--steps", "2", "--log-every", "1", "--picture-every", "1") == 0
    assert str(run) in capsys.readouterr().out
    record = json.loads((run / "config.json").read_text())
    assert record["dataset"]["digest"] == open_dataset(tiny_dataset).digest
    assert record["config"]["model"]["image_size"] == 32
    assert {"python", "torch", "h5py"} <= record["versions"].keys()
    rows = metrics(run)
    assert [row["step"] for row in rows] == ["1", "2"]
    weighted = {
        "L_SV": 1, "L_TV_V": 1e-5, "L_TV_wm": 1e-5, "L_TV_ww": 1e-6, "L_rec_w": 250, "L_rec_o": 250, "L_adv": 1,
    }  # fmt: skip
    for row in rows:  # Eq. 17, row by row
        assert sum(factor * float(row[name]) for name, factor in weighted.items()) == pytest.approx(
            float(row["total"]), rel=1e-5
        )
    terms = {*weighted, "L_D", "total", "mask_entropy", "warp_length", "merge_mean", "merge_least"}
    assert terms | {"targets_per_second", "loader_wait_share", "gpu_memory_gib"} <= rows[0].keys()
    assert all(np.isfinite(float(row[name])) for row in rows for name in terms)
    assert any(path.name.startswith("events.out.tfevents") for path in (run / "tensorboard").iterdir())
    with Image.open(run / "grids" / "step-00000002.png") as grid:
        width = grid.width
    assert width == 4 + 10 * (112 + 4), "bank x 5, target, warped, appearance, merge mask, output"
    assert [path.name for path in list_checkpoints(run)] == ["step-00000002.pt"]
    assert load_checkpoint(list_checkpoints(run)[0])["step"] == 2


def test_a_batch_jobs_log_is_short(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.log.LINE_SECONDS", 1e6)
    assert train(tiny_dataset, tmp_path / "run", "--steps", "3", "--log-every", "1") == 0
    assert not [line for line in capsys.readouterr().err.splitlines() if line.startswith("training: ")]


def test_a_batch_jobs_log_has_the_losses(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.log.LINE_SECONDS", 0.0)
    assert train(tiny_dataset, tmp_path / "run", "--steps", "3", "--log-every", "1") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("training: ")]
    assert lines[-1].startswith("training: 3 of 3 steps")
    assert "total=" in lines[-1]


def test_resume_continues_the_record(tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert train(tiny_dataset, run, "--steps", "1", "--log-every", "1", "--resume") == 0
    assert "starting at step 0" in capsys.readouterr().err
    with (run / "metrics.csv").open("a") as stream:
        stream.write("7,1,1,1,1,1,1,1,1,1,1\n8,0.")  # what a killed run had done after its last checkpoint
    assert train(tiny_dataset, run, "--steps", "3", "--log-every", "1", "--resume") == 0
    assert [row["step"] for row in metrics(run)] == ["1", "2", "3"]
    assert train(tiny_dataset, run, "--steps", "3", "--resume") == 0
    assert "asks for no more" in capsys.readouterr().out


def test_a_run_from_before_there_were_other_networks_goes_on_and_is_measured(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert train(tiny_dataset, run, "--steps", "1") == 0
    payload = load_checkpoint(checkpoint_path(run, 1))
    record = json.loads((run / "config.json").read_text())
    for config in (payload["config"], record["config"]):
        del config["network"], config["decay"]
    torch.save(payload, checkpoint_path(run, 1))
    (run / "config.json").write_text(json.dumps(record))
    assert train(tiny_dataset, run, "--steps", "2", "--resume") == 0
    assert load_checkpoint(checkpoint_path(run, 2))["config"]["network"] == "flnet"
    flags = ["--shards", str(tiny_dataset), "--stride", "4", "--device", "cpu", "--workers", "0"]
    assert evaluate([*flags, "--checkpoint", str(checkpoint_path(run, 1))]) == 0
    assert json.loads((run / "evaluation" / "test.json").read_text())["network"] == "flnet"


def test_resume_alone_goes_on_with_the_runs_own_settings(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    flags = ["--steps", "2", "--ablation", "streams=warp", "--tv-weight", "3e-7"]
    assert train(tiny_dataset, run, *flags) == 0
    used = read_table(run / "run.toml", "train")
    assert (used["shards"], used["tv_weight"], used["device"]) == (str(tiny_dataset.resolve()), 3e-7, "cpu")
    assert {"preset", "out", "resume"}.isdisjoint(used)
    monkeypatch.chdir(tmp_path)
    for words in (["--resume", "run", "--steps", "3"], ["--resume", "--out", "run", "--steps", "4"]):
        assert main(words) == 0, capsys.readouterr().err
    assert [path.name for path in list_checkpoints(run)] == ["step-00000004.pt", "step-00000003.pt", "step-00000002.pt"]
    assert read_table(run / "run.toml", "train") == {**used, "steps": 4}
    capsys.readouterr()
    assert main(["--resume", "run"]) == 0
    assert "4 steps are done" in capsys.readouterr().out
    assert main(["--resume", "run", "--tv-weight", "1"]) == 1
    assert "other settings (tv 3e-07 there, 1.0 now)" in capsys.readouterr().err
    assert main(["--resume", "run", "--out", "other"]) == 1
    assert "name two run folders" in capsys.readouterr().err


def test_a_runs_file_begins_another_such_run(tiny_dataset: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert train(tiny_dataset, first, "--steps", "1", "--seed", "7", "--learning-rate", "0.0003") == 0
    assert main(["--config", str(first / "run.toml"), "--out", str(second)]) == 0
    assert (second / "run.toml").read_text() == (first / "run.toml").read_text()
    one, other = (load_checkpoint(list_checkpoints(run)[0]) for run in (first, second))
    assert one["config"] == other["config"]
    assert all(torch.equal(value, other["generator"][name]) for name, value in one["generator"].items())


def settings_of(words: list[str]) -> TrainConfig:
    """What a command's words come to, without training."""
    parser, all_words = said(words, "flnet train")
    return config_from(parser.parse_args(all_words), torch.device("cpu"))


def test_typed_goes_before_the_file_and_the_file_before_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text('[train]\npreset = "cpu"\nimage_size = 96\nsteps = 5\n[build.timit]\nout = "x"\n')
    settings = settings_of(["--shards", "x", "--config", str(path), "--steps", "7"])
    assert (settings.steps, settings.model.image_size, settings.model.base_channels) == (7, 96, 16)
    assert settings_of(["--shards", "x", "--config", str(path), "--preset", "paper"]).model.base_channels == 64


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fits_every_network(network: str, preset: str) -> None:
    settings = settings_of(["--shards", "x", "--network", network, "--preset", preset])
    kind = NETWORKS[network]
    given = {**to_table(settings, kind.unused), **to_table(settings.model), **to_table(settings.weights)}
    assert {key: given[key] for key in PRESETS[preset].keys() & given.keys()} == {
        key: value for key, value in PRESETS[preset].items() if key in given
    }
    if preset == "paper":
        assert settings == settings_of(["--shards", "x", "--network", network])


@pytest.mark.parametrize("network", NETWORKS)
def test_a_runs_file_says_all_that_decides_its_result(network: str, tmp_path: Path) -> None:
    words = [
        "--shards",
        str(tmp_path),
        "--network",
        network,
        "--seed",
        "3",
        "--batch-size",
        "6",
        "--learning-rate",
        "1e-7",
    ]
    parser, all_words = said(words, "flnet train")
    args = parser.parse_args(all_words)
    settings = config_from(args, torch.device("cpu"))
    write_run_file(tmp_path / "run.toml", "train", settings_table(args, settings))
    assert settings_of(["--config", str(tmp_path / "run.toml")]) == settings


def test_a_long_training_on_a_cpu_is_foretold(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert forecast(197, 99_999) == (
        "a step takes 197.0 s on this CPU: the 99999 steps to come will take about 228 days; use a GPU, or have a "
        "small network in minutes with --preset cpu (Ctrl-C saves and stops)"
    )
    assert forecast(197, 99_999, is_small=True).endswith("use a GPU, or fewer --steps (Ctrl-C saves and stops)")
    assert forecast(197, 0) == ""
    assert "about 6 hours" in forecast(2, 10_000)
    assert forecast(2, 1000) == ""
    monkeypatch.setattr("model.training.run.LONG_HOURS", 0.0)
    assert train(tiny_dataset, tmp_path / "run", "--steps", "3") == 0
    assert capsys.readouterr().err.count("warning: a step takes") == 1


def test_starting_up_is_no_part_of_a_steps_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 25.0, 26.5, 100.0, 197.0])
    monkeypatch.setattr("model.training.run.time.perf_counter", lambda: next(now))
    pace = Pace()
    assert pace.step(5.0) is None  # 20 s, of which nobody knows what they were spent on
    assert pace.step(6.0) == 0.5
    assert Pace().step(0.0) == 97.0


def test_what_a_dataset_lacks_is_said_at_the_start(
    make_dataset: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = make_dataset(tmp_path / "out", train={"01M": 2}, test={})
    contents = json.loads((dataset / "dataset.json").read_text())
    contents |= {"splits": {"train": {"speakers": 1}}, "warnings": ["2 files that begin alike are in different splits"]}
    (dataset / "dataset.json").write_text(json.dumps(contents))
    assert train(dataset, tmp_path / "run", "--steps", "1") == 0
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert told == [
        "warning: 2 files that begin alike are in different splits",
        "warning: there is no test split: nothing can be measured on people whom the network has not seen",
        "warning: there is one speaker to train on: the network will know this face alone",
    ]


@pytest.mark.parametrize("ablation", ["bank=1", "bank=3,streams=warp", "streams=appearance"])
def test_ablations_train(tiny_dataset: Path, tmp_path: Path, ablation: str) -> None:
    assert train(tiny_dataset, tmp_path / "run", "--steps", "1", "--ablation", ablation) == 0
    model = json.loads((tmp_path / "run" / "config.json").read_text())["config"]["model"]
    assert model["bank_size"] == (int(ablation[5]) if ablation.startswith("bank") else 5)
    assert model["streams"] == (ablation.split("streams=")[1] if "streams" in ablation else "both")


@pytest.mark.parametrize(("flags", "message"), [
    (["--ablation", "bank=2"], "bank_size must be one of"),
    (["--ablation", "heads=2"], "--ablation must be"),
    (["--steps", "0"], "steps must be at least 1, got 0"),
    (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
    (["--image-size", "30"], "image_size must be a multiple of 4"),
    (["--seed", "-1"], "seed must be 0 or more, got -1"),
])  # fmt: skip
def test_a_wrong_flag_is_one_line(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert train(tiny_dataset, tmp_path / "run", "--steps", "1", *flags) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists(), "nothing is left behind"


def test_a_used_folder_or_a_missing_dataset_is_one_line(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert train(tiny_dataset, tmp_path, "--steps", "1") == 1
    assert "not empty" in capsys.readouterr().err
    assert train(tiny_dataset, tmp_path, "--steps", "1", "--resume") == 1
    assert "config.json" in capsys.readouterr().err
    assert train(tmp_path / "nowhere", tmp_path / "run", "--steps", "1") == 1
    assert "nowhere" in capsys.readouterr().err


def test_a_gpu_without_a_compiler_at_hand_is_no_obstacle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert not compiles_by_default(torch.device("cpu"))
    assert not capsys.readouterr().err
    assert not compiles_by_default(torch.device("cuda"))
    assert "needs a C compiler: slower" in capsys.readouterr().err


def test_a_full_gpu_is_one_line_with_the_way_out(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB.")

    monkeypatch.setattr(Trainer, "step", full)
    assert train(tiny_dataset, tmp_path / "run", "--steps", "1", "--accumulate", "2") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "--accumulate 4, and add --resume (OutOfMemoryError: CUDA out of memory. Tried to allocate" in error


@pytest.fixture
def training(tiny_dataset: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A long run in a process group of its own, with a loader worker, after its first logged step."""
    command = [sys.executable, "-m", "model.train", "--shards", str(tiny_dataset), "--out", str(tmp_path), *SMALL]
    process = subprocess.Popen(
        [*command, "--workers", "1", "--steps", "100000", "--log-every", "1"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "metrics.csv").is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    with process:
        yield process
        process.kill()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_preemption_saves_and_says_so(
    training: subprocess.Popen[str], tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """The signal goes to the whole process group, loader worker and all, as schedulers and terminals send it."""
    os.killpg(training.pid, number)
    error = training.communicate(timeout=60)[1]
    assert training.returncode == status, error
    (checkpoint,) = list_checkpoints(tmp_path)
    step = load_checkpoint(checkpoint)["step"]
    assert step >= 1
    assert f"stopped by {number.name} after step {step}, saved" in error
    assert "Traceback" not in error


def test_ctrl_c_twice_ends_at_once_and_leaves_nobody(training: subprocess.Popen[str]) -> None:
    helpers = psutil.Process(training.pid).children(recursive=True)
    training.send_signal(signal.SIGINT)
    time.sleep(0.02)
    training.send_signal(signal.SIGINT)
    error = training.communicate(timeout=60)[1]
    assert training.returncode == 130, error  # whether or not the step was over in between
    assert "Traceback" not in error
    assert psutil.wait_procs(helpers, timeout=30)[1] == []


def test_a_second_training_in_the_same_folder_is_refused(
    training: subprocess.Popen[str],
    tiny_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("model.training.run.PATIENCE_SECONDS", 0.1)
    before = (tmp_path / "metrics.csv").read_bytes()
    assert main(["--shards", str(tiny_dataset), "--out", str(tmp_path), "--resume", *SMALL]) == 1
    assert "another training is at work in this folder" in capsys.readouterr().err
    assert (tmp_path / "metrics.csv").read_bytes().startswith(before)
    assert training.poll() is None


def test_a_killed_run_leaves_no_worker_behind(training: subprocess.Popen[str]) -> None:
    helpers = psutil.Process(training.pid).children(recursive=True)
    assert helpers
    training.kill()
    assert psutil.wait_procs(helpers, timeout=30)[1] == []


def test_torchrun_stopped_and_gone_on_with(tiny_dataset: Path, tmp_path: Path) -> None:
    """Two processes; SIGTERM goes to torchrun alone, which passes it on and has a status of its own."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "model.train", "--shards", str(tiny_dataset), "--out", str(tmp_path), *SMALL]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*command, "--steps", "100000", "--log-every", "1"], env=environment) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "metrics.csv").is_file() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.terminate()
        process.wait(timeout=60)
    (checkpoint,) = list_checkpoints(tmp_path)
    step = load_checkpoint(checkpoint)["step"]
    assert step >= 1
    more = ["--steps", str(step + 2), "--log-every", "1", "--resume"]
    subprocess.run([*command, *more], env=environment, check=True, timeout=120)
    assert [int(row["step"]) for row in metrics(tmp_path)] == list(range(1, step + 3))
