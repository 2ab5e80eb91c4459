"""The settings that change a dataset's bytes, and their digests, by which finished work is found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError, InputError
from pipeline.rules import from_json
from pipeline.shards.schema import FRAME_SIZE, FRAME_SIZES, STORAGES
from pipeline.tracking.settings import TRACKER_VERSION, TrackSettings

BANK_SIZE = 5  # N of the paper
MOST_FPS = 1000.0  # no camera of faces gives more
CENTRE_NAMES = ("nose", "eyes")
SCENES = ("main", "keep")
AFTER_DAMAGE = ("keep", "drop")
# ffmpeg's names of what its ordinary decoders can hand their work to. Which of them a machine has, and PyAV was built
# for, is seen when a video is opened.
DEVICES = ("cuda", "d3d11va", "d3d12va", "dxva2", "vaapi", "vdpau", "videotoolbox", "vulkan")
AUTO = -1.0  # of smooth_centres: chosen for each video by its jitter
# Settings that came later. At their defaults, which are what was before, digests, and with them the names and bytes of
# shards, stay what they were.
_LATER = ("frame_size", "fps", "audio", "scores", "require", "hwaccel")


@dataclass(frozen=True)
class Settings:
    """How videos are prepared. Every default is the paper's, or ours where it is silent."""

    frame_size: int = FRAME_SIZE  # side of a crop in pixels
    fps: float = 0.0  # frames a second that are kept of videos that have more; 0: all
    centre: str = "nose"  # of the crop: "nose" tip (TCD-TIMIT), "eyes" midpoint (FaceForensics)
    face_fraction: float = 0.6  # of the crop's width that the face takes
    min_face_px: float = 40.0  # narrower faces are dropped as too_small (jaw width in source pixels)
    # Share of a crop outside the picture above which it is dropped as out_of_frame. As looked at, with eyes, nose and
    # mouth inside (as they must be): crops of 0.51 show a whole face, those of 0.57 mostly stretched edges.
    max_padding: float = 0.55
    bank_size: int = BANK_SIZE
    k_gamma: float = 0.95  # γ of K ("Objective Functions")
    k_floor: float = 0.3
    smooth_landmarks: float = 0.0  # standard deviation in frames of a Gaussian over the landmarks; 0: none
    smooth_centres: float = 0.0  # the same, over the crop's centre alone; or AUTO
    min_seconds: float = 0.0  # of kept frames; a video with less is left out
    scenes: str = "main"  # of a video of several people: those of the "main" one, or "keep" all
    # What follows a corrupt frame up to the next key frame, which may show torn: "drop" it, or "keep" it.
    after_damage: str = "drop"
    audio: bool = False  # keep the first sound track beside the frames
    scores: bool = False  # score heads and pictures, for the manifest
    require: str = ""  # conditions on those scores, without which a video is left out
    storage: str = "zstd"  # compression of frames
    # What decodes, one of `DEVICES`; "": the processor. Where pictures are damaged, devices make up others.
    hwaccel: str = ""
    track: TrackSettings = field(default_factory=TrackSettings)

    def __post_init__(self) -> None:
        if self.frame_size not in FRAME_SIZES:
            raise InputError(
                f"--frame-size must be a multiple of {FRAME_SIZES.step} from {FRAME_SIZES[0]} to {FRAME_SIZES[-1]}, "
                f"got {self.frame_size}"
            )
        _one_of("crop-centre", self.centre, CENTRE_NAMES)
        _one_of("scenes", self.scenes, SCENES)
        _one_of("after-damage", self.after_damage, AFTER_DAMAGE)
        _one_of("storage", self.storage, tuple(STORAGES))
        if self.hwaccel:
            _one_of("hwaccel", self.hwaccel, DEVICES)
        _within("face-fraction", self.face_fraction, 0.1, 1.0)
        _within("max-padding", self.max_padding, 0.0, 1.0)
        _within("min-face-px", self.min_face_px, 1.0, 10000.0)
        _within("smooth-landmarks", self.smooth_landmarks, 0.0, 100.0)
        if self.smooth_centres != AUTO:
            _within("smooth-centres", self.smooth_centres, 0.0, 100.0)
        _within("fps", self.fps, 0.0, MOST_FPS)
        _within("min-seconds", self.min_seconds, 0.0, 10000.0)
        _within("k-gamma", self.k_gamma, 0.01, 0.99)
        _within("k-floor", self.k_floor, 0.01, 0.99)
        if self.bank_size != BANK_SIZE:  # networks and ablations alike choose from a stored bank of five
            raise InputError(
                f"--bank-size must be {BANK_SIZE}, got {self.bank_size}: "
                "networks of fewer images are trained on the same banks (model.train --ablation bank=3)"
            )

    @cached_property
    def digest(self) -> str:
        """Of everything that changes a shard."""
        unchanged = [name for name in _LATER if getattr(self, name) == getattr(type(self), name)]
        return digest_of({name: value for name, value in asdict(self).items() if name not in unchanged})

    @cached_property
    def track_digest(self) -> str:
        """Of what changes landmarks, the code included: a new crop does not track again, a new tracker does."""
        return track_digest(asdict(self.track), self.fps, self.hwaccel)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Settings:
        """The inverse of `to_dict`.

        Raises:
            ValueError, TypeError: a setting is unknown, or of another type.
            InputError: one is out of its range.
        """
        return from_json(Settings, values)


def recorded_settings(values: Mapping[str, Any], path: Path, names: Sequence[str] | None = None) -> Settings:
    """The settings that a file holds, whoever wrote it.

    Args:
        names: just these, which other versions of this program have as well; the others as they are by default.

    Raises:
        DatasetError: they are not settings of this version; names the file.
    """
    try:
        return Settings.from_dict(values if names is None else {name: values[name] for name in names if name in values})
    except (ValueError, TypeError, InputError) as error:
        raise DatasetError(f"{path}: its settings cannot be used ({error}); build the dataset again") from error


def flat_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a dataset by name, those of a group as `track.<name>`.

    What an older version did not know is as it is by default.
    """
    return {**dict(_flat(Settings().to_dict())), **dict(_flat(values))}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def track_digest(track: Any, fps: Any = 0.0, hwaccel: Any = "") -> str:
    """Of what a track depends on, plain as a dataset records it, and of the tracker itself: tracks are kept by it."""
    return digest_of([TRACKER_VERSION, track, *(value for value in (fps, hwaccel) if value)])


def digest_of(value: Any) -> str:
    """Twelve hexadecimal digits that stand for a value of plain JSON types."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def smoothing_of(text: str) -> float:
    """What `--smooth-centres` says: a number of frames, or "auto".

    Raises:
        InputError: it is neither.
    """
    if text.strip().lower() == "auto":
        return AUTO
    try:
        return abs(float(text)) if float(text) == 0 else float(text)
    except ValueError as error:
        raise InputError(f"--smooth-centres must be a number of frames or auto, got {text!r}") from error


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"--{name} must be one of {', '.join(allowed)}, got '{value}'")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"--{name} must be in [{low:g}, {high:g}], got {value:g}")
