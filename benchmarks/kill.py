"""Stop builds, or Table 1, at random moments, start them again, and compare what comes out with undisturbed ones.

python benchmarks/kill.py                                       # builds, with kill -9
python benchmarks/kill.py --table timit=out/timit,ff=out/ff     # trainings, measurements and the table
python benchmarks/kill.py --table timit=out/timit --signals KILL TERM -- --steps 20 --image-size 64
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.cli import run
from pipeline.errors import BuildError

SMALL_TABLE = (
    *("--steps", "4", "--image-size", "32", "--base-channels", "4", "--batch-size", "4", "--stride", "4"),
    *("--seeds", "0", "--checkpoint-every", "2", "--device", "cpu", "--loader-workers", "0"),
    *("--network-flags", '{"flnet": "--perceptual-weight 0"}'),
)
REPOSITORY = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
NOT_RUN = 25  # Luigi: others were at work; run again
MOST_RUNS = 10


@dataclass(frozen=True)
class Way:
    """How a build is run."""

    name: str
    workers: int
    processes: int = 1
    luigid: bool = False


WAYS = (Way("one worker", 1), Way("two workers", 2), Way("luigid, three hosts", 1, 3, luigid=True))


@dataclass(frozen=True)
class Work:
    """What is stopped and started again.

    Attributes:
        name: for people.
        command: Luigi's, without the folder.
        pieces: the finished files in a folder that nobody is to make again, and when each was made.
        pause: the most seconds between a piece and the stop that comes after it.
        digest: of what comes out, if nothing is wrong with it.
    """

    name: str
    command: Sequence[str]
    pieces: Callable[[Path], dict[Path, int]]
    pause: float
    digest: Callable[[Path], str]


@dataclass(frozen=True)
class Stop:
    """Comes so many seconds after so many pieces."""

    place: int
    seconds: float
    number: signal.Signals


@dataclass(frozen=True)
class Outcome:
    """One build or table."""

    digest: str
    seconds: float  # of all its runs together
    stops: int = 0
    made_again: int = 0  # finished pieces that were made a second time
    pieces: int = 0  # that there are in the end


def main(args: argparse.Namespace) -> int:
    """The command; returns its exit status."""
    dice = random.Random(args.seed)
    signals = [signal.Signals[f"SIG{name}"] for name in args.signals]
    with tempfile.TemporaryDirectory(prefix="kill-") as name:
        folder = Path(name)
        work = table_work(args.table, args.flags) if args.table else build_work(args, folder)
        out = folder / "out"  # the same for all: a table holds paths
        whole = {way: one_work(work, way, out, []) for way in WAYS}
        expected, pieces = whole[WAYS[0]].digest, whole[WAYS[0]].pieces
        for way, outcome in whole.items():
            print(f"undisturbed  {way.name:19s} {outcome.seconds:5.1f} s  digest {outcome.digest[:12]}", flush=True)
        outcomes, lost = [], 0.0
        for number in range(args.builds):
            way = WAYS[number % len(WAYS)]
            places = sorted(dice.randrange(pieces) for _ in range(dice.randint(1, 3)))
            stops = [Stop(place, dice.uniform(0.0, work.pause), dice.choice(signals)) for place in places]
            outcome = one_work(work, way, out, stops)
            outcomes.append(outcome)
            lost += outcome.seconds - whole[way].seconds
            verdict = "same digest" if outcome.digest == expected else f"ANOTHER DIGEST {outcome.digest[:12]}"
            print(
                f"{number + 1:11d}  {way.name:19s} {outcome.seconds:5.1f} s  {outcome.stops} stops, "
                f"{outcome.made_again} finished pieces made again, {verdict}",
                flush=True,
            )
    stopped = sum(outcome.stops for outcome in outcomes)
    same = sum(outcome.digest == expected for outcome in [*whole.values(), *outcomes])
    again = sum(outcome.made_again for outcome in outcomes)
    print(
        f"{same} of {len(whole) + len(outcomes)} {work.name} with the same digest, {stopped} stops, {again} finished "
        f"pieces made again, {lost / max(stopped, 1):.1f} s lost a stop (start of the program included)"
    )
    return 0 if same == len(whole) + len(outcomes) and not again else 1


def build_work(args: argparse.Namespace, folder: Path) -> Work:
    """Builds of a corpus in TCD-TIMIT's layout."""
    corpus = args.corpus_root or draw_corpus(folder / "corpus", args.speakers, args.clips, args.seconds)
    return Work(
        name="builds",
        command=("--module", "pipeline", "BuildTimit", "--corpus-root", str(corpus)),
        pieces=lambda out: made(out, "work/tracks/*/*.npz"),
        pause=0.6,
        digest=checked_digest,
    )


def table_work(datasets: str, flags: Sequence[str]) -> Work:
    """Table 1 of some datasets."""
    named = [word.partition("=") for word in datasets.split(",")]
    datasets = ",".join(f"{name}={Path(folder).resolve()}" for name, _, folder in named)
    return Work(
        name="tables",
        command=("--module", "model.experiments", "Table1", "--datasets", datasets, *(flags or SMALL_TABLE)),
        pieces=lambda out: {
            **made(out, "*/measured/*.json"),
            **{path: when for folder in out.glob("*/*-*/") for path, when in last_checkpoint(folder).items()},
        },
        pause=8.0,
        digest=table_digest,
    )


def last_checkpoint(folder: Path) -> dict[Path, int]:
    """The file that a training ends with, and when it came, if it did."""
    with contextlib.suppress(OSError, ValueError):
        steps = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]["steps"]
        return made(folder, f"checkpoints/step-{steps:08d}.pt")
    return {}


def made(out: Path, pattern: str) -> dict[Path, int]:
    """The files of a pattern, and when each was made."""
    return {path: path.stat().st_mtime_ns for path in out.glob(pattern)}


def table_digest(out: Path) -> str:
    """Of the table and the figure, but not of the time that it took."""
    table = json.loads((out / "table1.json").read_text(encoding="utf-8"))
    for by_row in table["results"].values():
        for by_seed in by_row.values():
            for result in by_seed.values():
                del result["hours"]
    return hashlib.sha256(json.dumps(table).encode() + (out / "figure3.png").read_bytes()).hexdigest()


def draw_corpus(root: Path, speakers: int, clips: int, seconds: float) -> Path:
    """A sample corpus to build from."""
    from pipeline.sample import write_sample_corpus

    write_sample_corpus(root, speakers=speakers, clips=clips, seconds=seconds, fps=10, workers=2)
    return root


def one_work(work: Work, way: Way, out: Path, stops: Sequence[Stop]) -> Outcome:
    """A build or table stopped at some moments and run to its end; its folder is removed."""
    start, stopped, made_again = time.monotonic(), 0, 0
    with scheduler(way, out.with_suffix(".state")) as flags:
        there: dict[Path, int] = {}
        for stop in stops:
            running = [begin(work, way, out, flags) for _ in range(way.processes)]
            while running[0].poll() is None and len(work.pieces(out)) < stop.place:
                time.sleep(0.05)
            time.sleep(stop.seconds)
            stopped += running[0].poll() is None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running[0].pid, stop.number)  # of three hosts one goes, and the others go on
            for process in running:
                process.wait()
            made_again += newer(there, work.pieces(out))
            there = work.pieces(out)
        run_to_the_end(work, way, out, flags)
        made_again += newer(there, work.pieces(out))
    outcome = Outcome(work.digest(out), time.monotonic() - start, stopped, made_again, len(work.pieces(out)))
    shutil.rmtree(out)
    out.with_suffix(".state").unlink(missing_ok=True)  # luigid's, who would know what is done
    return outcome


def run_to_the_end(work: Work, way: Way, out: Path, flags: list[str]) -> None:
    """Run it again as long as Luigi says that others were at work."""
    for _ in range(MOST_RUNS):
        running = [begin(work, way, out, flags) for _ in range(way.processes)]
        statuses = {process.wait() for process in running}
        if statuses == {0}:
            return
        if not statuses <= {0, NOT_RUN}:
            break
    raise BuildError(f"{out}: it ended with {statuses}")


def newer(before: dict[Path, int], after: dict[Path, int]) -> int:
    """How many files were written a second time."""
    return sum(after.get(path) != when for path, when in before.items())


def begin(work: Work, way: Way, out: Path, flags: list[str]) -> subprocess.Popen[bytes]:
    """Start it as a user would, in a process group of its own."""
    command = [str(BIN / "luigi"), *work.command, "--out", str(out), "--workers", str(way.workers), *flags]
    if work.name == "tables" and not way.luigid:
        command += ["--at-once", str(way.workers)]
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # sums come out alike, however many are at work
    )


def checked_digest(out: Path) -> str:
    """A dataset's, if nothing is wrong."""
    command = [sys.executable, "-m", "pipeline", "check", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{out}: {done.stdout} {done.stderr}")
    if json.loads((out / "dataset.json").read_text())["digest"] != done.stdout.strip():
        raise BuildError(f"{out}: check and dataset.json disagree")
    return done.stdout.strip()


@contextlib.contextmanager
def scheduler(way: Way, state: Path) -> Iterator[list[str]]:
    """A luigid, where one is wanted, with as many trainings at once as there are hosts; yields the flags to find it."""
    if not way.luigid:
        yield []
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [str(BIN / "luigid"), "--address", "127.0.0.1", "--port", port, "--state-path", str(state)]
    config = state.with_suffix(".cfg")
    config.write_text(f"[resources]\ngpu = {way.processes}\n")  # beside luigi.cfg, which it reads as well
    environment = {**os.environ, "LUIGI_CONFIG_PATH": str(config)}
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), timeout=1):
                break
            time.sleep(0.1)
        yield ["--scheduler-host", "127.0.0.1", "--scheduler-port", port]
    finally:
        process.kill()
        process.wait()


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/kill.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--builds", type=int, default=20, help="disturbed builds or tables (default 20)")
    add("--seed", type=int, default=0, help="of the moments (default 0)")
    add("--signals", nargs="+", choices=("KILL", "TERM", "INT", "USR1"), default=["KILL"],
        help="that stop it, drawn each time (default KILL)")  # fmt: skip
    add("--corpus-root", type=Path, help="a corpus in TCD-TIMIT's layout (default: drawn)")
    add("--speakers", type=int, default=6, help="of the drawn corpus (default 6)")
    add("--clips", type=int, default=3, help="of each (default 3)")
    add("--seconds", type=float, default=2.0, help="length of a clip (default 2)")
    add("--table", metavar="NAME=FOLDER[,…]", help="Table 1 of these datasets, in place of builds")
    add("flags", nargs="*", metavar="-- FLAG", help=f"of Table1; without them {' '.join(SMALL_TABLE)}")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
