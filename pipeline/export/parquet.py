"""Parquet that `datasets` of Hugging Face loads: a row a frame, its picture a column that says that it is one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.export.content import BATCH_ROWS, columns_of, picture_encoder
from pipeline.export.plan import Piece, in_files, stretches
from pipeline.export.settings import ExportSettings
from pipeline.files import atomic_write
from pipeline.geometry import LANDMARKS
from pipeline.shards import ShardReader, Video

PACKAGES = ("pyarrow",)


def _value(kind: str) -> dict[str, Any]:
    return {"dtype": kind, "_type": "Value"}


def _list(length: int, inner: Mapping[str, Any]) -> dict[str, Any]:
    return {"feature": inner, "length": length, "_type": "Sequence"}  # by the name that old versions know as well


# As `datasets` writes them into a file's metadata.
FEATURES: dict[str, dict[str, Any]] = {
    "image": {"_type": "Image"},
    "landmarks": _list(LANDMARKS, _list(2, _value("float32"))),
    "mouth_openness": _value("float32"),
    "frame_index": _value("int32"),
    "pts_seconds": _value("float64"),
    "crop_transform": _list(2, _list(3, _value("float32"))),
    "bank": _value("int8"),  # place among its video's bank, mouth closed to open; -1 outside
    "video": _value("string"),
    "speaker": _value("string"),
    "fps": _value("float64"),
    "source_sha256": _value("string"),
}


def plan(videos: Sequence[Video], settings: ExportSettings) -> list[Piece]:
    """The files of a split."""
    return in_files(videos, "parquet", settings.frames_per_file)


def write(to: Path, piece: Piece, sources: Mapping[str, str], settings: ExportSettings) -> None:
    """Write one file, a row group for `BATCH_ROWS` frames at most."""
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    schema = _schema()
    encode = picture_encoder(settings.pictures)
    packed = {name: "zstd" for name in schema.names if name != "image"}  # pictures are packed already
    with (
        atomic_write(to / piece.path) as temporary,
        ParquetWriter(temporary, schema, compression={**packed, "image": "none"}) as file,
    ):
        for video in piece.videos:
            with ShardReader(video.shard) as reader:
                for rows in stretches(video, BATCH_ROWS):
                    columns: dict[str, Any] = columns_of(reader, rows)
                    count = len(rows)
                    columns |= {name: columns[name].tolist() for name in ("landmarks", "crop_transform")}
                    columns["image"] = [{"bytes": encode(image), "path": None} for image in reader.frames(rows)]
                    columns["bank"] = np.array([_place(video, row) for row in rows], np.int8)
                    said = {"video": video.id, "speaker": video.speaker, "source_sha256": sources[video.id]}
                    columns |= {name: [_readable(text)] * count for name, text in said.items()}
                    columns["fps"] = [video.fps] * count
                    file.write_table(pyarrow.table(columns, schema=schema))


def _schema() -> Any:
    """The columns of `FEATURES`, and these as `datasets` looks for them."""
    import pyarrow

    def stored(feature: Mapping[str, Any]) -> Any:
        if feature["_type"] == "Image":
            return pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
        if feature["_type"] == "Sequence":
            return pyarrow.list_(stored(feature["feature"]), feature["length"])
        return pyarrow.type_for_alias(feature["dtype"])

    told = json.dumps({"info": {"features": FEATURES}})
    return pyarrow.schema({name: stored(feature) for name, feature in FEATURES.items()}, {"huggingface": told})


def _place(video: Video, row: int) -> int:
    return video.bank.index(row) if row in video.bank else -1


def _readable(text: str) -> str:
    """A name that is no UTF-8, as UTF-8: with question marks in it."""
    return os.fsencode(text).decode("utf-8", "replace")
