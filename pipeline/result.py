"""What became of one source video: a row of the manifest, kept in a small file until its chunk is done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pipeline.corpora import Source
from pipeline.files import atomic_write

DROP_REASONS = ("no_face", "too_small", "out_of_frame", "other_person", "corrupt", "excluded")
# Reasons that may lie in the circumstances: such videos are tried again as long as the build is unfinished.
TRANSIENT_REASONS = ("changed", "crashed", "timeout", "vanished")


@dataclass(frozen=True)
class VideoResult:
    """What became of one source video: a row of the manifest."""

    id: str
    speaker: str
    split: str
    status: str = "ok"
    error: str = ""
    note: str = ""
    warning: str = ""
    sha256: str = ""
    fps: float = 0.0
    width: int = 0
    height: int = 0
    frames_seen: int = 0
    frames_kept: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    frames_other_faces: int = 0
    people: int = 0
    face_width_px: float = 0.0
    scale: float = 0.0
    padding: float = 0.0
    path: str = ""  # below the corpus root, where the id says more than that
    stamp: str = ""  # of the source as it was read (`content.stamp_of`)
    excluded: list[list[int]] = field(default_factory=list)  # first and last number of stretches left out on request

    @property
    def reason(self) -> str:
        """Why it failed, in a word; empty for a video that arrived."""
        return reason_of(self.error)

    @property
    def is_transient(self) -> bool:
        """Whether another try may well end otherwise."""
        return self.status != "ok" and self.reason in TRANSIENT_REASONS

    def of(self, source: Source) -> VideoResult:
        """The same, of somebody else or in another split by now."""
        return replace(self, speaker=source.speaker, split=source.split)


def reason_of(error: str) -> str:
    """The word that an error in the manifest begins with."""
    return error.partition(":")[0]


def blank(source: Source) -> VideoResult:
    """A result that says whose it will be."""
    path = "" if source.path == source.id else source.path
    return VideoResult(source.id, source.speaker, source.split, path=path, excluded=[list(r) for r in source.excluded])


def failed(source: Source, reason: str, message: str, stamp: str = "", sha256: str = "") -> VideoResult:
    """The result of a video that gave nothing."""
    return replace(blank(source), status="failed", error=f"{reason}: {message}", stamp=stamp, sha256=sha256)


def save_result(path: Path, result: VideoResult) -> None:
    """Record that a video is done."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(asdict(result)), encoding="utf-8")


def load_result(path: Path) -> VideoResult | None:
    """A final result that `save_result` wrote; None where there is none, or trying again may give another."""
    try:
        result = VideoResult(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return None if result.is_transient else result
