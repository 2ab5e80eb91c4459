"""The sample corpus: drawn talking heads in TCD-TIMIT's layout, with exact ground truth beside every clip."""

from __future__ import annotations

from pipeline.sample.corpus import write_sample_corpus
from pipeline.sample.renderer import speaker_sheet
from pipeline.sample.speakers import NAMED, Speaker, random_speaker

__all__ = ["NAMED", "Speaker", "random_speaker", "speaker_sheet", "write_sample_corpus"]
