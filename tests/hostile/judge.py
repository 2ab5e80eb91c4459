"""Whether a command that was given something hostile did what it must: refuse in one line, or do no harm."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.hostile.case import Case
from tests.hostile.child import CPU_SECONDS, HANG_SECONDS, MORE_BYTES, Ended
from tests.hostile.world import KEEP, SECRET, World, state_of

REFUSED, HARMLESS, FAILED = "refused", "harmless", "failed"
_BAR = re.compile(r"\r?[^\r\n]*?(?:\|[^\r\n|]*\||\d+[a-z]*) ?\d*/?\d* ?\[[^\]\r\n]*\]")  # of tqdm's
LONGEST_LINE = 1500
_BESIDE = re.compile(r"^(warning: |note: |interrupted: saving after this step|stopped by SIG\w+ after step)")
_DIGITS = re.compile(r"\b[0-9a-f]{12}\b")  # of names of unfinished files
_DEFECTS = ("check", "repair")  # they name what is wrong on stdout, a line each
_ENDED_BY = {-signal.SIGTERM, -signal.SIGHUP, -signal.SIGUSR1}  # what nobody handles


class Verdict(NamedTuple):
    """What became of a command."""

    verdict: str
    why: str = ""


def judge(case: Case, name: str, ended: Ended, sound: Ended, world: World, touched: list[str]) -> Verdict:
    """Look at everything that must hold.

    Args:
        sound: the same command in a sound world.
        touched: of what is another's.
    """
    faults = [*_of_process(case, ended, sound), *_of_words(case, name, ended), *_of_files(ended, world)]
    faults += [f"another's file: {each}" for each in touched]
    if faults:
        return Verdict(FAILED, "; ".join(faults))
    return Verdict(HARMLESS if ended.status == 0 else REFUSED)


def _of_process(case: Case, ended: Ended, sound: Ended) -> list[str]:
    faults = []
    signalled = bool(case.trouble.signals) and ended.status in _ENDED_BY
    if ended.hung:
        faults.append(f"hung for {HANG_SECONDS} s")
    elif ended.status < 0 and not signalled:
        faults.append(f"ended by {signal.Signals(-ended.status).name}")
    if ended.cpu_seconds > CPU_SECONDS + sound.cpu_seconds:
        faults.append(f"took {ended.cpu_seconds:.1f} s of the processor")
    if ended.peak_bytes > sound.peak_bytes + MORE_BYTES:
        faults.append(f"took {(ended.peak_bytes - sound.peak_bytes) >> 20} MB more")
    if ended.left:
        faults.append(f"left {len(ended.left)} processes")
    return faults


def _of_words(case: Case, name: str, ended: Ended) -> list[str]:
    faults = []
    lines = [line for line in _BAR.sub("\n", ended.err).splitlines() if line.strip() and not _BESIDE.match(line)]
    lines = list(dict.fromkeys(_DIGITS.sub("", line) for line in lines))  # Luigi tries three times, and says so
    both = ended.out + ended.err
    if "Traceback" in both:
        faults.append(f"a traceback: {both.strip().splitlines()[-1][:200]}")
    elif len(lines) > 1:
        faults.append(f"{len(lines)} lines: {' / '.join(lines)[:300]}")
    elif ended.status > 0 and not lines and name not in _DEFECTS:
        faults.append(f"status {ended.status} without a word")
    if any(len(line) > LONGEST_LINE for line in both.splitlines()):
        faults.append(f"a line of {max(map(len, both.splitlines()))} letters")
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", both):
        faults.append("control characters on the terminal")
    short = case.trouble.memory_bytes is not None
    if not short and "memory ran out" in both.lower():
        faults.append("more memory asked for than there is")
    return faults


def _of_files(ended: Ended, world: World) -> list[str]:
    faults = []
    for path in world.root.rglob("*"):
        ours = path.suffix in (".part", ".partial") and not path.name.startswith((KEEP, f".{KEEP}"))
        if ours and ended.status != -signal.SIGTERM and path.is_relative_to(world.root):
            faults.append(f"left {path.relative_to(world.root)}")
        if path.name == "owned":
            faults.append("code was run")
    for path in world.out().rglob("*") if world.out().is_dir() and not world.out().is_symlink() else ():
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if SECRET.encode() in content:
                faults.append(f"a secret in {path.relative_to(world.root)}")
            if not content and path.suffix not in (".lock", "") and path.name not in ("lock", ".lock"):
                faults.append(f"left an empty {path.relative_to(world.root)}")
    page = world.dataset / "report" / "index.html"
    if page.is_file() and not page.is_symlink() and SECRET in page.read_text(errors="replace"):
        faults.append("a secret in the report")
    if SECRET in ended.out + ended.err:
        faults.append("a secret on the terminal")
    return faults


def kept_of(world: World) -> Mapping[str, object]:
    """What a user put there."""
    return state_of(world.root, KEEP)


def contents_below(folder: Path) -> set[str]:
    """The contents of all regular files below a folder."""
    return {content for _, _, content in state_of(folder).values()}
