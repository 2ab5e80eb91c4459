"""Frames that were dropped: for each reason one to look at, from the source video where it can still be found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline import log
from pipeline.child_process import CrashError, run_in_child
from pipeline.clips import at_rate, frames_at
from pipeline.content import known_checksum
from pipeline.corpora import Clip, clip_of
from pipeline.decode import Frame
from pipeline.errors import VideoError
from pipeline.geometry import Points
from pipeline.layout import DATASET_FILE, WORK
from pipeline.preparing import crops
from pipeline.preparing.crop_plan import plan_crops
from pipeline.preparing.regions import Box
from pipeline.report.gather import Entry, Gathered, read_track
from pipeline.report.pictures import Picture, data_uri
from pipeline.result import DROP_REASONS
from pipeline.rules import RELATIVE_PATH
from pipeline.settings import Settings, recorded_settings
from pipeline.shards import Dataset
from pipeline.track import Track

SIDE = 480  # of an example, at most
SHOWN = tuple(reason for reason in DROP_REASONS if reason != "excluded")  # the user has seen those
WITHOUT_SOURCES = "source videos are not shown; --source-pictures CORPUS_ROOT takes a frame from them"
TRIES = 3  # videos, for an example of one reason
DECODED_AT_MOST = 3000  # frames, to reach an example
CROP_SETTINGS = (
    "frame_size",
    "fps",
    "centre",
    "face_fraction",
    "min_face_px",
    "max_padding",
    "scenes",
    "after_damage",
    "smooth_landmarks",
    "smooth_centres",
)
LANDMARK_COLOUR, CROP_COLOUR = (90, 255, 160), (255, 210, 60)


@dataclass(frozen=True)
class DropExample:
    """A frame that was dropped, or why none can be shown."""

    reason: str
    place: int  # of its video among the entries
    picture: str = ""  # data URI
    frame: int = -1  # number of the source frame
    note: str = ""  # why there is no picture


def drop_examples(gathered: Gathered, sources: Path | None, progress: bool) -> list[DropExample]:
    """One example for each reason that happened.

    Args:
        sources: the corpus root, to show frames of the source videos; None shows none.
        progress: show a bar.
    """
    entries = gathered.entries
    happened = [reason for reason in SHOWN if any(reason in entry.drops for entry in entries)]
    bar = log.progress(happened, "dropped frames", unit="reasons", delay=1, disable=not progress)
    return [_example(gathered, sources, reason) for reason in bar]


def _example(gathered: Gathered, sources: Path | None, reason: str) -> DropExample:
    """From one of the videos that lost most frames for this reason, one that is in the dataset if possible."""
    entries = gathered.entries
    having = [place for place, entry in enumerate(entries) if reason in entry.drops]
    having.sort(key=lambda place: (not entries[place].arrived, -entries[place].drops[reason], place))
    if not (gathered.dataset.root / WORK).is_dir():
        return DropExample(reason, having[0], note="the work folder is gone, and with it which frames these were")
    if sources is None:
        return DropExample(reason, having[0], note=WITHOUT_SOURCES)
    note = ""
    for place in having[:TRIES]:
        try:
            return _from_source(gathered, entries[place], sources, place, reason)
        except VideoError as error:
            note = note or str(error)
    return DropExample(reason, having[0], note=note)


def _from_source(gathered: Gathered, entry: Entry, sources: Path, place: int, reason: str) -> DropExample:
    """A frame that was dropped, from the very file that the build read.

    Raises:
        VideoError: its landmarks or the video itself are gone, or it is another one; the message is for the page.
    """
    track = read_track(gathered.dataset, entry.id, entry.sha256)
    if track is None:
        raise VideoError("vanished", "its landmarks are not in the work folder any more")
    path = sources / entry.path
    if not RELATIVE_PATH.holds(entry.path) or not _is_what_was_read(path, entry.sha256):
        raise VideoError("vanished", "the source video is not there any more, or is another one")
    settings = _crop_settings(gathered.dataset)
    number, box = _dropped_frame(track, settings, reason)
    clip = clip_of(entry.id) or (Clip(entry.id) if path.is_dir() else None)
    clip = at_rate(path, clip, settings.fps)
    try:
        picture = run_in_child(_decoded, path, clip, number, track.landmarks[number], box)
    except CrashError as error:
        raise VideoError("crashed", f"the source video cannot be decoded ({error})") from error
    return DropExample(reason, place, data_uri(picture), int(track.frame_index[number]))


def _is_what_was_read(path: Path, sha256: str) -> bool:
    try:
        return known_checksum(path) == sha256
    except VideoError:
        return False


def _decoded(path: Path, clip: Clip | None, number: int, points: Points, box: Box | None) -> Picture:
    """One frame, decoded from the beginning on."""
    (frame,) = frames_at(path, [number], clip)
    return _drawn(frame, points, box)


def _crop_settings(dataset: Dataset) -> Settings:
    """The settings that drop frames; those of the tracker may have other names by now, and are not needed."""
    return recorded_settings(dataset.config, dataset.root / DATASET_FILE, CROP_SETTINGS)


def _dropped_frame(track: Track, settings: Settings, reason: str) -> tuple[int, Box | None]:
    """A frame in the middle of those dropped for that reason, and the outline of its crop if that is what was wrong."""
    plan = plan_crops(track, settings)
    places = np.flatnonzero(plan.dropped == DROP_REASONS.index(reason))
    if not len(places):
        raise VideoError("vanished", "its landmarks in the work folder are of another build")
    near = places[places < DECODED_AT_MOST]
    number = int(near[len(near) // 2] if len(near) else places[0])
    if reason != "out_of_frame" or not plan.scale:
        return number, None
    transform = plan.transforms[number]
    if np.isnan(transform).any():  # a face beyond the edge was not to be cropped; about where it would have been
        transform = crops.crop_transform(plan.landmarks[number], plan.scale, settings.centre, settings.frame_size)
    return number, crops.source_box(transform, settings.frame_size)


def _drawn(frame: Frame, points: Points, box: Box | None) -> Picture:
    """A frame scaled down, with its landmarks and its crop's outline where it has them."""
    height, width = frame.y.shape
    scale = min(1.0, SIDE / max(width, height))
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (frame.y, frame.u, frame.v)]
    picture = np.ascontiguousarray(cv2.transform(cv2.merge(planes), crops.yuv_to_rgb(frame.colour)), np.uint8)
    if np.isfinite(points).all():
        for x, y in np.rint(points * scale).astype(int).tolist():
            cv2.circle(picture, (x, y), 1, LANDMARK_COLOUR, -1, cv2.LINE_AA)
    return picture if box is None else _outlined(picture, [round(value * scale) for value in box])


def _outlined(picture: Picture, box: list[int]) -> Picture:
    """A crop's outline, with an empty margin around the picture where it lies outside."""
    height, width = picture.shape[:2]
    left, top, right, bottom = box
    above, below = max(-top, 0) + 4, max(bottom - height, 0) + 4
    before, after = max(-left, 0) + 4, max(right - width, 0) + 4
    wide = cv2.copyMakeBorder(picture, above, below, before, after, cv2.BORDER_CONSTANT, value=(90, 90, 90))
    cv2.rectangle(wide, (left + before, top + above), (right + before, bottom + above), CROP_COLOUR, 2)
    return np.asarray(wide, np.uint8)
