"""A finished dataset for other people's trainers: WebDataset tars, folders of clips, parquet for `datasets`."""

from pipeline.export.run import FORMATS, export_dataset, origin_of
from pipeline.export.settings import ORIGINS, PICTURES, ExportSettings

__all__ = ["FORMATS", "ORIGINS", "PICTURES", "ExportSettings", "export_dataset", "origin_of"]
