"""What goes wrong around a build: crashes, kills, full disks, files that change, names that hurt."""

from __future__ import annotations

import errno
import faulthandler
import json
import multiprocessing
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas
import pytest

from pipeline import child_process, content, locks
from pipeline.building import chunk, finish, upkeep
from pipeline.building.chunk import Pool, build_chunk, prepare_safely
from pipeline.building.plan import Plan, make_plan, save_inventory
from pipeline.building.record import chunk_done, load_chunk
from pipeline.check import check_dataset
from pipeline.child_process import Children, CrashError, run_in_child
from pipeline.corpora import Inventory, Source, scan_folder, scan_timit
from pipeline.decode import VideoReader, read_frames
from pipeline.errors import BuildError, InputError, VideoError
from pipeline.files import atomic_write
from pipeline.layout import chunk_file
from pipeline.preparing import video
from pipeline.preparing.video import prepare_video, work_files
from pipeline.settings import Settings

SETTINGS = Settings(storage="lz4")
MakeVideo = Callable[..., Path]


@pytest.fixture(autouse=True)
def _quiet_crashes() -> Iterator[None]:
    """The crashes here are meant: their children need not print stacks into the log of the tests."""
    was_on = faulthandler.is_enabled()
    faulthandler.disable()
    yield
    if was_on:
        faulthandler.enable(sys.__stderr__)


@pytest.fixture
def plan(sample_root: Path) -> Plan:
    """Two videos of one speaker, in two chunks."""
    return make_plan("timit", scan_timit(sample_root)[:2], SETTINGS)


@pytest.fixture
def clip(sample_root: Path) -> Path:
    return sorted((sample_root / "volunteers").rglob("*.mp4"))[0]


def finished(out: Path, root: Path, plan: Plan, pool: Pool | None = None, max_failures: float = 0.0) -> str:
    """Build what is not there yet; the digest that the check gives."""
    for part in plan.chunks:
        if not chunk_done(out, part):
            build_chunk(out, root, part, plan.settings, None, pool)
    finish.finish(out, root, plan, max_failures)
    defects, digest = check_dataset(out)
    assert defects == []
    return digest


@pytest.fixture(scope="module")
def expected(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    plan = make_plan("timit", scan_timit(sample_root)[:2], SETTINGS)
    return finished(tmp_path_factory.mktemp("expected"), sample_root, plan)


# Processes


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE])
def test_a_crash_is_told_from_a_kill(number: signal.Signals) -> None:
    with pytest.raises(CrashError, match=number.name):
        run_in_child(_signal_self, number)


def _signal_self(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_from_outside_is_no_verdict(number: signal.Signals) -> None:
    with pytest.raises(BuildError, match=f"signal {int(number)}"):
        run_in_child(_signal_self, number)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), MemoryError("none"), VideoError("no_face", "x")])
def test_errors_come_back_from_the_child(error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        run_in_child(fail)
    assert vars(raised.value) == vars(error)
    assert str(raised.value) == str(error)


def test_answers_come_back_and_surprises_are_crashes() -> None:
    assert run_in_child(divmod, 7, 2) == (3, 1)
    assert len(run_in_child(bytes, 1 << 20)) == 1 << 20  # more than a pipe holds
    with pytest.raises(CrashError, match="ZeroDivisionError"):
        run_in_child(divmod, 1, 0)
    with pytest.raises(CrashError, match="status 3"):
        run_in_child(os._exit, 3)


def test_a_child_serves_many_calls_and_is_replaced_when_it_dies() -> None:
    def pid(number: int) -> int:
        if number:
            os.kill(os.getpid(), number)
        return os.getpid()

    with Children(pid) as children:
        first = children(0)
        assert first == children(0) != os.getpid()
        with pytest.raises(CrashError):
            children(signal.SIGSEGV)
        second = children(0)
        assert second != first
        with ThreadPoolExecutor(1) as pool:  # a thread has a child of its own
            assert pool.submit(children, 0).result() not in (first, second)
    assert not _is_alive(first)
    assert not _is_alive(second)


def test_children_sent_elsewhere_fork_for_each_call() -> None:
    elsewhere = pickle.loads(pickle.dumps(Children(os.getpid)))
    one, other = elsewhere(), elsewhere()
    assert one != other
    assert not _is_alive(one)


def test_a_child_does_not_outlive_its_parent(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def sleep() -> None:
        with atomic_write(note) as temporary:
            temporary.write_text(str(os.getpid()))
        time.sleep(60)

    parent = multiprocessing.get_context("fork").Process(target=run_in_child, args=(sleep,))
    parent.start()
    assert _within(20, note.exists)
    parent.kill()
    parent.join()
    child = int(note.read_text())
    assert _within(20, lambda: not _is_alive(child))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _within(seconds: float, happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


# Videos that end their process


def _crashing(on: str, number: int, times: int, notes: Path) -> Callable[..., object]:
    """`prepare_video`, which on one video ends its process so many times."""
    real = prepare_video

    def crash(root: Path, source: Source, *rest: object) -> object:
        if source.id == on and len(list(notes.iterdir())) < times:
            (notes / f"{time.monotonic_ns()}").touch()
            os.kill(os.getpid(), number)
        return real(root, source, *rest)  # type: ignore[arg-type]

    return crash


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def test_a_segfault_takes_one_video(
    plan: Plan, sample_root: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = plan.videos[0].id
    monkeypatch.setattr(chunk, "prepare_video", _crashing(bad, signal.SIGSEGV, 99, notes))
    finished(tmp_path / "out", sample_root, plan, max_failures=0.5)
    table = pandas.read_csv(tmp_path / "out/manifest.csv", keep_default_na=False).set_index("id")
    assert table["status"].tolist().count("ok") == 1
    assert table.loc[bad, "error"] == f"crashed: {bad}: the process crashed (SIGSEGV)"
    assert len(list(notes.iterdir())) == chunk.CRASHES


def test_a_crash_that_does_not_come_back_changes_nothing(
    plan: Plan, sample_root: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, expected: str
) -> None:
    monkeypatch.setattr(chunk, "prepare_video", _crashing(plan.videos[0].id, signal.SIGSEGV, 1, notes))
    assert finished(tmp_path / "out", sample_root, plan) == expected


def test_out_of_memory_is_no_result_and_the_next_run_makes_it_good(
    plan: Plan, sample_root: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, expected: str
) -> None:
    monkeypatch.setattr(chunk, "prepare_video", _crashing(plan.videos[0].id, signal.SIGKILL, 1, notes))
    with pytest.raises(BuildError, match="killed from outside"):
        finished(tmp_path / "out", sample_root, plan)
    assert not list((tmp_path / "out").rglob("*.json"))
    assert finished(tmp_path / "out", sample_root, plan) == expected


def test_transient_failures_are_tried_again_while_the_build_is_unfinished(
    plan: Plan, sample_root: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, expected: str
) -> None:
    monkeypatch.setattr(chunk, "prepare_video", _crashing(plan.videos[0].id, signal.SIGABRT, chunk.CRASHES, notes))
    with pytest.raises(BuildError, match="1 crashed"):
        finished(tmp_path / "out", sample_root, plan)
    assert [chunk_done(tmp_path / "out", part) for part in plan.chunks].count(False) == 1
    assert finished(tmp_path / "out", sample_root, plan) == expected


def test_transient_failures_of_a_finished_build_are_tried_again_on_request(
    plan: Plan, sample_root: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch, expected: str
) -> None:
    monkeypatch.setattr(chunk, "prepare_video", _crashing(plan.videos[0].id, signal.SIGABRT, chunk.CRASHES, notes))
    assert finished(tmp_path / "out", sample_root, plan, max_failures=0.5) != expected
    assert finish.dataset_done(tmp_path / "out", plan)
    finish.forget_transient(tmp_path / "out", plan)
    assert not finish.dataset_done(tmp_path / "out", plan)
    assert finished(tmp_path / "out", sample_root, plan) == expected
    finish.forget_transient(tmp_path / "out", plan)
    assert finish.dataset_done(tmp_path / "out", plan)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblibs_backends_give_the_same_bytes(backend: str, sample_root: Path, tmp_path: Path, expected: str) -> None:
    one_chunk = make_plan("timit", scan_timit(sample_root)[:2], SETTINGS)
    assert finished(tmp_path, sample_root, one_chunk, Pool(2, backend)) == expected


def test_opencv_has_no_threads_left_that_a_child_could_wait_for(
    sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threads(*_: object) -> int:
        cv2.setNumThreads(1)  # would join the parent's threads, which are not here: for ever
        return cv2.getNumThreads()

    cv2.setNumThreads(4)
    cv2.resize(np.zeros((4000, 4000, 3), np.uint8), (3000, 3000), interpolation=cv2.INTER_AREA)  # starts them
    monkeypatch.setattr(chunk, "prepare_video", threads)
    assert prepare_safely(sample_root, scan_timit(sample_root)[0], SETTINGS, tmp_path, None) == 1


def spoiled(monkeypatch: pytest.MonkeyPatch, after: int, fault: Callable[[], object]) -> None:
    """Have the decoder do something else than its work after so many frames."""
    pictures = VideoReader._pictures

    def spoil(reader: VideoReader) -> Iterator[object]:
        yield from islice(pictures(reader), after)
        reader._attempt(fault)

    monkeypatch.setattr(VideoReader, "_pictures", spoil)


@pytest.mark.parametrize("after", [0, 7])
def test_a_hanging_decoder_takes_one_video(
    after: int, sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.decode.reader.STALL_SECONDS", 0.5)
    spoiled(monkeypatch, after, lambda: time.sleep(60))
    result = prepare_safely(sample_root, scan_timit(sample_root)[0], SETTINGS, tmp_path, None)
    assert result.error.startswith("timeout: ")
    assert "stopped" in result.error


@pytest.mark.parametrize("after", [0, 7])
def test_a_crashing_decoder_takes_one_video(
    after: int, sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled(monkeypatch, after, lambda: os.kill(os.getpid(), signal.SIGSEGV))
    result = prepare_safely(sample_root, scan_timit(sample_root)[0], SETTINGS, tmp_path, None)
    assert result.error.startswith("crashed: ")
    assert "SIGSEGV" in result.error


# Disks


@pytest.mark.parametrize("megabytes", [0.2, 0.5, 1.0])
def test_a_disk_full_in_the_middle_of_a_shard(
    megabytes: float, plan: Plan, sample_root: Path, tmp_path: Path, expected: str
) -> None:
    """A limit on the size of files stands for the full disk: both are errors of write(2), at any of HDF5's writes."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(megabytes * 1e6), resource.RLIM_INFINITY))
        finished(tmp_path, sample_root, plan)

    with pytest.raises(OSError, match="too large"):
        run_in_child(limited)
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.rglob("*.json"))
    assert finished(tmp_path, sample_root, plan) == expected


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that not even root can write to")
def test_a_folder_that_cannot_be_written_is_one_line(sample_root: Path) -> None:
    command = [str(Path(sys.executable).with_name("luigi")), "--module", "pipeline", "BuildTimit", "--workers", "1"]
    command += ["--corpus-root", str(sample_root), "--out", "/sys/flnet"]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert failed.returncode == 40
    (line,) = failed.stderr.strip().splitlines()
    assert line.startswith("ERROR: PermissionError: ")
    assert "/sys/flnet" in line


# Sources that change


def test_a_video_that_changes_while_it_is_read_is_read_again(
    clip: Path, sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = sorted((sample_root / "volunteers").rglob("*.mp4"))
    root = tmp_path / "corpus"
    root.mkdir()
    copy = root / "a.mp4"
    source = Source("a.mp4", "s", "train")
    real, changes = video._prepare, iter([others[1]])

    def disturbed(*arguments: object) -> object:
        result = real(*arguments)  # type: ignore[arg-type]
        for other in changes:
            shutil.copy(other, copy)
            break
        return result

    shutil.copy(others[1], copy)
    prepare_video(root, source, SETTINGS, tmp_path / "calm", None)
    shutil.copy(clip, copy)
    monkeypatch.setattr(video, "_prepare", disturbed)
    prepare_video(root, source, SETTINGS, tmp_path / "work", None)
    calm, work = work_files(tmp_path / "calm", source, SETTINGS), work_files(tmp_path / "work", source, SETTINGS)
    assert work.shard.read_bytes() == calm.shard.read_bytes()
    results = [json.loads(files.result.read_bytes()) for files in (calm, work)]
    assert results[0].pop("stamp") != results[1].pop("stamp")  # their times differ
    assert results[0] == results[1]


def test_a_video_that_keeps_changing_is_given_up_for_now(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(clip, tmp_path / "a.mp4")
    real = video._prepare

    def disturbed(path: Path, *rest: object) -> object:
        result = real(path, *rest)  # type: ignore[arg-type]
        with path.open("ab") as file:
            file.write(b"more")
        return result

    monkeypatch.setattr(video, "_prepare", disturbed)
    source = Source("a.mp4", "s", "train")
    assert prepare_video(tmp_path, source, SETTINGS, tmp_path / "work", None).error.startswith("changed: ")
    monkeypatch.undo()
    assert prepare_video(tmp_path, source, SETTINGS, tmp_path / "work", None).status == "ok"


def test_a_corpus_that_is_gone_is_no_verdict_on_its_videos(clip: Path, tmp_path: Path) -> None:
    source = Source("a.mp4", "s", "train")
    with pytest.raises(InputError, match="is it mounted"):
        prepare_video(tmp_path / "corpus", source, SETTINGS, tmp_path / "work", None)
    (tmp_path / "corpus").mkdir()
    vanished = prepare_video(tmp_path / "corpus", source, SETTINGS, tmp_path / "work", None)
    assert vanished.error.startswith("vanished: ")
    shutil.copy(clip, tmp_path / "corpus/a.mp4")
    assert prepare_video(tmp_path / "corpus", source, SETTINGS, tmp_path / "work", None).status == "ok"


def test_an_error_of_the_machine_is_no_verdict_either(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(_path: Path) -> str:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(content, "sha256_of", stale)
    with pytest.raises(OSError, match="Stale"):
        prepare_video(clip.parent, Source(clip.name, "s", "train"), SETTINGS, tmp_path, None)
    assert not list(tmp_path.rglob("*.json"))


def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    for name in ("pipe.mp4", "zero.mp4"):
        result = prepare_video(tmp_path, Source(name, "s", "train"), SETTINGS, tmp_path / "work", None)
        assert result.error.startswith("unreadable: ")
        assert "regular file" in result.error


def test_a_terabyte_of_nothing_is_not_summed(tmp_path: Path) -> None:
    (tmp_path / "sparse.mp4").touch()
    os.truncate(tmp_path / "sparse.mp4", 1 << 40)
    result = prepare_video(tmp_path, Source("sparse.mp4", "s", "train"), SETTINGS, tmp_path / "work", None)
    assert result.error.startswith("unreadable: ")
    assert f"got {1 << 40}" in result.error


# Hostile input


def test_more_frames_than_any_video_has(make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video("ten_frames.mp4", "-c:v", "libx264")
    assert len(list(read_frames(path))) == 10
    monkeypatch.setattr("pipeline.decode.reader.MAX_FRAMES", 9)
    with pytest.raises(VideoError, match="more than 9 frames") as raised:
        list(read_frames(path))
    assert raised.value.reason == "too_long"


def test_a_picture_too_large_for_any_memory(make_video: MakeVideo) -> None:
    path = make_video("huge.avi", "-c:v", "mjpeg", "-frames:v", "1", source="color=size=9000x8000:rate=1")
    with pytest.raises(VideoError) as raised:
        list(read_frames(path))
    assert raised.value.reason == "unreadable"


NAMES = ["-rf.mp4", 'it\'s "two" words.mp4', "line\nbreak.mp4", "größe 顔 🙂.mp4", "%s{}$HOME;`x`.mp4", "<b>&amp;.mp4"]


def test_names_that_hurt_arrive_like_any_other(clip: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    (root / "a b").mkdir(parents=True)
    for name in NAMES:
        shutil.copy(clip, root / "a b" / name)
    shutil.copy(clip, os.fsencode(root / "a b") + b"/\xff\xfe.mp4")
    sources = scan_folder(root)
    assert {Path(source.id).name for source in sources} == {*NAMES, "\udcff\udcfe.mp4"}
    plan = make_plan("folder", sources, SETTINGS)
    finished(tmp_path / "out", root, plan)
    table = pandas.read_csv(tmp_path / "out/manifest.csv", keep_default_na=False, encoding_errors="surrogateescape")
    assert sorted(table["id"]) == sorted(source.id for source in sources)
    assert set(table["status"]) == {"ok"}


def test_mutated_videos_are_rows_whatever_they_hold(clip: Path, tmp_path: Path) -> None:
    """Forty videos with flipped and missing bytes: each arrives or is refused with a reason."""
    dice, whole = np.random.default_rng(0), clip.read_bytes()
    reasons = set()
    for number in range(40):
        broken = bytearray(whole)
        for place in dice.integers(0, len(whole), 1 + number):
            broken[place] ^= int(dice.integers(1, 256))
        if number % 4 == 0:
            del broken[int(dice.integers(1, len(whole))) :]
        (tmp_path / "a.mp4").write_bytes(broken)
        try:
            frames = list(read_frames(tmp_path / "a.mp4"))
            assert [frame.index for frame in frames] == list(range(len(frames)))
        except VideoError as error:
            reasons.add(error.reason)
    assert reasons == {"unreadable"}


# Folders


def test_leftovers_are_cleared_and_reported(plan: Plan, sample_root: Path, tmp_path: Path) -> None:
    finished(tmp_path, sample_root, plan)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / "shards/train/.x.h5.0123456789ab.part").write_bytes(b"x" * 1000)
    (tmp_path / "work/.y.json.0123456789ab.part").touch()
    files = work_files(tmp_path / "work", plan.videos[0], plan.settings)
    files.shard.parent.mkdir(parents=True, exist_ok=True)
    files.shard.write_bytes(b"x" * 999_000)
    assert upkeep.tidy(tmp_path, plan) == f"{tmp_path}: removed 3 leftovers of earlier builds (1.0 MB)"
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
    assert upkeep.tidy(tmp_path, plan) == ""


def test_a_damaged_record_is_made_again(plan: Plan, sample_root: Path, tmp_path: Path, expected: str) -> None:
    finished(tmp_path, sample_root, plan)
    for damage in (b"", b"{", b"[]", b'{"a": 1}', b"\xff"):
        chunk_file(tmp_path, plan.chunks[0].name).write_bytes(damage)
        (tmp_path / "dataset.json").write_bytes(damage)
        assert not chunk_done(tmp_path, plan.chunks[0])
        assert not finish.dataset_done(tmp_path, plan)
    assert finished(tmp_path, sample_root, plan) == expected


def test_a_host_that_was_thought_dead_finishes_the_same_chunk(
    plan: Plan, sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another host finishes the chunk and clears the parts away while this one is about to merge them."""
    first = plan.chunks[0]
    real = chunk._merge

    def overtaken(*arguments: object) -> object:
        monkeypatch.setattr(chunk, "_merge", real)
        build_chunk(tmp_path, sample_root, first, plan.settings, None)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(chunk, "_merge", overtaken)
    done = build_chunk(tmp_path, sample_root, first, plan.settings, None)
    assert done == load_chunk(chunk_file(tmp_path, first.name))


def test_of_two_inventories_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    save_inventory(path, Inventory([Source("a", "s", "train")]))
    kept = path.read_bytes()
    save_inventory(path, Inventory([Source("b", "s", "train")]))
    assert path.read_bytes() == kept
    save_inventory(path, Inventory([Source("b", "s", "train")]), first_wins=False)
    assert path.read_bytes() != kept


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(upkeep, "PATIENCE_SECONDS", 0.5)
    yield
    while locks.held:
        os.close(locks.held.popitem()[1])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("ours", "theirs", "fits"), [(False, False, False), (False, True, False), (True, True, True)])
def test_a_second_build_in_the_same_folder(ours: bool, theirs: bool, fits: bool, tmp_path: Path) -> None:
    def hold() -> None:
        locks.held.clear()
        upkeep.lock_folder(tmp_path, theirs)

    upkeep.lock_folder(tmp_path, ours)
    upkeep.lock_folder(tmp_path, ours)  # once more in the same process: no matter
    if fits:
        run_in_child(hold)
    else:
        with pytest.raises(InputError, match="another build is at work here"):
            run_in_child(hold)


def test_the_lock_goes_with_the_process(tmp_path: Path) -> None:
    run_in_child(upkeep.lock_folder, tmp_path, False)
    run_in_child(upkeep.lock_folder, tmp_path, False)


def test_clocks_do_not_matter(plan: Plan, sample_root: Path, tmp_path: Path, expected: str) -> None:
    """Half the work is dated in the future, half long ago."""
    build_chunk(tmp_path, sample_root, plan.chunks[0], plan.settings, None)
    for number, path in enumerate(sorted(path for path in tmp_path.rglob("*") if path.is_file())):
        moment = time.time() + (1 if number % 2 else -1) * 10 * 365 * 86400
        os.utime(path, (moment, moment))
    assert finished(tmp_path, sample_root, plan) == expected


def test_the_parents_handlers_do_not_run_in_the_child(tmp_path: Path) -> None:
    """Ctrl-C reaches parent and child alike; only the parent's handler has something to say."""
    previous = signal.signal(signal.SIGINT, lambda *_: (tmp_path / "handled").touch())
    try:
        with pytest.raises(BuildError):
            run_in_child(_signal_self, signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert not (tmp_path / "handled").exists()
    assert signal.SIGINT not in child_process.CRASH_SIGNALS
