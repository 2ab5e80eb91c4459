"""The source: a speaker's bank of images from a video, a picture, a folder of pictures or a dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.animation.stage import Stage
from model.data.sampler import bank_choice
from pipeline import geometry, log
from pipeline.content import PICTURE_SUFFIXES, pictures_in
from pipeline.decode import PICTURE_COLOUR, picture_planes
from pipeline.errors import InputError, VideoError
from pipeline.geometry import Points
from pipeline.preparing import crops
from pipeline.preparing.bank import choose_bank
from pipeline.preparing.crop_plan import scale_of
from pipeline.preparing.regions import Box, Region
from pipeline.preparing.tracked_clip import Crop, Transform, crop_frames, resized, track_clip
from pipeline.settings import BANK_SIZE, Settings
from pipeline.shards import FRAME_SIZE, Dataset, ShardReader, Video
from pipeline.tracking import FaceTracker


@dataclass(frozen=True)
class SourceFace:
    """Whose face is shown.

    Attributes:
        name: of the file, folder or speaker, for titles.
        images: (5, S, S, 3) uint8 RGB, closed mouth to open.
        landmarks: (5, 68, 2) float32 in pixels of a 224-pixel crop.
        shape: (68, 2) the speaker's median landmarks, likewise.
        stage: the full pictures that the bank was cut from; None for a dataset, which holds crops alone.
    """

    name: str
    images: npt.NDArray[np.uint8]
    landmarks: Points
    shape: Points
    stage: Stage | None = None


def source_from_video(
    path: Path, settings: Settings, landmark_model: Path, size: int = FRAME_SIZE, progress: bool = False
) -> SourceFace:
    """The bank of a video, the very images that a dataset built of it would hold.

    Args:
        size: S, height and width of the images.

    Raises:
        VideoError, InputError: it cannot be decoded, or has fewer than five frames with a face.
    """
    clip = track_clip(path, settings, landmark_model, "source", progress)
    if len(clip.kept) < BANK_SIZE:
        raise InputError(
            f"{path}: a bank needs {BANK_SIZE} frames with a face inside the picture, got {len(clip.kept)}; "
            "use a longer video"
        )
    landmarks = clip.landmarks[clip.kept]
    bank = clip.kept[choose_bank(geometry.mouth_openness(landmarks))]
    in_time = np.sort(bank)
    frames = dict(
        zip(in_time.tolist(), crop_frames(path, in_time.tolist(), clip.transforms[in_time], size), strict=True)
    )
    images = np.stack([frames[place] for place in bank.tolist()])
    stage = Stage(path, clip.pts_seconds, clip.transforms)
    return SourceFace(path.name, images, clip.landmarks[bank], _median(landmarks), stage)


def source_from_pictures(
    path: Path, settings: Settings, landmark_model: Path, size: int = FRAME_SIZE, progress: bool = False
) -> SourceFace:
    """The bank of one picture, or of a folder of pictures of one person.

    Each picture has a crop scale of its own. Fewer than five pictures are repeated. Those of a folder without a face
    are left out with a line on stderr. The stage is the picture of the bank whose mouth is the most closed.

    Raises:
        InputError: no picture in the folder, one that cannot be read or is a link that leads out of it, or no face in
            any.
    """
    paths = _pictures_of(path) if path.is_dir() else [path]
    if not paths:
        raise InputError(f"{path}: neither a dataset nor a folder of pictures ({', '.join(sorted(PICTURE_SUFFIXES))})")
    found: list[tuple[Path, _Face]] = []
    for picture in log.progress(paths, "finding the source's face", unit="pictures", disable=not progress):
        face = _face_of_picture(picture, settings, landmark_model, size)
        if face is not None:
            found.append((picture, face))
        elif path.is_dir():
            log.warn(f"{picture}: no face found, left out")
    if not found:
        where = f"in any of its {len(paths)} pictures; use others" if path.is_dir() else "in it; use another picture"
        raise InputError(f"{path}: no face of {settings.min_face_px:g} pixels or wider {where}")
    landmarks = np.stack([face.landmarks for _, face in found])
    bank = _stretched_bank(geometry.mouth_openness(landmarks))
    picture, face = found[bank[0]]
    stage = Stage(picture, np.zeros(1), face.transform[None])
    images = np.stack([found[i][1].crop for i in bank])
    return SourceFace(path.resolve().name, images, landmarks[bank], _median(landmarks), stage)


def _pictures_of(folder: Path) -> list[Path]:
    """The pictures of a folder; a link to elsewhere was not put there by him whose pictures they are.

    Raises:
        InputError: one leads out of the folder.
    """
    paths = pictures_in(folder)
    inside = os.path.realpath(folder) + os.sep
    for path in paths:
        if path.is_symlink() and not os.path.realpath(path).startswith(inside):
            raise InputError(f"{path}: must not be a link that leads out of its folder; copy the picture into it")
    return paths


def shortage(source: SourceFace, bank_size: int) -> str | None:
    """What it means, for the user, that a network of `bank_size` gets fewer different images; None if it does not."""
    images = source.images[list(bank_choice(bank_size))]
    different = len({image.tobytes() for image in images})
    if different == bank_size:
        return None
    what = "one picture" if different == 1 else f"{different} pictures"
    return (
        f"{source.name}: the bank is {what}, repeated to {bank_size}: there is nothing to fetch an open mouth or shut "
        "eyes from unless they are in it, and the network makes them up; a video of the speaker shows more"
    )


def source_from_dataset(dataset: Dataset, speaker: str | None, video_id: str | None = None) -> SourceFace:
    """The stored bank of a dataset's speaker: of the named video, else of the first of theirs by id.

    Raises:
        InputError: no speaker named, no such speaker, or no such video of theirs.
    """
    videos = [video for split in dataset.splits for video in dataset.videos(split)]
    speakers = sorted({video.speaker for video in videos})
    if speaker not in speakers:
        got = "none" if speaker is None else f"'{speaker}'"
        raise InputError(f"{dataset.root}: --speaker must be one of {_some(speakers)}, got {got}")
    theirs = sorted((video for video in videos if video.speaker == speaker), key=lambda video: video.id)
    chosen = [video for video in theirs if video_id in (None, video.id)]
    if not chosen:
        ids = _some([video.id for video in theirs])
        raise InputError(f"{dataset.root}: --source-video must be one of {ids}, got '{video_id}'")
    return stored_source(chosen[0])


def stored_source(video: Video) -> SourceFace:
    """The bank that a dataset holds of one video."""
    with ShardReader(video.shard) as shard:
        rows = slice(video.first_row, video.first_row + video.row_count)
        factor = FRAME_SIZE / shard.frame_size
        bank, everything = (geometry.resized(shard.landmarks(each), factor) for each in (video.bank, rows))
        return SourceFace(video.speaker, shard.frames(video.bank), bank, _median(everything))


class _Face(NamedTuple):
    """Of a picture."""

    crop: Crop  # (S, S, 3)
    landmarks: Points  # (68, 2) in pixels of a 224-pixel crop
    transform: Transform  # (2, 3) picture pixels -> pixels of a 224-pixel crop


def _face_of_picture(path: Path, settings: Settings, landmark_model: Path, size: int) -> _Face | None:
    """The face of a picture; None without one that is large enough."""
    try:
        luma, u, v = picture_planes(path)
    except VideoError as error:
        raise InputError(str(error)) from error
    seen = FaceTracker(settings.track, landmark_model, studio_range=False).observe(luma)
    if seen.landmarks is None or geometry.face_width(seen.landmarks) < settings.min_face_px:
        return None
    scale = scale_of(seen.landmarks[None], np.arange(1), settings)
    transform = crops.crop_transform(seen.landmarks, scale, settings.centre, FRAME_SIZE)
    height, width = luma.shape
    region = Region(Box(0, 0, width, height), luma, u, v, PICTURE_COLOUR)
    crop = crops.cut(region, resized(transform, size), size)
    return _Face(crop, geometry.apply_affine(transform, seen.landmarks).astype(np.float32), transform)


def _stretched_bank(openness: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """As `choose_bank`; with fewer than five images the nearest in the order of openness are repeated."""
    if len(openness) >= BANK_SIZE:
        return choose_bank(openness).astype(np.int64)
    order = np.argsort(openness, kind="stable")
    return np.asarray(order[np.rint(np.linspace(0, len(order) - 1, BANK_SIZE)).astype(int)], np.int64)


def _median(landmarks: Points) -> Points:
    return np.asarray(np.median(landmarks, axis=0), np.float32)


def _some(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")
