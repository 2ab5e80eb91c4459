"""A corpus that comes as a list: a CSV table with a row for each clip."""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.corpora.source import PICTURES_FPS, SPLITS, Box, Clip, Inventory, Source, as_inventory, named, one_name
from pipeline.corpora.splits import seeded_splits
from pipeline.errors import InputError
from pipeline.files import regular_size, sha256_of

REQUIRED, OPTIONAL = ("path", "speaker"), ("split", "start", "end", "box", "fps")
MOST_FPS = 1000  # no camera of faces gives more; moments are counted one by one
MOST_TABLE_BYTES = 256 << 20
_DELIMITERS = ",;\t"  # spreadsheets write any of them


@dataclass(frozen=True)
class _Row:
    """A row of the table and where it stands."""

    where: str  # "clips.csv:17", for messages
    values: Mapping[str, str]

    def number(self, name: str) -> float | None:
        """A number that is not negative, to the microsecond; None where the field is empty."""
        text = self.values.get(name, "")
        if not text:
            return None
        value = _finite(text)
        if value is None or value < 0:
            raise InputError(f"{self.where}: {name} must be a number, 0 or more, got '{text}'")
        return round(value, 6)

    def box(self) -> Box | None:
        """left, top, right, bottom, separated by spaces or commas."""
        text = self.values.get("box", "")
        if not text:
            return None
        numbers = [_finite(word) for word in re.split(r"[\s,;]+", text.strip(" ()[]"))]
        left, top, right, bottom = numbers if len(numbers) == 4 else (None,) * 4
        if left is None or top is None or right is None or bottom is None or left >= right or top >= bottom:
            raise InputError(
                f"{self.where}: box must be 'left top right bottom' with left < right and top < bottom, got '{text}'"
            )
        return round(left, 6), round(top, 6), round(right, 6), round(bottom, 6)


def scan_table(table: Path, root: Path, seed: int = 0) -> Inventory:
    """The clips that a table lists: columns path and speaker; split, or it is drawn; start, end, box, fps if wanted.

    Several rows may cut one file. A clip's id is its path, and after `#` what else its row says:
    `talk.mp4#t=12.5,20&box=0.1,0.2,0.4,0.7&fps=25`.

    Args:
        table: the CSV file, UTF-8, with a header.
        root: the paths are below it; a path of a folder means the pictures in it.
        seed: of the three-to-one split by speaker, where the table has no column `split` or that is empty throughout.

    Raises:
        InputError: names the table and the line of what cannot be used.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; name the corpus with --corpus-root")
    rows, warnings = _read(table)
    sources: dict[str, Source] = {}
    lines: dict[str, str] = {}
    missing = []
    for row in rows:
        path, kind = _on_disk(row, root)
        clip = Clip(path, row.number("start"), row.number("end"), row.box(), row.number("fps"))
        _check(row, clip)
        id_ = clip_id(clip)
        if id_ in lines:
            raise InputError(f"{row.where}: is the same clip as {lines[id_]} ({id_}); delete one of them")
        lines[id_] = row.where
        missing += [] if kind else [path]
        if kind == "pictures" and clip.fps is None:
            clip = Clip(path, clip.start, clip.end, clip.box, PICTURES_FPS)
        whole = kind != "pictures" and id_ == path
        sources[id_] = Source(id_, one_name(row.values["speaker"]), row.values["split"], None if whole else clip)
    if len(missing) == len(sources):
        raise InputError(
            f"{table}: none of its {len(rows)} files is below {root} ({named(missing)}); check --corpus-root"
        )
    if missing:
        warnings.append(f"{len(missing)} of {len(rows)} files of the table are not there ({named(missing)})")
    return as_inventory(Inventory(_split(table, sources, lines, seed), warnings=warnings))


def table_digest(table: Path) -> str:
    """The SHA-256 of a table: another one has other clips.

    Raises:
        InputError: it cannot be read.
    """
    try:
        regular_size(table, MOST_TABLE_BYTES)
        return sha256_of(table)
    except OSError as error:
        raise InputError(f"--table {table}: cannot be read ({error.strerror}); name a CSV file") from error


def clip_id(clip: Clip) -> str:
    """A clip's id: the path, and what says more than that in the manner of a media fragment."""
    said = []
    if clip.start is not None or clip.end is not None:
        said.append(f"t={_text(clip.start)}" + ("" if clip.end is None else f",{_text(clip.end)}"))
    if clip.box is not None:
        said.append("box=" + ",".join(map(_text, clip.box)))
    if clip.fps is not None:
        said.append(f"fps={_text(clip.fps)}")
    return clip.path + ("#" + "&".join(said) if said else "")


def clip_of(id_: str) -> Clip | None:
    """The inverse of `clip_id`; None for the id of a whole file."""
    path, mark, said = id_.rpartition("#")
    number = r"-?\d+(?:\.\d+)?"
    box = ",".join([number] * 4)
    parts = (f"t=(?P<start>{number})?(?:,(?P<end>{number}))?", f"box=(?P<box>{box})", f"fps=(?P<fps>{number})")
    match = re.fullmatch("&?".join(f"(?:{part})?" for part in parts), said)
    if not mark or match is None or not said:
        return None
    start, end, fps = (float(match[name]) if match[name] else None for name in ("start", "end", "fps"))
    left, top, right, bottom = map(float, match["box"].split(",")) if match["box"] else (0.0,) * 4
    return Clip(path, start, end, (left, top, right, bottom) if match["box"] else None, fps)


def _read(table: Path) -> tuple[list[_Row], list[str]]:
    """The rows, and a warning where columns are not used."""
    try:
        regular_size(table, MOST_TABLE_BYTES)
        with table.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            delimiter = max(_DELIMITERS, key=header.count)
            file.seek(0)
            return _parse(table, csv.reader(file, delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        raise InputError(f"{table}: is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise InputError(
            f"{table}: cannot be read as CSV ({error}); quote fields that hold commas or line ends"
        ) from error
    except OSError as error:
        raise InputError(f"--table {table}: cannot be read ({error.strerror}); name a CSV file") from error


def _parse(table: Path, lines: Any) -> tuple[list[_Row], list[str]]:
    names = [name.strip().lower() for name in next(lines, [])]
    lacking = [name for name in REQUIRED if name not in names]
    if lacking:
        raise InputError(
            f"{table}: its first line must name the columns path and speaker, and of split, start, end, box, fps what "
            f"there is; it lacks {' and '.join(lacking)}"
        )
    rows = []
    for fields in lines:
        if not any(field.strip() for field in fields):
            continue
        where = f"{table}:{lines.line_num}"
        if len(fields) != len(names):
            raise InputError(f"{where}: must have {len(names)} fields as the first line, got {len(fields)}")
        values = {name: field if name == "path" else field.strip() for name, field in zip(names, fields, strict=True)}
        rows.append(_Row(where, {"split": "", **values}))
    if not rows:
        raise InputError(f"{table}: lists no clip")
    unused = [name for name in names if name not in (*REQUIRED, *OPTIONAL)]
    return rows, [f"columns of the table that are not used: {', '.join(unused)}"] if unused else []


def _on_disk(row: _Row, root: Path) -> tuple[str, str]:
    """A row's path below the root as it is on disk, and what is there: "video", "pictures" or "" for nothing."""
    text = row.values["path"]
    path = PurePosixPath(text)
    if path.is_absolute():
        try:
            path = PurePosixPath(Path(text).relative_to(root.absolute()).as_posix())
        except ValueError as error:
            raise InputError(f"{row.where}: path must be below {root}, got '{text}'") from error
    if not text.strip() or "\0" in text or ".." in path.parts or not path.parts:
        raise InputError(f"{row.where}: path must name a file below the corpus root, got '{text}'")
    # As written; without space around it; and in the other ways that Unicode has of writing it.
    name = path.as_posix()
    forms = [name, name.strip(), *(unicodedata.normalize(form, name.strip()) for form in ("NFC", "NFD"))]
    for form in forms:
        if (root / form).exists():
            return form, "pictures" if (root / form).is_dir() else "video"
    return name, ""


def _check(row: _Row, clip: Clip) -> None:
    if clip.end is not None and clip.end <= (clip.start or 0):
        raise InputError(f"{row.where}: end must be after start, got {_text(clip.start or 0)} to {_text(clip.end)} s")
    if clip.fps is not None and not 0 < clip.fps <= MOST_FPS:
        raise InputError(f"{row.where}: fps must be above 0 and at most {MOST_FPS}, got {clip.fps:g}")
    if not row.values["speaker"]:
        raise InputError(f"{row.where}: speaker is empty; who speaks decides what may be in one split")
    if row.values["split"] not in (*SPLITS, ""):
        raise InputError(f"{row.where}: split must be one of {', '.join(SPLITS)}, got '{row.values['split']}'")


def _split(table: Path, sources: Mapping[str, Source], lines: Mapping[str, str], seed: int) -> list[Source]:
    """The table's own split, or a seeded one by speaker where it says nothing."""
    without = [id_ for id_, source in sources.items() if not source.split]
    if not without:
        return list(sources.values())
    if len(without) < len(sources):
        raise InputError(f"{lines[without[0]]}: split is empty; fill it in all rows of {table.name} or in none")
    splits = seeded_splits({source.speaker for source in sources.values()}, seed)
    return [Source(s.id, s.speaker, splits[s.speaker], s.clip) for s in sources.values()]


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _text(value: float | None) -> str:
    """A number without needless digits, at most to the microsecond."""
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")
