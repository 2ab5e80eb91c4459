"""What befalls commands beside their files: signals, full disks, short memory, no home, two at once."""

from __future__ import annotations

import fcntl
import os
import random
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import h5py

from tests.hostile.case import Case, nothing
from tests.hostile.child import Trouble
from tests.hostile.world import World

WRITERS = ("train", "resume", "evaluate", "answers", "figures", "animate", "export", "report", "build")
ALL = (*WRITERS, "build_again", "check", "repair")
SIGNALS = {"Ctrl-C": signal.SIGINT, "TERM": signal.SIGTERM, "HUP": signal.SIGHUP, "USR1": signal.SIGUSR1}


def of_signals(dice: random.Random) -> Iterator[Case]:
    """At any moment; what a command takes is a second or two."""
    for command in ALL:
        for seconds in (dice.uniform(0, 0.3), dice.uniform(0.3, 1.2)):
            trouble = Trouble(signals=((seconds, signal.SIGINT),))
            yield Case("signals", f"{command}: Ctrl-C after {seconds:.2f} s", nothing, (command,), trouble)
        again = dice.uniform(0.05, 1)
        trouble = Trouble(signals=((again, signal.SIGINT), (again + dice.uniform(0, 0.2), signal.SIGINT)))
        yield Case("signals", f"{command}: Ctrl-C twice, {again:.2f} s", nothing, (command,), trouble)
        seconds = dice.uniform(0, 1.2)
        trouble = Trouble(signals=((seconds, signal.SIGTERM),))
        yield Case("signals", f"{command}: TERM after {seconds:.2f} s", nothing, (command,), trouble)


def of_disks(dice: random.Random) -> Iterator[Case]:
    """A file that cannot grow stands for a full disk: both are errors of write(2)."""
    for command in WRITERS:
        for number in (0, dice.randrange(1, 4096), dice.randrange(4096, 100_000), dice.randrange(100_000, 1_500_000)):
            trouble = Trouble(file_bytes=number)
            yield Case("full disks", f"{command}: after {number} bytes", nothing, (command,), trouble)


def of_memory(dice: random.Random) -> Iterator[Case]:
    """Little memory is no fault of any file."""
    for command in ("check", "repair", "report", "train", "evaluate", "animate", "build"):
        for megabytes in (1, 8, dice.randrange(16, 200)):
            trouble = Trouble(memory_bytes=megabytes << 20)
            yield Case("short memory", f"{command}: {megabytes} MB", nothing, (command,), trouble)
    for command in ("check", "repair", "report", "train"):
        trouble = Trouble(before=_without_filters)
        yield Case("short memory", f"{command}: the library of the filters is missing", nothing, (command,), trouble)


def _without_filters() -> None:
    for number in (32004, 32015, 32033):
        h5py.h5z.unregister_filter(number)


ENVIRONMENTS: dict[str, Trouble] = {
    "no home": Trouble(environment=dict.fromkeys(("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME", "NUMBA_CACHE_DIR"))),
    "a home that is not there": Trouble(environment={"HOME": "/nowhere", "XDG_CACHE_HOME": None}),
    "a home of this folder": Trouble(environment={"HOME": "", "XDG_CACHE_HOME": "", "NUMBA_CACHE_DIR": "."}),
    "a user without a name": Trouble(
        environment=dict.fromkeys(("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME")), user=54321
    ),
    "a terminal of ASCII": Trouble(environment={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, encoding="ascii"),
    "a terminal of 20 columns": Trouble(environment={"COLUMNS": "20", "LINES": "2", "TERM": "dumb"}),
    "nothing at all": Trouble(environment=dict.fromkeys(sorted(os.environ))),
}


def opened(world: World) -> None:
    """Let anybody read and write."""
    for inside, _, files in os.walk(world.root):
        Path(inside).chmod(0o777)
        for name in files:
            Path(inside, name).chmod(0o666)
    world.out().mkdir(mode=0o777)
    world.out().chmod(0o777)


def payload_below(world: World) -> None:
    """What numba's own cache would unpickle, where an unset home leads."""
    for place in (world.root / "~" / ".cache", world.root / ".cache", world.root / "numba_cache"):
        place.mkdir(parents=True)
        (place / "geometry.mouth_openness-1.py311.nbi").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")


def of_surroundings(_dice: random.Random) -> Iterator[Case]:
    """Homes, users, terminals."""
    for name, trouble in ENVIRONMENTS.items():
        if trouble.user is None or os.geteuid() == 0:
            for command in ("check", "report", "train", "evaluate", "animate", "build"):
                harm = opened if trouble.user is not None else payload_below
                yield Case("surroundings", f"{command}: {name}", harm, (command,), trouble)


_held: list[int] = []


def held(name: str, world: World) -> None:
    """Somebody else is at work in a folder: this process holds its lock until the next case."""
    while _held:
        os.close(_held.pop())
    path = world.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(file, fcntl.LOCK_EX)
    _held.append(file)


def of_two(_dice: random.Random) -> Iterator[Case]:
    """Two at work in one folder."""
    yield Case("two at once", "a training in a run folder", partial(held, "run/.lock"), ("resume",))
    yield Case("two at once", "a build in a dataset's folder", partial(held, "dataset/work/lock"), ("build_again",))
    yield Case(
        "two at once", "reading while a build is at work", partial(held, "dataset/work/lock"), ("check", "train")
    )
