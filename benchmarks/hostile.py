"""Give every command hundreds of hostile inputs: each must be refused in one line or do no harm.

    python benchmarks/hostile.py [--cases 40] [--kind "shards: links"] [--name text]

A corpus, a dataset and a run are made first; each case harms a copy of them, and the commands run in forked processes
with limits. Prints a table of counts and every failure; exit status 1 if there is one.
"""

# ruff: noqa: E402 - what is set here is read when modules are loaded
from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TQDM_DISABLE"):
    os.environ[name] = "1"

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch
import torch._dynamo  # what a checkpoint's check loads late, once for all
import torch._refs
from tqdm import tqdm

from tests.hostile import child, commands, judge, world
from tests.hostile.case import Case
from tests.hostile.corpus import all_cases

PLAIN = child.Trouble()
PATIENCE_SECONDS = 900  # with the sound world, on a machine that is busy


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    args = build_parser().parse_args(argv)
    seed = random.SystemRandom().randrange(1 << 30) if args.seed is None else args.seed
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="hostile-", dir=args.folder) as name:
        bench = Bench(Path(name))
        cases = [case for case in all_cases(bench.clean, seed) if args.kind in case.kind and args.name in case.name]
        random.Random(seed).shuffle(cases)
        chosen = cases[: args.cases]
        print(f"{len(chosen)} of {len(cases)} cases, --seed {seed}", flush=True)
        begun = time.monotonic()
        counts: Counter[tuple[str, str]] = Counter()
        done = []
        try:
            for case in tqdm(chosen, unit="case", disable=None):
                for verdict in bench.run(case, args.verbose):
                    counts[case.kind, verdict] += 1
                done.append(case)
        except KeyboardInterrupt:
            print(f"interrupted after {len(done)} cases")
        print(f"{table(done, counts)}\n{time.monotonic() - begun:.0f} s, {bench.cpu_seconds:.0f} s of the processor")
    return 1 if any(verdict == judge.FAILED for _, verdict in counts) else 0


class Bench:
    """A sound world, and what commands cost in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.chmod(0o755)  # for the user without a name
        made = child.run(lambda: _make(root), root, child.Trouble(memory_bytes=16 << 30), PATIENCE_SECONDS)
        if made.status != 0:
            raise RuntimeError(f"the sound world could not be made: {made.err}")
        self.clean = world.World(root / "clean", root / "foreign")
        self.sound: dict[str, child.Ended] = {}
        self.cpu_seconds = 0.0
        self.watch = child.Watch(self.clean.foreign)
        self.watch.seen()

    def cost(self, name: str) -> child.Ended:
        """The command in a sound world: it must succeed there."""
        if name not in self.sound:
            place = world.copy(self.clean, self.root / "sound")
            (place.root / "clips.csv").write_text(f"path,speaker,split\ntrain/{world.TRAIN}/a b.mp4,anna,train\n")
            (place.root / "exclude.txt").write_text("# nothing\n")
            ended = child.run(lambda: commands.COMMANDS[name](place), place.root, PLAIN)
            if ended.status != 0:
                raise RuntimeError(f"{name} fails in a sound world: {ended.status} {ended.out} {ended.err}")
            shutil.rmtree(place.root)
            self.sound[name] = ended
        return self.sound[name]

    def run(self, case: Case, verbose: bool) -> list[str]:
        """Harm a world, run the case's commands in it, and say what failed."""
        place = world.copy(self.clean, self.root / "world")
        verdicts = []
        try:
            try:
                case.harm(place)
            except Exception as error:
                raise RuntimeError(f"{case.kind} | {case.name}: the harm cannot be done") from error
            kept = judge.kept_of(place)
            self.watch.seen()
            for name in case.commands:
                sound = self.cost(name)
                contents = judge.contents_below(place.dataset) if name == "repair" else set()
                begun = time.monotonic()
                ended = child.run(
                    lambda name=name: commands.COMMANDS[name](place),  # type: ignore[misc]
                    place.root, case.trouble,
                )  # fmt: skip
                self.cpu_seconds += ended.cpu_seconds
                found = judge.judge(case, name, ended, sound, place, self.watch.seen())
                if judge.kept_of(place) != kept:
                    found = judge.Verdict(judge.FAILED, f"{found.why}; a user's file was touched")
                if name == "repair" and (lost := len(contents - judge.contents_below(place.dataset))):
                    found = judge.Verdict(judge.FAILED, f"{found.why}; {lost} files are gone")
                verdicts.append(found.verdict)
                if verbose or found.verdict == judge.FAILED:
                    print(f"{found.verdict.upper()} {case.kind} | {case.name} | {name}: {found.why}", flush=True)
                if verbose:
                    print(f"    {time.monotonic() - begun:.1f} s; sound {sound.cpu_seconds:.1f} s", end="")
                    print(f"    {ended.status} {ended.cpu_seconds:.1f} s {ended.out[-300:]!r} {ended.err[-500:]!r}")
        finally:
            _remove(place.root)
        return verdicts


def _make(root: Path) -> int:
    torch.set_num_threads(1)
    made = world.make_clean(root, commands.build_again, commands.train)
    return 0 if made.shard("train") else 1


def _remove(folder: Path) -> None:
    """Whatever is in there: nothing is followed."""
    shutil.rmtree(folder)


def table(cases: list[Case], counts: Counter[tuple[str, str]]) -> str:
    """Markdown: how many cases and commands of each kind, and what became of them."""
    lines = ["| kind | cases | commands | refused | harmless | failed |", "| --- | --: | --: | --: | --: | --: |"]
    kinds = sorted({case.kind for case in cases})
    verdicts = (judge.REFUSED, judge.HARMLESS, judge.FAILED)
    for kind in kinds:
        found = [counts[kind, verdict] for verdict in verdicts]
        cells = [sum(case.kind == kind for case in cases), sum(found), *found]
        lines.append(f"| {kind} | {' | '.join(map(str, cells))} |")
    totals = [sum(counts[kind, verdict] for kind in kinds) for verdict in verdicts]
    lines.append(f"| all | {' | '.join(map(str, [len(cases), sum(totals), *totals]))} |")
    return "\n".join(lines)


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(prog="python benchmarks/hostile.py", description=__doc__)
    parser.add_argument("--cases", type=int, help="so many, chosen by the seed (default: all)")
    parser.add_argument("--kind", default="", help="only kinds with this in their name")
    parser.add_argument("--name", default="", help="only cases with this in their name")
    parser.add_argument("--seed", type=int, help="of all that is drawn by chance (default: another one each time)")
    parser.add_argument("--folder", type=Path, help="where the worlds are made (default: the system's)")
    parser.add_argument("--verbose", action="store_true", help="every command, not only those that failed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
