"""Preparing one video: track, crop, bank, K, and a file with the result; the unit of work that a kill can lose."""

from __future__ import annotations

import errno
import importlib
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline import geometry
from pipeline.corpora import Source
from pipeline.decode import Frame, read_frames
from pipeline.errors import InputError, VideoError
from pipeline.files import sha256_of
from pipeline.preparing import crops
from pipeline.preparing.bank import choose_bank
from pipeline.preparing.crop_plan import CropPlan, plan_crops, steadied
from pipeline.preparing.k_map import k_codes, k_table
from pipeline.preparing.regions import Box, RegionStore, keep_region
from pipeline.result import VideoResult, failed, load_result, save_result
from pipeline.settings import Settings, digest_of
from pipeline.shards import FRAME_SIZE, FrameRow, VideoEntry, write_shard
from pipeline.track import Track, follow, load_track, save_track
from pipeline.tracking.detection import load_detector
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.tracking.predictor import load_ensemble

READINGS = 2  # a file that changed while it was read is read again, but not for ever
_GONE = (errno.ENOENT, errno.ENOTDIR)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL)
REGION_BUDGET = 256 << 20  # bytes of picture kept while a video is tracked; what is beyond is decoded a second time


class Places(NamedTuple):
    """Where one video's work is kept."""

    shard: Path  # a shard of this video alone
    result: Path  # its VideoResult; written last, so that its presence says that the video is done
    track: Path  # landmarks, kept for builds with other crops


class Cut(NamedTuple):
    """One kept frame: its place in the track and its crop."""

    frame: int  # index into the track's arrays
    transform: npt.NDArray[np.float32]


def places(work: Path, source: Source, settings: Settings) -> Places:
    """The work files of a video; other settings have other files."""
    video = digest_of(source.id)
    done = work / "videos" / settings.digest
    return Places(
        done / f"{video}.h5", done / f"{video}.json", work / "tracks" / settings.track_digest / f"{video}.npz"
    )


def load_models(model: Path) -> None:
    """Load all that preparing needs (a second of work), so that processes forked from this one have it at once."""
    for loops in ("resample", "stamp"):
        importlib.import_module(f"pipeline.preparing.{loops}")
    load_detector()
    load_ensemble(model)


def prepare_video(root: Path, source: Source, settings: Settings, work: Path, model: Path | None) -> VideoResult:
    """Prepare one video unless that is done already; its faults become the result, never an exception.

    Args:
        root: the corpus root; `source.id` lies below it.
        work: the folder for `places`.
        model: dlib's 68-point landmark model; None finds the installed one.

    Raises:
        FlnetError, OSError: what is no fault of the video, such as a full disk.
    """
    put = places(work, source, settings)
    done = load_result(put.result)
    if done is not None and (done.status != "ok" or put.shard.is_file()):
        return done
    blank = VideoResult(source.id, source.speaker, source.split)
    try:
        result = _prepare_unchanged(root / source.id, blank, settings, put, model)
    except VideoError as error:
        if error.reason == "vanished" and not root.is_dir():
            raise InputError(f"{root}: the corpus is gone; is it mounted? run again to go on") from error
        result = failed(source, error.reason, str(error))
    save_result(put.result, result)
    return result


def _prepare_unchanged(
    path: Path, blank: VideoResult, settings: Settings, put: Places, model: Path | None
) -> VideoResult:
    """`_prepare` on a file that is the same before and after, so that pixels, track and checksum belong together."""
    for _ in range(READINGS):
        sha256 = _checksum(path)
        try:
            result = _prepare(path, replace(blank, sha256=sha256), settings, put, model)
        except VideoError:
            if _checksum(path) == sha256:
                raise
        else:
            if _checksum(path) == sha256:
                return result
    raise VideoError("changed", f"{path}: changes while it is read; build again when it has its final content")


def _checksum(path: Path) -> str:
    """The file's SHA-256. What keeps it from being read is the video's fault, or that of the machine (OSError)."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device would give bytes for ever, or none
            raise VideoError("unreadable", f"{path}: is not a regular file")
        return sha256_of(path)
    except OSError as error:
        reason = "vanished" if error.errno in _GONE else "unreadable" if error.errno in _FORBIDDEN else None
        if reason is None:
            raise
        raise VideoError(reason, f"{path}: cannot be read ({error.strerror})") from error


def _prepare(path: Path, blank: VideoResult, settings: Settings, put: Places, model: Path | None) -> VideoResult:
    track, store = load_track(put.track, blank.sha256), RegionStore(0)
    if track is None:
        track, store = _track(path, settings, model)
        save_track(put.track, track, blank.sha256)
    width, height = track.size
    result = replace(
        blank,
        fps=track.fps,
        width=width,
        height=height,
        frames_seen=len(track),
        people=int(track.person.max()) + 1,
        note="; ".join(track.notes),
        warning="; ".join(track.warnings),
    )
    track = steadied(track, settings)
    plan = plan_crops(track, settings)
    result = replace(result, drops=plan.drops, frames_kept=len(plan.kept), scale=plan.scale)
    if len(plan.kept) < settings.bank_size or len(plan.kept) / track.fps < settings.min_seconds:
        return replace(result, status="failed", error=_too_few(path, track, plan, settings))
    kept = plan.kept.tolist()
    cuts = [Cut(place, plan.transforms[place]) for place in kept]
    entry, rows = _rows(path, track, cuts, store, settings)
    entry = replace(entry, id=blank.id, speaker=blank.speaker, source_sha256=blank.sha256)
    levels = k_table(settings.k_gamma, settings.k_floor).levels
    write_shard(put.shard, entry, rows, levels, settings.storage)
    paddings = [crops.padding_fraction(cut.transform, FRAME_SIZE, *track.sizes[cut.frame].tolist()) for cut in cuts]
    return replace(
        result,
        frames_other_faces=int((track.faces[kept] > 1).sum()),
        face_width_px=round(float(np.median(geometry.face_width(track.landmarks[kept]))), 2),
        padding=round(float(np.mean(paddings)), 4),
    )


def _track(path: Path, settings: Settings, model: Path | None) -> tuple[Track, RegionStore]:
    """Follow the face, keeping of each frame the pixels that its crop is likely to need."""
    store, half = RegionStore(REGION_BUDGET), 0.0

    def keep(place: int, frame: Frame, landmarks: geometry.Points) -> None:
        nonlocal half
        half = max(half, crops.likely_half(landmarks, settings.centre, settings.face_fraction))
        store.keep(place, frame, crops.likely_box(landmarks, settings.centre, half))

    return follow(path, settings.track, _model(model), keep), store


@lru_cache(maxsize=1)
def _model(model: Path | None) -> Path:
    return landmark_model_path(model)


def _too_few(path: Path, track: Track, plan: CropPlan, settings: Settings) -> str:
    worst = max(plan.drops, key=plan.drops.__getitem__)
    counts = ", ".join(f"{count} {name}" for name, count in plan.drops.items() if count) or "none dropped"
    if len(plan.kept) < settings.bank_size:
        reason = worst if plan.drops[worst] else "too_short"
        least = f"fewer than the bank's {settings.bank_size} are left"
    else:
        reason, least = "too_short", f"{len(plan.kept)} are left, less than {settings.min_seconds:g} s"
    remedy = "; if the video is cropped to the face, raise --face-fraction" if reason == "out_of_frame" else ""
    return f"{reason}: {path}: of {len(track)} frames {least} ({counts}){remedy}"


def _rows(
    path: Path, track: Track, cuts: Sequence[Cut], store: RegionStore, settings: Settings
) -> tuple[VideoEntry, Iterator[FrameRow]]:
    """The shard's entry (without names) and rows; pixels are made as the rows are drawn."""

    def landmarks(cut: Cut) -> geometry.Points:  # made twice rather than kept: a long video has many
        return geometry.apply_affine(cut.transform, track.landmarks[cut.frame]).astype(np.float32)

    openness = np.array([geometry.mouth_openness(landmarks(cut)) for cut in cuts])
    bank = tuple(int(row) for row in choose_bank(openness, settings.bank_size))
    entry = VideoEntry("", "", "", track.fps, 0, len(cuts), bank)

    def rows() -> Iterator[FrameRow]:
        for row, (cut, pixels) in enumerate(zip(cuts, _pixels(path, track, cuts, store), strict=True)):
            points = landmarks(cut)
            yield FrameRow(
                frames=pixels,
                landmarks=points,
                k_codes=k_codes(points, FRAME_SIZE, settings.k_gamma, settings.k_floor),
                mouth_openness=float(openness[row]),
                frame_index=int(track.frame_index[cut.frame]),
                pts_seconds=float(track.pts_seconds[cut.frame]),
                crop_transform=cut.transform,
            )

    return entry, rows()


def _pixels(path: Path, track: Track, cuts: Sequence[Cut], store: RegionStore) -> Iterator[npt.NDArray[np.uint8]]:
    """The crops, from the regions kept while tracking; from a second decoding where those do not reach."""

    def box(cut: Cut) -> Box:
        width, height = track.sizes[cut.frame].tolist()
        return crops.source_box(cut.transform, FRAME_SIZE).clipped(width, height)

    missing = [cut.frame for cut in cuts if not store.covers(cut.frame, box(cut))]
    again = _decode_again(path, missing)
    for cut in cuts:
        region = store.take(cut.frame) if store.covers(cut.frame, box(cut)) else keep_region(next(again), box(cut))
        yield crops.cut(region, cut.transform, FRAME_SIZE)


def _decode_again(path: Path, places: Sequence[int]) -> Iterator[Frame]:
    """Some frames of a video, in order."""
    waiting = iter(places)
    place = next(waiting, None)
    for number, frame in enumerate(read_frames(path)):
        if number == place:
            yield frame
            place = next(waiting, None)
            if place is None:
                return
    raise VideoError("unreadable", f"{path}: a second decoding gave fewer frames than the first; did the file change?")
