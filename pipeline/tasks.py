"""The Luigi tasks: `BuildTimit`, `BuildFaceForensics`, `BuildFolder`, `BuildTable`, `BuildSample`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import luigi

from pipeline import corpora
from pipeline.building import luigi_defaults
from pipeline.building.luigi_tasks import Build, bank_from_parameter
from pipeline.corpora import Inventory
from pipeline.errors import InputError
from pipeline.settings import CENTRE_NAMES

luigi_defaults.apply()


class BuildFolder(Build):
    """Builds from any folder of videos: one subfolder is one speaker, files at the top are one speaker each."""

    split_seed = luigi.IntParameter(default=0, description="seed of the three-to-one split into train and test")
    speaker_pattern = luigi.Parameter(
        default="",
        description="regular expression that finds the speaker in a video's path below the corpus root: what its "
        "first group matches; '^([^_]+)_' for 1001_DFA_ANG_XX.mp4",
    )
    split = luigi.ChoiceParameter(
        choices=("seeded", "folders"),
        default="seeded",
        description="the seeded split, or folders at the top that are called train, val and test",
    )

    def sources(self) -> Inventory:
        return corpora.scan_folder(Path(self.corpus_root), self.split_seed, self.speaker_pattern, self.split)

    def source_options(self) -> dict[str, Any]:
        options = {"split_seed": self.split_seed}
        if self.speaker_pattern or self.split != "seeded":
            options |= {"speaker_pattern": self.speaker_pattern, "split": self.split}
        return options


class BuildTable(Build):
    """Builds from a list of clips, a CSV table: path, speaker, split, and if wanted start, end, box, fps."""

    corpus = "table"
    table = luigi.Parameter(default="", description="the CSV table (required); docs/corpora.md explains its columns")
    split_seed = luigi.IntParameter(
        default=0, description="seed of the three-to-one split by speaker, where the table gives none"
    )

    def sources(self) -> Inventory:
        return corpora.scan_table(self._table, Path(self.corpus_root), self.split_seed)

    def source_options(self) -> dict[str, Any]:
        return {"table": corpora.table_digest(self._table), "split_seed": self.split_seed}

    @property
    def _table(self) -> Path:
        if not self.table:
            raise InputError("BuildTable needs the table: name a CSV file with --table")
        return Path(self.table)


class BuildTimit(Build):
    """Builds TCD-TIMIT: volunteers/<id>/Clips/straightcam/*.mp4, with its published speaker-independent split."""

    corpus = "timit"
    bank_from = bank_from_parameter("other")  # the paper's protocol for it
    cameras = luigi.Parameter(
        default="straightcam", description="camera folders to use, separated by commas: straightcam, 30degcam"
    )
    extra_speakers = luigi.ChoiceParameter(
        choices=("none", "all"),
        default="none",
        description="the six speakers outside the published split (27M, 35M, 53M, the lipspeakers)",
    )

    def sources(self) -> Inventory:
        return corpora.scan_timit(Path(self.corpus_root), str(self.cameras).split(","), self.extra_speakers)

    def source_options(self) -> dict[str, Any]:
        return {"cameras": self.cameras, "extra_speakers": self.extra_speakers}


class BuildSample(BuildTimit):
    """Draws the sample corpus, talking heads with known landmarks in TCD-TIMIT's layout, and builds its dataset."""

    lists_anew = False  # listing draws it
    corpus_root = luigi.Parameter(
        default="sample-corpus", significant=False, description="folder to draw the corpus in"
    )
    speakers = luigi.IntParameter(default=8, description="speakers to draw")
    clips = luigi.IntParameter(default=4, description="clips of each")
    seconds = luigi.FloatParameter(default=2.5, description="length of a clip")

    def sources(self) -> Inventory:
        from pipeline.sample import write_sample_corpus  # draws with cv2, which scheduling need not load

        write_sample_corpus(
            Path(self.corpus_root),
            speakers=self.speakers,
            clips=self.clips,
            seconds=self.seconds,
            workers=os.cpu_count() or 1,
        )
        return super().sources()

    @property
    def notes(self) -> dict[str, Any]:
        return {**super().notes, "origin": "synthetic"}

    def source_options(self) -> dict[str, Any]:
        drawn = {"speakers": self.speakers, "clips": self.clips, "seconds": self.seconds}
        return {**super().source_options(), **drawn}


class BuildFaceForensics(Build):
    """Builds FaceForensics: v1 (train/original/*.avi, ...) or FF++ (original_sequences/youtube/c23/videos/*.mp4)."""

    corpus = "faceforensics"
    crop_centre = luigi.ChoiceParameter(
        choices=CENTRE_NAMES, default="eyes", description="the crop's centre: tip of the nose, or between the eyes"
    )
    split_seed = luigi.IntParameter(default=0, description="seed of the 75/25 split by hash of the video's id")
    split = luigi.ChoiceParameter(
        choices=("seeded", "folders"), default="seeded", description="the 75/25 split, or v1's own folders"
    )
    compression = luigi.ChoiceParameter(
        choices=("best", "raw", "c23", "c40"),
        default="best",
        description="of FF++; best: the first that is there",
    )

    def sources(self) -> Inventory:
        return corpora.scan_faceforensics(Path(self.corpus_root), self.split_seed, self.compression, self.split)

    def source_options(self) -> dict[str, Any]:
        return {"split_seed": self.split_seed, "compression": self.compression, "split": self.split}
