"""The crop settings that a network was trained with, found beside its checkpoint or in a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.checkpoint import CONFIG_FILE
from model.trained import Trained
from pipeline.errors import DatasetError
from pipeline.files import read_json
from pipeline.layout import DATASET_FILE
from pipeline.settings import Settings, recorded_settings
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
        DatasetError: what was found are no settings; names the file.
    """
    config: Mapping[str, Any] | None
    if source is not None and source.config:
        path, config = source.root / DATASET_FILE, source.config
    else:
        path = trained.checkpoint.parent.parent / CONFIG_FILE
        config = _recorded(path, trained.dataset_digest)
    settings = recorded_settings(config, path) if config else Settings()
    if centre is not None:
        settings = replace(settings, centre=centre)
    return settings if face_fraction is None else replace(settings, face_fraction=face_fraction)


def _recorded(path: Path, digest: str) -> Mapping[str, Any] | None:
    """The dataset's settings according to a run's config.json; None where it does not lead to any."""
    try:
        noted = read_json(path)["dataset"]
        if config := noted.get("config"):
            return dict(config)
        dataset = open_dataset(Path(noted["root"]))
    except (OSError, DatasetError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return dataset.config if dataset.digest == digest else None
