"""A track: the landmarks of every frame of a video as arrays, made by following the face and kept between builds."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.arrays import ArrayRule, read_arrays
from pipeline.clips import open_clip, region_of
from pipeline.corpora import Clip
from pipeline.decode import Frame, PictureReader, VideoReader
from pipeline.decode.reader import MAX_FRAMES
from pipeline.decode.times import mended_times
from pipeline.errors import InputError, VideoError
from pipeline.files import atomic_write
from pipeline.geometry import LANDMARKS, Points
from pipeline.tracking import FaceObservation, FaceTracker, People, TrackSettings
from pipeline.tracking.region import FaceRegion

MAX_COMPLAINTS = 3  # of ffmpeg's, in a manifest
MAX_LINES = 1000  # of notes or warnings
MAX_FPS = 10_000.0
MAX_SIDE = 1 << 16  # of a picture, in pixels
NOT_LOOKED_AT = FaceObservation(None, 0.0, 0, "corrupt")
WHOLE, AFTER_CORRUPT, CORRUPT = 0, 1, 2  # of a picture: the decoder had to make up a part of corrupt ones
ARRAYS = ("frame_index", "pts_seconds", "sizes", "damage", "landmarks", "score", "faces", "person")


@dataclass(frozen=True)
class Track:
    """Every decoded frame of one video, in presentation order; n rows.

    Pixels are square, upright ones, as `pipeline.decode` gives them.
    """

    fps: float  # at which most frames follow each other
    jumps: tuple[float, ...]  # of the file's clock: seconds that were taken out of `pts_seconds`, in order
    notes: tuple[str, ...]  # what the decoder did so that pictures are as shown
    warnings: tuple[str, ...]  # what is not as it should be, and what the decoder complained of
    frame_index: npt.NDArray[np.int32]  # (n,)
    pts_seconds: npt.NDArray[np.float64]  # (n,) rising
    sizes: npt.NDArray[np.int32]  # (n, 2) width and height of the picture
    damage: npt.NDArray[np.int8]  # (n,) WHOLE, CORRUPT, or AFTER_CORRUPT and before the next key frame
    landmarks: npt.NDArray[np.float32]  # (n, 68, 2) source pixels; NaN without a credible face, or in a corrupt frame
    score: npt.NDArray[np.float32]  # (n,) of the detector; NaN likewise
    faces: npt.NDArray[np.int32]  # (n,) credible faces seen
    person: npt.NDArray[np.int32]  # (n,) whose face: 0 for the main person, then 1, 2, ...; -1 without landmarks

    def __len__(self) -> int:
        return len(self.frame_index)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame."""
        return int(self.sizes[0, 0]), int(self.sizes[0, 1])


SoFar = Callable[[], Track]


def follow(
    path: Path,
    settings: TrackSettings,
    landmark_model: Path,
    on_face: Callable[[int, Frame, Points, SoFar], None],
    clip: Clip | None = None,
) -> Track:
    """Decode a video once, track the main face of each scene, and tell whose it is.

    Corrupt frames are not looked at.

    Args:
        on_face: called with the place (0-based), the frame and its landmarks wherever there is a face, and with a
            function that gives the track as it would be if the video ended with this frame.
        clip: which part of the file, and which face; None: all of it, and the main face.

    Raises:
        VideoError: the video cannot be decoded, or the clip's box lies outside the picture.
        InputError: there are several scenes, and the face recognition model is missing.
    """
    tracker: FaceTracker | None = None
    region = region_of(clip)
    with open_clip(path, clip) as reader:
        growing = _GrowingTrack(reader)
        for place, frame in enumerate(reader):
            if tracker is None:
                _check_region(path, region, frame)
                tracker = FaceTracker(settings, landmark_model, not frame.colour.full_range, region)
            # A made-up picture would teach the tracker a face that is none.
            seen = NOT_LOOKED_AT if frame.corrupt else tracker.observe(frame.y)
            growing.add(frame, seen)
            if seen.landmarks is not None:
                on_face(place, frame, seen.landmarks, growing.so_far)
    return growing.track()


class _GrowingTrack:
    """A track while its video is read."""

    def __init__(self, reader: VideoReader | PictureReader) -> None:
        self._reader = reader
        self._people = People()
        self._frame_index: list[int] = []
        self._pts_seconds: list[float] = []
        self._sizes: list[tuple[int, ...]] = []
        self._damage: list[int] = []
        self._score: list[float] = []
        self._faces: list[int] = []
        self._landmarks = bytearray()  # a list of arrays would take as much again to join
        self._nowhere = np.full((LANDMARKS, 2), np.nan, np.float32).tobytes()

    def add(self, frame: Frame, seen: FaceObservation) -> None:
        """The next frame, and what it shows."""
        if seen.landmarks is None:
            self._people.see_nobody()
        else:
            self._people.see((frame.y, frame.u, frame.v), seen.landmarks, seen.begins)
        self._frame_index.append(frame.index)
        self._pts_seconds.append(frame.pts_seconds)
        self._sizes.append(frame.y.shape[::-1])
        self._damage.append(_damage(frame, self._damage[-1] if self._damage else WHOLE))
        self._landmarks += self._nowhere if seen.landmarks is None else seen.landmarks.tobytes()
        self._score.append(np.nan if seen.landmarks is None else seen.score)
        self._faces.append(seen.faces)

    def so_far(self) -> Track:
        """The track if the video ended here; more frames may be added."""
        return self._made(bytes(self._landmarks), copy.deepcopy(self._people))

    def track(self) -> Track:
        """The track; no frame may be added after it."""
        return self._made(self._landmarks, self._people)

    def _made(self, landmarks: bytes | bytearray, people: People) -> Track:
        # Only the whole video tells which of its times are wrong, and who is who.
        reader, times = self._reader, mended_times(np.array(self._pts_seconds, np.float64), self._reader.fps)
        return Track(
            reader.chosen_fps or times.fps,
            times.jumps,
            tuple(reader.notes),
            (*times.warnings, *reader.warnings, *_damage_warnings(self._damage), *_complaints(reader.errors)),
            np.array(self._frame_index, np.int32),
            times.seconds,
            np.array(self._sizes, np.int32),
            np.array(self._damage, np.int8),
            np.frombuffer(landmarks, np.float32).reshape(-1, LANDMARKS, 2),
            np.array(self._score, np.float32),
            np.array(self._faces, np.int32),
            people.tell_apart(),
        )


def _check_region(path: Path, region: FaceRegion | None, frame: Frame) -> None:
    if region is not None and not region.lies_in(frame.y.shape):
        height, width = frame.y.shape
        raise VideoError(
            "no_face", f"{path}: the box lies outside the picture, which is {width}x{height}; mend the table"
        )


def _damage(frame: Frame, before: int) -> int:
    """What a frame suffers of, given that of the frame before it."""
    if frame.corrupt:
        return CORRUPT
    return WHOLE if frame.key or (before == WHOLE and not frame.follows_loss) else AFTER_CORRUPT


def _damage_warnings(damage: list[int]) -> list[str]:
    count = damage.count(AFTER_CORRUPT)
    after = "follow corrupt or missing ones, with no key frame between"
    return [f"{count} frames that {after}, may show their damage"] * (count > 0)


def _complaints(errors: list[str]) -> list[str]:
    return list(dict.fromkeys(errors))[:MAX_COMPLAINTS]


def save_track(path: Path, track: Track, source_sha256: str) -> None:
    """Keep a track for builds with other crops."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, source_sha256=source_sha256, **vars(track))


def load_track(path: Path, source_sha256: str) -> Track | None:
    """The track kept for this very file; None where there is none, or the file has changed since."""
    if path.is_symlink() or not path.is_file():
        return None  # a folder or a pipe is none, nor is another's file
    try:
        kept = read_arrays(path, _RULES, "a track")
        if str(kept["source_sha256"]) != source_sha256:
            return None
        track = Track(
            fps=float(kept["fps"]),
            jumps=tuple(kept["jumps"].tolist()),
            notes=tuple(str(line) for line in kept["notes"]),
            warnings=tuple(str(line) for line in kept["warnings"]),
            **{name: kept[name].astype(_TYPES[name], copy=False) for name in ARRAYS},
        )
    except (FileNotFoundError, InputError, KeyError, ValueError):
        return None  # vanished or damaged: it is made again
    return track if _is_sound(track) else None


def _is_sound(track: Track) -> bool:
    """Whether a track says what a track can say: it is not only read by who wrote it."""
    rows = {len(getattr(track, name)) for name in ARRAYS}
    faces = track.landmarks[track.person >= 0] if len(rows) == 1 else track.landmarks[:0]
    return bool(
        len(rows) == 1
        and len(track) > 0
        and 0 <= track.fps < MAX_FPS
        and np.isfinite(track.pts_seconds).all()
        and np.isfinite(track.jumps).all()
        and (np.diff(track.frame_index) > 0).all()
        and track.frame_index[0] >= 0
        and ((track.sizes > 0) & (track.sizes <= MAX_SIDE)).all()
        and np.isin(track.damage, (WHOLE, AFTER_CORRUPT, CORRUPT)).all()
        and (np.abs(faces) < MAX_SIDE * 10).all()
        and np.isnan(track.landmarks[track.person < 0]).all()
        and (track.person >= -1).all()
    )


_TYPES: dict[str, type[np.generic]] = {
    **dict.fromkeys(("frame_index", "sizes", "faces", "person"), np.int32),
    **dict.fromkeys(("landmarks", "score"), np.float32),
    "pts_seconds": np.float64,
    "damage": np.int8,
}
_SHAPES: dict[str, tuple[int | None, ...]] = {"sizes": (None, 2), "landmarks": (None, LANDMARKS, 2)}
_RULES = {
    "source_sha256": ArrayRule("U", (), 1),
    "fps": ArrayRule("f", (), 1),
    "jumps": ArrayRule("f", (None,), MAX_LINES),
    "notes": ArrayRule("Uf", (None,), MAX_LINES),
    "warnings": ArrayRule("Uf", (None,), MAX_LINES),
    **{
        name: ArrayRule(
            "f" if issubclass(_TYPES[name], np.floating) else "iu",
            _SHAPES.get(name, (None,)),
            MAX_FRAMES * math.prod(_SHAPES.get(name, (1,))[1:]),  # type: ignore[arg-type]
        )
        for name in ARRAYS
    },
}
