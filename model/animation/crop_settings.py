"""The crop settings that a network was trained with, found beside its checkpoint or in a dataset."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.checkpoint import CONFIG_FILE
from model.trained import Trained
from pipeline.errors import DatasetError
from pipeline.settings import Settings
from pipeline.shards import Dataset, open_dataset


def find_settings(
    trained: Trained, source: Dataset | None, centre: str | None = None, face_fraction: float | None = None
) -> Settings:
    """How clips are tracked and cropped, so that the network sees what it was trained on.

    The first of these that there is: the settings of the source's dataset; those that the run's config.json holds for
    its dataset; those of the dataset at the place that config.json names, if it is still the same; the defaults, which
    are TCD-TIMIT's.

    Args:
        trained: the network; its run folder holds config.json.
        source: the dataset that the source's bank comes from.
        centre, face_fraction: the user's own, instead of what was found.

    Raises:
        InputError: `centre` or `face_fraction` is out of range.
    """
    config: dict[str, Any] | None
    if source is not None and source.config:
        config = source.config
    else:
        config = _recorded(trained.checkpoint.parent.parent / CONFIG_FILE, trained.dataset_digest)
    settings = Settings.from_dict(config) if config else Settings()
    if centre is not None:
        settings = replace(settings, centre=centre)
    return settings if face_fraction is None else replace(settings, face_fraction=face_fraction)


def _recorded(path: Path, digest: str) -> dict[str, Any] | None:
    """The dataset's settings according to a run's config.json; None where it does not lead to any."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))["dataset"]
    except (OSError, ValueError, KeyError):
        return None
    if noted.get("config"):
        return dict(noted["config"])
    try:
        dataset = open_dataset(noted["root"])
    except (DatasetError, KeyError):
        return None
    return dataset.config if dataset.digest == digest else None
