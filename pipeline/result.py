"""What became of one source video: a row of the manifest, kept in a small file until its chunk is done."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pipeline.corpora import Source
from pipeline.errors import DatasetError
from pipeline.files import atomic_write, read_json
from pipeline.rules import NAME, RELATIVE_PATH, SPLIT, Rule, from_json, is_number

DROP_REASONS = ("no_face", "too_small", "out_of_frame", "other_person", "corrupt", "excluded")
# Scores of frames (`pipeline.preparing.scores`), of videos, and of their sound (`pipeline.preparing.sound`).
FRAME_SCORES = ("movement", "orientation", "completeness", "resolution", "rotation")
SOUND_SCORES = ("sound_seconds", "sound_correlation", "sound_best_correlation", "sound_lag_ms")
SCORE_COLUMNS = (
    *(f"{name}_{kind}" for name in FRAME_SCORES for kind in ("mean", "min")),
    *("consistency", "sharpness", "exposure"),
    *SOUND_SCORES,
)
REQUIRED = "required"  # why a video is left out that `--require` does not want; no fault of the video's
# Reasons that may lie in the circumstances: such videos are tried again as long as the build is unfinished.
TRANSIENT_REASONS = ("changed", "crashed", "timeout", "vanished")


_COUNT = Rule(lambda value: is_number(value) and 0 <= value < 2**53, "a number, 0 or more")
_RULES = {"id": RELATIVE_PATH, "split": SPLIT, "speaker": NAME} | dict.fromkeys(
    ("width", "height", "frames_seen", "frames_kept", "frames_other_faces", "people", "fps", "scale"), _COUNT
)


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
    scores: dict[str, float] = field(default_factory=dict)  # by `SCORE_COLUMNS`, those that were asked for
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
    result = load_any_result(path)
    return None if result is None or result.is_transient else result


def load_any_result(path: Path) -> VideoResult | None:
    """Whatever `save_result` wrote; None where there is none, or what is there is none."""
    try:
        result = from_json(VideoResult, read_json(path))
        check_result(result)
    except (FileNotFoundError, DatasetError, ValueError, TypeError):
        return None
    return result


def check_result(result: VideoResult) -> None:
    """Hold a result that was read from a file against what a result can be.

    Raises:
        ValueError: the value that is not.
    """
    for name, rule in _RULES.items():
        if not rule.holds(getattr(result, name)):
            raise ValueError(f"{name} must be {rule.words}")
    if not all(name in SCORE_COLUMNS and math.isfinite(value) for name, value in result.scores.items()):
        raise ValueError("scores must be finite numbers by name")
    for text in (result.error, result.note, result.warning):
        text.encode("utf-8", "surrogateescape")  # as the manifest will; what is no text raises a ValueError
    if result.path and not RELATIVE_PATH.holds(result.path):
        raise ValueError(f"path must be {RELATIVE_PATH.words}")
    if not all(len(stretch) == 2 for stretch in result.excluded):
        raise ValueError("excluded must be pairs of numbers")
