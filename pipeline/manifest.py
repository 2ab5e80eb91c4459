"""The manifest: one row a source video, whether it arrived or why not. Columns are explained in manifests/README.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import DatasetError
from pipeline.files import atomic_write
from pipeline.result import DROP_REASONS, VideoResult

if TYPE_CHECKING:
    import pandas

MANIFEST_FILE = "manifest.csv"
TEXT_COLUMNS = ("id", "speaker", "split", "path", "sha256", "shard", "status", "error", "warning")


class ManifestRow(NamedTuple):
    """What a row is made of."""

    result: VideoResult
    root: Path  # the corpus root
    shard: str | None  # of the video's chunk


def write_manifest(path: Path, rows: Iterable[ManifestRow]) -> None:
    """Write the table, sorted by id, atomically."""
    import pandas  # here: scheduling writes no tables, and starts sooner

    table = pandas.DataFrame([_columns(*row) for row in rows]).sort_values("id", kind="stable")
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", errors="surrogateescape")


def read_manifest(path: Path) -> pandas.DataFrame:
    """The table; text columns are strings, empty where nothing is said.

    Raises:
        DatasetError: missing or damaged.
    """
    import pandas

    try:
        table = pandas.read_csv(
            path, dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False, encoding_errors="surrogateescape"
        )
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: the manifest is missing; run the build again") from error
    except ValueError as error:
        raise DatasetError(f"{path}: the manifest cannot be read ({error}); run the build again") from error
    missing = set(TEXT_COLUMNS) - set(table.columns)
    if missing:
        raise DatasetError(f"{path}: the manifest lacks {', '.join(sorted(missing))}; run the build again")
    return table


def _columns(result: VideoResult, root: Path, shard: str | None) -> dict[str, Any]:
    arrived = result.status == "ok"
    return {
        "id": result.id,
        "speaker": result.speaker,
        "split": result.split,
        "path": str(root / result.id),
        "sha256": result.sha256,
        "fps": result.fps,
        "width": result.width,
        "height": result.height,
        "frames_seen": result.frames_seen,
        "frames_kept": result.frames_kept if arrived else 0,
        **{f"dropped_{reason}": result.drops.get(reason, 0) for reason in DROP_REASONS},
        "frames_other_faces": result.frames_other_faces,
        "face_width_px": result.face_width_px,
        "scale": result.scale,
        "padding": result.padding,
        "shard": shard if arrived else "",
        "status": result.status,
        "error": result.error,
        "warning": result.warning,
    }
