"""What the user does not want: a file of ids, or of frames of them, one a line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.corpora.source import Inventory, Ranges, named
from pipeline.errors import InputError
from pipeline.files import regular_size

MOST_LIST_BYTES = 64 << 20
_FRAMES = re.compile(r"(?P<id>.+)[#&]frames?=(?P<frames>[\d, -]+)")
_STRETCH = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def exclude(inventory: Inventory, file: Path) -> Inventory:
    """The inventory without what a file names.

    A line is an id as in the manifest, or an id and frames of it as `frame_index` counts them:
    `anna/1.mp4#frame=17-42,99`. Empty lines, and those that begin with `#`, say nothing. Splits stay what they are.

    Raises:
        InputError: the file cannot be read, a line is wrong, none of the lines fits the corpus, or all of it is named.
    """
    frames, lines = read_unwanted(file)
    # Names as the user's editor may have composed them.
    ids = {unicodedata.normalize("NFC", source.id): source.id for source in inventory.sources}
    ids |= {source.id: source.id for source in inventory.sources}
    unwanted: dict[str, Ranges | None] = {}
    strangers = []
    for name, stretches in frames.items():
        known = ids.get(name) or ids.get(unicodedata.normalize("NFC", name))
        if known is None:
            strangers.append(name)
        else:
            unwanted[known] = stretches
    if strangers and not unwanted:
        raise InputError(
            f"{file}: none of its {lines} lines names a clip of the corpus (the first: {strangers[0]}); "
            "an id is a path below the corpus root as in manifest.csv"
        )
    # A clip that is named as a whole goes; of others the stretches are noted.
    sources = [
        replace(source, excluded=unwanted.get(source.id) or ())
        for source in inventory.sources
        if unwanted.get(source.id, ()) is not None
    ]
    if not sources:
        raise InputError(f"{file}: names every clip of the corpus; nothing is left to build")
    warnings = [f"{file.name} excludes {len(strangers)} clips that are not in the corpus ({named(strangers)})"]
    return replace(
        inventory,
        sources=sources,
        excluded=sorted(name for name, stretches in unwanted.items() if stretches is None),
        warnings=inventory.warnings + (warnings if strangers else []),
    )


def read_unwanted(file: Path) -> tuple[Mapping[str, Ranges | None], int]:
    """The ids named, each with the stretches of frames, or None for the whole clip; and how many lines there are."""
    try:
        regular_size(file, MOST_LIST_BYTES)
        text = file.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"--exclude {file}: cannot be read ({error.strerror})") from error
    found: dict[str, Ranges | None] = {}
    lines = 0
    for number, line in enumerate(text.split("\n"), 1):
        if (said := _said(line)) is None:
            continue
        lines += 1
        name, frames = said
        if not frames:
            found[name] = None
        elif found.get(name, ()) is not None:
            found[name] = _joined((found.get(name) or ()) + _stretches(f"{file}:{number}", frames))
    return found, lines


def line_for(name: str, stretches: Ranges = ()) -> str | None:
    """The line that names a clip, or frames of it; None where no line can, as of a name with a line break in it."""
    frames = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in stretches)
    line = f"{name}{'&' if '#' in name else '#'}frame={frames}" if stretches else name
    return line if "\n" not in line and _said(line) == (name, frames) else None


def _said(line: str) -> tuple[str, str] | None:
    """The id that a line names, and the frames ("" for all); None of a line that names nothing."""
    line = line.removesuffix("\r")
    if not line.strip() or line.startswith("#"):
        return None
    match = _FRAMES.fullmatch(line)
    return (match["id"], match["frames"]) if match else (line, "")


def _stretches(where: str, text: str) -> Ranges:
    found = []
    for word in text.replace(" ", "").split(","):
        match = _STRETCH.fullmatch(word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise InputError(f"{where}: frames must be numbers or stretches such as 17 or 17-42, got '{word}'")
        found.append((first, last))
    return tuple(found)


def _joined(stretches: Ranges) -> Ranges:
    """The same frames in as few stretches as can be, in order: one way of saying it."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(stretches):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)
