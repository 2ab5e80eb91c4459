"""What an export can be asked for; everything in it changes bytes."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import InputError

ORIGINS = ("real", "synthetic", "unknown")
PICTURES = ("png", "jpeg")


@dataclass(frozen=True)
class ExportSettings:
    """How samples are cut and stored."""

    format: str
    window: int = 0  # frames of a WebDataset sample; 0: a sample is a whole video
    pictures: str = "png"  # of frames: lossless, or jpeg of quality 95, colours at full resolution
    frames_per_file: int = 5000  # of a tar or parquet file, which ends with the video that reaches it
    origin: str = "unknown"  # of the pictures, one of `ORIGINS`

    def __post_init__(self) -> None:
        if self.window < 0:
            raise InputError(f"--window must be 0 (a sample is a video) or more frames, got {self.window}")
        if self.window and self.format != "webdataset":
            raise InputError(f"--window is for --format webdataset; {self.format} keeps videos whole")
        if self.pictures != "png" and self.format == "clips":
            raise InputError("--pictures is for webdataset and huggingface; clips are H.264")
        if self.frames_per_file < 1:
            raise InputError(f"--frames-per-file must be 1 or more, got {self.frames_per_file}")
