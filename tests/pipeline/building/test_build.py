"""Whole builds by the user's commands: complete, checked, resumed, failing loudly, never twice."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas
import pytest

from pipeline.building.luigi_chunk import PrepareChunk
from pipeline.building.plan import make_plan, save_plan
from pipeline.corpora import scan_timit
from pipeline.layout import plan_file
from pipeline.run_file import read_table
from pipeline.settings import Settings

LUIGI = [str(Path(sys.executable).with_name("luigi")), "--module", "pipeline"]
REPOSITORY = Path(__file__).resolve().parents[3]


def luigi(*arguments: object, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    command = [*LUIGI, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


def check(out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", "check", str(out)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)


def flnet(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "flnet.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def built(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "out"
    done = luigi("BuildTimit", "--corpus-root", sample_root, "--out", out, "--workers", 2)
    assert done.returncode == 0, done.stderr
    return out


def test_a_build_is_complete_and_clean(built: Path) -> None:
    checked = check(built)
    contents = json.loads((built / "dataset.json").read_text())
    assert (checked.returncode, checked.stdout.strip()) == (0, contents["digest"])
    assert contents["counts"]["videos_ok"] == 6
    assert set(contents["splits"]) == {"test", "train"}
    table = pandas.read_csv(built / "manifest.csv")
    assert table["status"].tolist() == ["ok"] * 6
    assert (table["frames_kept"] == table["frames_seen"]).all()
    assert not list(built.rglob("*.part"))


def test_a_second_run_does_nothing(built: Path, sample_root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    again = luigi("BuildTimit", "--corpus-root", sample_root, "--out", built, "--workers", 2)
    assert again.returncode == 0
    assert "complete already" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before


def test_settings_come_from_a_file_and_are_left_in_one(built: Path, sample_root: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "out")
    (tmp_path / "project.toml").write_text(
        f'[build.timit]\ncorpus_root = "{sample_root}"\nout = "out"\nworkers = 2\nface_fraction = 0.5\n'
        'log-level = "warning"\n[train]\nsteps = 1\n'
    )
    done = flnet("build", "timit", "--config", "project.toml", "--face-fraction", 0.55, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    used = read_table(tmp_path / "out" / "run.toml", "build timit")
    assert (used["face_fraction"], used["bank_from"], used["out"]) == (0.55, "other", str(tmp_path / "out"))
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["config"]["face_fraction"] == 0.55
    again = flnet("build", "timit", "--config", "out/run.toml", cwd=tmp_path)
    assert "complete already" in again.stdout


def test_what_is_to_come_is_said_before_it_begins(sample_root: Path, tmp_path: Path) -> None:
    root = shutil.copytree(sample_root / "volunteers", tmp_path / "corpus")
    only = sorted(path for path in root.iterdir() if path.is_dir())[0]
    done = luigi("BuildFolder", "--corpus-root", only, "--out", tmp_path / "out", "--workers", 1)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith(("note: ", "warning: "))]
    assert re.match(r"note: \S+/out: 2 videos to prepare, about 3 seconds of them \(as estimated from 2\)", told[-1])
    assert told[:-1] == [
        "warning: 'Clips' is the only speaker, so that training and test show the same person; if there are several, "
        "say who is who (--speaker-pattern of BuildFolder, or a table)",
        "warning: there is one speaker to train on: the network will know this face alone",
    ]


def test_one_worker_or_two_or_joblib_give_the_same_bytes(built: Path, sample_root: Path, tmp_path: Path) -> None:
    for name, flags in {"one": ["--workers", 1], "jobs": ["--workers", 1, "--jobs", 2]}.items():
        out = tmp_path / name
        done = luigi("BuildTimit", "--corpus-root", sample_root, "--out", out, *flags)
        assert done.returncode == 0, done.stderr
        assert check(out).stdout == check(built).stdout


def test_a_lost_shard_is_made_again_and_only_that(built: Path, sample_root: Path, tmp_path: Path) -> None:
    out = shutil.copytree(built, tmp_path / "out")
    shards = sorted((out / "shards").rglob("*.h5"))
    shards[0].unlink()
    kept = {path: path.stat().st_mtime_ns for path in shards[1:]}
    assert check(out).returncode == 1
    assert luigi("BuildTimit", "--corpus-root", sample_root, "--out", out, "--workers", 1).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in shards[1:]} == kept
    assert check(out).stdout == check(built).stdout


def test_another_setting_replaces_the_shards_and_keeps_the_tracks(
    built: Path, sample_root: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(built, tmp_path / "out")
    old = {path.name for path in (out / "shards").rglob("*.h5")}
    tracks = {path: path.stat().st_mtime_ns for path in (out / "work/tracks").rglob("*.npz")}
    flags = ["--corpus-root", sample_root, "--out", out, "--workers", 2, "--face-fraction", 0.5]
    assert luigi("BuildTimit", *flags).returncode == 0
    assert not old & {path.name for path in (out / "shards").rglob("*.h5")}
    assert {path: path.stat().st_mtime_ns for path in (out / "work/tracks").rglob("*.npz")} == tracks
    changed = check(out)
    assert changed.returncode == 0
    assert changed.stdout != check(built).stdout


def test_killed_at_any_moment_a_build_goes_on_where_it_was(built: Path, sample_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [*LUIGI, "BuildTimit", "--corpus-root", str(sample_root), "--out", str(out), "--workers", "2"]
    for seconds in (1.5, 2.5, 3.5):
        process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = luigi("BuildTimit", "--corpus-root", sample_root, "--out", out, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert check(out).stdout == check(built).stdout


def test_bad_videos_are_rows_and_too_many_fail_the_build(sample_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    (root / "s p").mkdir(parents=True)
    for number, clip in enumerate(sorted((sample_root / "volunteers").rglob("*.mp4"))[:2]):
        shutil.copy(clip, root / "s p" / f"-é_{number}.mp4")
    (root / "s p" / "empty.mp4").touch()
    failed = luigi("BuildFolder", "--corpus-root", root, "--out", tmp_path / "out", "--workers", 2)
    assert failed.returncode == 30
    assert "Traceback" not in failed.stderr
    (message,) = [line for line in failed.stderr.splitlines() if line.startswith("ERROR")]
    assert "1 of 3 videos failed (1 unreadable)" in message
    assert "--max-failures" in message
    assert not (tmp_path / "out/dataset.json").exists()
    table = pandas.read_csv(tmp_path / "out/manifest.csv", keep_default_na=False)
    assert dict(zip(table["id"], table["status"], strict=True)) == {
        "s p/-é_0.mp4": "ok",
        "s p/-é_1.mp4": "ok",
        "s p/empty.mp4": "failed",
    }
    flags = ["--corpus-root", root, "--out", tmp_path / "out", "--workers", 2, "--max-failures", 0.5]
    assert luigi("BuildFolder", *flags).returncode == 0
    assert check(tmp_path / "out").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["BuildTimit"], "BuildTimit needs the corpus: name its folder with --corpus-root"),
        (["BuildFolder", "--corpus-root", "nowhere"], "nowhere: no such folder"),
        (["BuildFolder", "--corpus-root", ".", "--max-failures", "7"], "--max-failures must be a fraction"),
        (["BuildFolder", "--corpus-root", ".", "--face-fraction", "7"], "--face-fraction must be in"),
        (["BuildFolder", "--corpus-root", ".", "--joblib-backend", "dask"], "needs --dask-scheduler host:port"),
        (
            ["BuildFolder", "--corpus-root", ".", "--landmark-model", "nowhere.dat"],
            "nowhere.dat: landmark model cannot",
        ),
    ],
)
def test_bad_flags_are_one_line_and_a_status(arguments: list[str], message: str, tmp_path: Path) -> None:
    failed = luigi(*arguments, "--out", tmp_path / "out")
    assert failed.returncode == 40
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1


def test_help_speaks_the_users_language() -> None:
    shown = luigi("BuildTimit", "--help")
    assert shown.returncode == 0
    assert "--corpus-root" in shown.stdout
    assert "folder for the dataset" in " ".join(shown.stdout.split())


def test_luigids_page_is_told_how_far_a_chunk_is(sample_root: Path, tmp_path: Path) -> None:
    plan = make_plan("timit", scan_timit(sample_root)[:2], Settings())
    save_plan(plan_file(tmp_path, plan.digest), plan)
    messages: list[str] = []
    percentages: list[int] = []
    for chunk in plan.chunks:
        task = PrepareChunk(out=str(tmp_path), plan=plan.digest, chunk=chunk.name, corpus_root=str(sample_root))
        task.set_status_message, task.set_progress_percentage = messages.append, percentages.append
        task.run()
        assert task.complete()
    count = len(plan.chunks[-1].videos)
    assert messages[-1].startswith(f"{count} of {count} videos, ")
    assert messages[-1].endswith(" 0 s left, 0 failed")
    assert percentages[-1] == 100
    assert len(messages) == 2


def test_scheduling_does_not_load_what_only_preparing_needs() -> None:
    command = "import sys, pipeline; print(sorted({'cv2', 'dlib', 'numba', 'pandas', 'torch'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", command], check=True, stdout=subprocess.PIPE, text=True)
    assert told.stdout == "[]\n"
