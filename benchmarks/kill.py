"""Kill builds with -9 at random moments, restart them, and compare what comes out with an undisturbed build."""

from __future__ import annotations

import argparse
import contextlib
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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.cli import run
from pipeline.errors import BuildError

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
class Outcome:
    """One build."""

    digest: str
    seconds: float  # of all its runs together
    kills: int = 0
    made_again: int = 0  # finished videos that were tracked a second time


def main(args: argparse.Namespace) -> int:
    """The command; returns its exit status."""
    dice = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="kill-") as name:
        folder = Path(name)
        corpus = args.corpus_root or draw_corpus(folder / "corpus", args.speakers, args.clips, args.seconds)
        videos = len(list(corpus.glob("*/*/Clips/straightcam/*")))
        whole = {way: one_build(way, corpus, folder / "undisturbed", []) for way in WAYS}
        expected = whole[WAYS[0]].digest
        for way, outcome in whole.items():
            print(f"undisturbed  {way.name:19s} {outcome.seconds:5.1f} s  digest {outcome.digest[:12]}", flush=True)
        outcomes, lost = [], 0.0
        for number in range(args.builds):
            way = WAYS[number % len(WAYS)]
            moments = [
                (place, dice.uniform(0.0, 0.6))
                for place in sorted(dice.randrange(videos) for _ in range(dice.randint(1, 3)))
            ]
            outcome = one_build(way, corpus, folder / f"out-{number}", moments)
            outcomes.append(outcome)
            lost += outcome.seconds - whole[way].seconds
            verdict = "same digest" if outcome.digest == expected else f"ANOTHER DIGEST {outcome.digest[:12]}"
            print(
                f"{number + 1:11d}  {way.name:19s} {outcome.seconds:5.1f} s  {outcome.kills} kills, "
                f"{outcome.made_again} finished videos made again, {verdict}",
                flush=True,
            )
    kills = sum(outcome.kills for outcome in outcomes)
    same = sum(outcome.digest == expected for outcome in outcomes)
    again = sum(outcome.made_again for outcome in outcomes)
    print(
        f"{same} of {len(outcomes)} builds with the same digest, {kills} kills, {again} finished videos made again, "
        f"{lost / max(kills, 1):.1f} s lost a kill (start of the program included)"
    )
    return 0 if same == len(outcomes) and not again else 1


def draw_corpus(root: Path, speakers: int, clips: int, seconds: float) -> Path:
    """A sample corpus to build from."""
    from pipeline.sample import write_sample_corpus

    write_sample_corpus(root, speakers=speakers, clips=clips, seconds=seconds, fps=10, workers=2)
    return root


def one_build(way: Way, corpus: Path, out: Path, moments: list[tuple[int, float]]) -> Outcome:
    """A build killed at some moments and run to its end; its folder is removed.

    Args:
        moments: each so many seconds after so many videos have been tracked.
    """
    start, kills, made_again = time.monotonic(), 0, 0
    with scheduler(way, out.with_suffix(".state")) as flags:
        tracked: dict[Path, int] = {}
        for place, seconds in moments:
            running = [begin(corpus, out, way.workers, flags) for _ in range(way.processes)]
            while running[0].poll() is None and len(tracks(out)) < place:
                time.sleep(0.05)
            time.sleep(seconds)
            kills += running[0].poll() is None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running[0].pid, signal.SIGKILL)  # of three hosts one dies, and the others go on
            for process in running:
                process.wait()
            made_again += tracked_again(tracked, tracks(out))
            tracked = tracks(out)
        run_to_the_end(way, corpus, out, flags)
        made_again += tracked_again(tracked, tracks(out))
    outcome = Outcome(check(out), time.monotonic() - start, kills, made_again)
    shutil.rmtree(out)
    return outcome


def run_to_the_end(way: Way, corpus: Path, out: Path, flags: list[str]) -> None:
    """Run a build again as long as Luigi says that others were at work."""
    for _ in range(MOST_RUNS):
        running = [begin(corpus, out, way.workers, flags) for _ in range(way.processes)]
        statuses = {process.wait() for process in running}
        if statuses == {0}:
            return
        if not statuses <= {0, NOT_RUN}:
            break
    raise BuildError(f"{out}: the build ended with {statuses}")


def tracks(out: Path) -> dict[Path, int]:
    """The videos tracked so far, and when."""
    return {path: path.stat().st_mtime_ns for path in (out / "work" / "tracks").glob("*/*.npz")}


def tracked_again(before: dict[Path, int], after: dict[Path, int]) -> int:
    """How many tracks were written a second time."""
    return sum(after.get(path) != when for path, when in before.items())


def begin(corpus: Path, out: Path, workers: int, flags: list[str]) -> subprocess.Popen[bytes]:
    """Start a build as a user would, in a process group of its own."""
    command = [str(BIN / "luigi"), "--module", "pipeline", "BuildTimit", "--corpus-root", str(corpus)]
    command += ["--out", str(out), "--workers", str(workers), *flags]
    return subprocess.Popen(
        command, cwd=REPOSITORY, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def check(out: Path) -> str:
    """The digest, if nothing is wrong."""
    command = [sys.executable, "-m", "pipeline", "check", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{out}: {done.stdout} {done.stderr}")
    if json.loads((out / "dataset.json").read_text())["digest"] != done.stdout.strip():
        raise BuildError(f"{out}: check and dataset.json disagree")
    return done.stdout.strip()


@contextlib.contextmanager
def scheduler(way: Way, state: Path) -> Iterator[list[str]]:
    """A luigid with the settings of luigi.cfg, where one is wanted; yields the flags that lead builds to it."""
    if not way.luigid:
        yield []
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [str(BIN / "luigid"), "--address", "127.0.0.1", "--port", port, "--state-path", str(state)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
    parser = argparse.ArgumentParser(prog="python benchmarks/kill.py", description=__doc__)
    parser.add_argument("--builds", type=int, default=20, help="disturbed builds (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    parser.add_argument("--corpus-root", type=Path, help="a corpus in TCD-TIMIT's layout (default: drawn)")
    parser.add_argument("--speakers", type=int, default=6, help="of the drawn corpus (default 6)")
    parser.add_argument("--clips", type=int, default=3, help="of each (default 3)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a clip (default 2)")
    return parser


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
