"""The manifest: one row a source video, whether it arrived or why not. Columns are explained in manifests/README.md."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import DatasetError
from pipeline.files import atomic_write, regular_size
from pipeline.result import DROP_REASONS, SCORE_COLUMNS, VideoResult

if TYPE_CHECKING:
    import pandas

MOST_BYTES = 256 << 20  # of a table; 100 000 videos take 20 MB, with long names, scores and errors 80
MOST_COLUMNS = 200
_FORMULA, _QUOTED_FORMULA = re.compile(r"'*[=+\-@\t\r]"), re.compile(r"'+[=+\-@\t\r]")
TEXT_COLUMNS = ("id", "speaker", "split", "path", "sha256", "shard", "status", "error", "note", "warning")


class ManifestRow(NamedTuple):
    """What a row is made of."""

    result: VideoResult
    root: Path  # the corpus root
    shard: str | None  # of the video's chunk


def write_manifest(path: Path, rows: Iterable[ManifestRow]) -> None:
    """Write the table, sorted by id, atomically."""
    _write(path, (_columns(*row) for row in rows))


def write_rows(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write rows as `read_rows` gives them, sorted by id, atomically."""
    _write(path, ({n: _harmless_cell(c) if n in TEXT_COLUMNS else c for n, c in row.items()} for row in rows))


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    import pandas  # here: scheduling writes no tables, and starts sooner

    table = pandas.DataFrame(list(rows)).sort_values("id", kind="stable")
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", errors="surrogateescape")


def read_manifest(path: Path) -> pandas.DataFrame:
    """The table; text columns are strings, empty where nothing is said.

    Raises:
        DatasetError: missing or damaged.
    """
    import pandas

    try:
        regular_size(path, MOST_BYTES, DatasetError, follow=False)
        _check_header(path)
        table = pandas.read_csv(
            path, dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False, encoding_errors="surrogateescape"
        )
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: the manifest is missing; run the build again") from error
    except (ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path}: the manifest cannot be read ({reason}); run the build again") from error
    missing = set(TEXT_COLUMNS) - set(table.columns)
    if missing:
        raise DatasetError(f"{path}: the manifest lacks {', '.join(sorted(missing))}; run the build again")
    for name in TEXT_COLUMNS:
        table[name] = table[name].fillna("").map(plain_cell)
    return table


def _check_header(path: Path) -> None:
    """Refuse a table that is mostly columns: pandas takes minutes over each of them.

    Raises:
        ValueError: there are too many.
    """
    with path.open("rb") as file:
        columns = file.readline(MOST_BYTES).count(b",") + 1
    if columns > MOST_COLUMNS:
        raise ValueError(f"{columns} columns, at most {MOST_COLUMNS} are read")


def result_of_row(row: Mapping[str, str]) -> VideoResult:
    """The result that a row of a manifest was made of, as far as the manifest tells.

    Raises:
        KeyError, ValueError: it is no row of a manifest.
    """
    drops = {reason: int(row.get(f"dropped_{reason}") or 0) for reason in DROP_REASONS}
    values: dict[str, Any] = {name: row[name] for name in TEXT_COLUMNS if name not in ("path", "shard")}
    values |= {name: int(row[name]) for name in ("width", "height", "frames_seen", "frames_kept", "frames_other_faces")}
    values |= {name: float(row[name]) for name in ("fps", "face_width_px", "scale", "padding")}
    scores = {name: float(row[name]) for name in SCORE_COLUMNS if row.get(name)}
    return VideoResult(**values, drops=drops, scores=scores)


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows as they are written, text as it was."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        for row in csv.DictReader(file):
            yield {name: plain_cell(cell) for name, cell in row.items() if name in TEXT_COLUMNS} | {
                name: cell for name, cell in row.items() if name not in TEXT_COLUMNS
            }


def plain_cell(cell: str) -> str:
    """A text of the table as it was before `_harmless_cell`."""
    return cell[1:] if _QUOTED_FORMULA.match(cell) else cell


def _harmless_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: one that begins as those do has an apostrophe before it."""
    return f"'{text}" if _FORMULA.match(text) else text


def _without_root(text: str, root: Path) -> str:
    """An error's words without where the corpus lies on this machine."""
    for folder in {str(root), str(root.absolute()), str(root.resolve())}:
        text = text.replace(f"{folder}/", "")
    return text


def _columns(result: VideoResult, root: Path, shard: str | None) -> dict[str, Any]:
    arrived = result.status == "ok"
    columns: dict[str, Any] = {
        "id": result.id,
        "speaker": result.speaker,
        "split": result.split,
        "path": result.path or result.id,
        "sha256": result.sha256,
        "fps": result.fps,
        "width": result.width,
        "height": result.height,
        "frames_seen": result.frames_seen,
        "frames_kept": result.frames_kept if arrived else 0,
        **{f"dropped_{reason}": result.drops.get(reason, 0) for reason in DROP_REASONS},
        "frames_other_faces": result.frames_other_faces,
        "people": result.people,
        "face_width_px": result.face_width_px,
        "scale": result.scale,
        "padding": result.padding,
        **result.scores,
        "shard": shard if arrived else "",
        "status": result.status,
        "error": _without_root(result.error, root),
        "note": result.note,
        "warning": _without_root(result.warning, root),
    }
    return columns | {name: _harmless_cell(columns[name] or "") for name in TEXT_COLUMNS}
