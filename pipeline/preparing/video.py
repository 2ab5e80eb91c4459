"""Preparing one video: track, crop, bank, K, and a file with the result; the unit of work that a kill can lose."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline import geometry
from pipeline.clips import at_rate, frames_at
from pipeline.content import checksum, has_changed, known_checksum, remedy_for, stamp_of
from pipeline.corpora import Clip, Source
from pipeline.decode import SOUND_RATE, Samples, decoding_by
from pipeline.decode.reader import MAX_FRAMES
from pipeline.errors import InputError, VideoError
from pipeline.layout import track_file, video_files
from pipeline.preparing import crops
from pipeline.preparing.bank import choose_bank
from pipeline.preparing.crop_plan import CropPlan, plan_crops
from pipeline.preparing.k_map import k_codes, k_table, pixel_side
from pipeline.preparing.keeper import Keeper
from pipeline.preparing.region_store import RegionStore
from pipeline.preparing.regions import Box, Crop, region_of
from pipeline.preparing.scores import demands, head_scores, picture_scores
from pipeline.preparing.sound import agreement, kept_sound
from pipeline.result import REQUIRED, VideoResult, blank, failed, load_result, save_result
from pipeline.settings import Settings, digest_of
from pipeline.shards import FRAME_SIZE, FrameRow, ShardReader, VideoEntry, write_shard
from pipeline.track import WHOLE, Track, follow, load_track, save_track
from pipeline.tracking.detection import load_detector
from pipeline.tracking.landmark_model import landmark_model_path
from pipeline.tracking.predictor import load_ensemble

READINGS = 2  # a file that changed while it was read is read again, but not for ever
# Bytes kept from tracking to the shard, in memory, and in a temporary file: as long as regions are kept (at 1080p, some
# 6 and 50 seconds), and of crops (the longest video's). What is beyond is decoded a second time.
REGION_BUDGET, SPOOL_BUDGET = 256 << 20, 2 << 30
CROP_BUDGET = MAX_FRAMES * FRAME_SIZE * FRAME_SIZE * 3


class WorkFiles(NamedTuple):
    """Where one video's work is kept."""

    shard: Path  # a shard of this video alone
    result: Path  # its VideoResult; written last, so that its presence says that the video is done
    track: Path  # landmarks, kept for builds with other crops


class Cut(NamedTuple):
    """One kept frame: its place in the track and its crop."""

    frame: int  # index into the track's arrays
    transform: npt.NDArray[np.float32]


def work_files(work: Path, source: Source, settings: Settings) -> WorkFiles:
    """The work files of a video; other settings have other files."""
    video = digest_of(source.id)
    made = digest_of([source.id, source.excluded]) if source.excluded else video
    return WorkFiles(*video_files(work, settings.digest, made), track_file(work, settings.track_digest, video))


def load_models(model: Path) -> None:
    """Load all that preparing needs (a second of work), so that processes forked from this one have it at once."""
    for loops in ("preparing.resample", "preparing.stamp", "tracking.loops"):
        importlib.import_module(f"pipeline.{loops}")
    load_detector()
    load_ensemble(model)


def prepare_video(root: Path, source: Source, settings: Settings, work: Path, model: Path | None) -> VideoResult:
    """Prepare one video unless that is done already; its faults become the result, never an exception.

    Args:
        root: the corpus root; `source.path` lies below it.
        work: the folder for `places`.
        model: dlib's 68-point landmark model; None finds the installed one.

    Raises:
        FlnetError, OSError: what is no fault of the video, such as a full disk.
    """
    files = work_files(work, source, settings)
    done = load_result(files.result)
    is_there = done is not None and (done.status != "ok" or files.shard.is_file())
    if done is not None and is_there and not has_changed(root / source.path, done.stamp, done.sha256):
        return done.of(source)
    with decoding_by(settings.hwaccel):
        result = _prepare_unchanged(root, source, settings, files, model)
    save_result(files.result, result)
    return result


def _prepare_unchanged(
    root: Path, source: Source, settings: Settings, files: WorkFiles, model: Path | None
) -> VideoResult:
    """`_prepare` on a file that is the same before and after, so that pixels, track and checksum belong together."""
    path = root / source.path
    sum_of = checksum if source.clip is None else known_checksum  # many clips may be cut from one large file
    for _ in range(READINGS):
        stamp, sha256 = stamp_of(path), ""
        try:
            sha256 = sum_of(path)
            result = _prepare(path, source, replace(blank(source), sha256=sha256, stamp=stamp), settings, files, model)
        except VideoError as error:
            if error.reason == "vanished" and not root.is_dir():
                raise InputError(f"{root}: the corpus is gone; is it mounted? run again to go on") from error
            remedy = remedy_for(path) if error.reason == "unreadable" else ""
            result = failed(source, error.reason, f"{error}{remedy}", stamp, sha256)
        if not sha256 or _is_still(path, sum_of, sha256):
            return result
    return failed(source, "changed", f"{path}: changes while it is read; build again when it has its final content")


def _is_still(path: Path, sum_of: Callable[[Path], str], sha256: str) -> bool:
    try:
        return sum_of(path) == sha256
    except VideoError:
        return False


def _prepare(
    path: Path, source: Source, begun: VideoResult, settings: Settings, files: WorkFiles, model: Path | None
) -> VideoResult:
    with RegionStore(REGION_BUDGET, SPOOL_BUDGET, CROP_BUDGET) as store:
        # Landmarks do not depend on the crops' settings: those of an earlier build serve.
        track = load_track(files.track, begun.sha256)
        if track is None:
            track = _track(path, source, settings, model, store)
            save_track(files.track, track, begun.sha256)
        return _crop(path, source, begun, settings, files, track, store)


def _crop(
    path: Path,
    source: Source,
    begun: VideoResult,
    settings: Settings,
    files: WorkFiles,
    track: Track,
    store: RegionStore,
) -> VideoResult:
    width, height = track.size
    result = replace(
        begun,
        fps=track.fps,
        width=width,
        height=height,
        frames_seen=len(track),
        people=int(track.person.max()) + 1,
        note="; ".join(track.notes),
        warning="; ".join(track.warnings),
    )
    # What was asked to be left out still counts for scale and smoothing: the other crops stay what they are.
    plan = plan_crops(track, settings).without(_excluded(track, source))
    result = replace(result, drops=plan.drops, frames_kept=len(plan.kept), scale=plan.scale)
    if len(plan.kept) < settings.bank_size or len(plan.kept) / track.fps < settings.min_seconds:
        return replace(result, status="failed", error=_too_few(path, track, plan, settings))
    kept = plan.kept.tolist()
    cuts = [Cut(place, plan.transforms[place]) for place in kept]
    track = replace(track, landmarks=plan.landmarks)
    # Rows are drawn one by one as they are written: a long video's pictures never lie in memory together.
    entry, rows = _rows(path, source, track, cuts, store, settings)
    entry = replace(entry, source_sha256=begun.sha256)
    size = settings.frame_size
    sound = kept_sound(path, source, track, plan.kept) if settings.audio else None
    levels = k_table(settings.k_gamma, settings.k_floor, pixel_side(size)).levels
    write_shard(files.shard, entry, rows, levels, settings.storage, frame_size=size, audio=sound and sound.samples)
    paddings = [crops.padding_fraction(cut.transform, size, *track.sizes[cut.frame].tolist()) for cut in cuts]
    result = replace(
        result,
        frames_other_faces=int((track.faces[kept] > 1).sum()),
        face_width_px=round(float(np.median(geometry.face_width(track.landmarks[kept]))), 2),
        padding=round(math.fsum(paddings) / len(paddings), 4),
        warning="; ".join(filter(None, (result.warning, sound.warning if sound else ""))),
    )
    scores = _scores(files.shard, entry, track) if settings.scores or settings.require else {}
    if sound is not None:
        scores |= _sound_scores(sound.samples, track, plan.kept)
    return _as_required(replace(result, scores=scores), files.shard, settings)


def _as_required(result: VideoResult, shard: Path, settings: Settings) -> VideoResult:
    """The result, or that the user does not want such a video."""
    unmet = [words for demand in demands(settings.require) if (words := demand.unmet(result.scores))]
    if not unmet:
        return result
    shard.unlink(missing_ok=True)
    return replace(result, status="failed", error=f"{REQUIRED}: {'; '.join(unmet)}")


def _scores(shard: Path, entry: VideoEntry, track: Track) -> dict[str, float]:
    """Of the head over all frames, and of the bank's pictures."""
    with ShardReader(shard) as reader:
        pictures = picture_scores(reader.frames(entry.bank), reader.landmarks(entry.bank))
    return head_scores(track) | pictures


def _sound_scores(samples: Samples, track: Track, kept: npt.NDArray[np.int64]) -> dict[str, float]:
    """What the manifest says of a video's sound."""
    found = agreement(samples, track.pts_seconds[kept], geometry.mouth_openness(track.landmarks[kept]))
    columns = {"sound_seconds": round(len(samples) / SOUND_RATE, 3)}
    if found is None:
        return columns
    return {
        **columns,
        "sound_correlation": found.correlation,
        "sound_best_correlation": found.best,
        "sound_lag_ms": found.lag_ms,
    }


def _track(path: Path, source: Source, settings: Settings, model: Path | None, store: RegionStore) -> Track:
    """Follow the face, keeping of each frame the pixels that its crop is likely to need."""
    keeper = Keeper(settings, store)
    return follow(path, settings.track, _model(model), keeper, at_rate(path, source.clip, settings.fps))


@lru_cache(maxsize=1)
def _model(model: Path | None) -> Path:
    return landmark_model_path(model)


def _excluded(track: Track, source: Source) -> npt.NDArray[np.bool_]:
    """(n,) the frames that the user does not want."""
    unwanted = np.zeros(len(track), np.bool_)
    for first, last in source.excluded:
        unwanted |= (track.frame_index >= first) & (track.frame_index <= last)
    return unwanted


def _too_few(path: Path, track: Track, plan: CropPlan, settings: Settings) -> str:
    worst = max(plan.drops, key=plan.drops.__getitem__)
    counts = ", ".join(f"{count} {name}" for name, count in plan.drops.items() if count) or "none dropped"
    if len(plan.kept) < settings.bank_size:
        reason = worst if plan.drops[worst] else "too_short"
        least = f"fewer than the bank's {settings.bank_size} are left"
    else:
        reason, least = "too_short", f"{len(plan.kept)} are left, less than {settings.min_seconds:g} s"
    remedy = {
        "out_of_frame": "; if the video is cropped to the face, raise --face-fraction",
        "corrupt": "; those that only follow corrupt ones are kept with --after-damage keep",
    }.get(reason, "")
    return f"{reason}: {path}: of {len(track)} frames {least} ({counts}){remedy}"


def _rows(
    path: Path, source: Source, track: Track, cuts: Sequence[Cut], store: RegionStore, settings: Settings
) -> tuple[VideoEntry, Iterator[FrameRow]]:
    """The shard's entry (without the checksum) and rows; pixels are made as the rows are drawn."""

    def landmarks(cut: Cut) -> geometry.Points:  # made twice rather than kept: a long video has many
        return geometry.apply_affine(cut.transform, track.landmarks[cut.frame]).astype(np.float32)

    openness = np.array([geometry.mouth_openness(landmarks(cut)) for cut in cuts])
    whole = np.flatnonzero([track.damage[cut.frame] == WHOLE for cut in cuts])
    fit = whole if len(whole) >= settings.bank_size else np.arange(len(cuts))  # no torn mouth where there are others
    bank = tuple(int(row) for row in fit[choose_bank(openness[fit], settings.bank_size)])
    entry = VideoEntry(source.id, source.speaker, "", track.fps, 0, len(cuts), bank)

    size = settings.frame_size

    def rows() -> Iterator[FrameRow]:
        pixels_of_cuts = _pixels(path, at_rate(path, source.clip, settings.fps), track, cuts, store, size)
        for row, (cut, pixels) in enumerate(zip(cuts, pixels_of_cuts, strict=True)):
            points = landmarks(cut)
            yield FrameRow(
                frames=pixels,
                landmarks=points,
                k_codes=k_codes(points, size, settings.k_gamma, settings.k_floor, pixel_side(size)),
                mouth_openness=float(openness[row]),
                frame_index=int(track.frame_index[cut.frame]),
                pts_seconds=float(track.pts_seconds[cut.frame]),
                crop_transform=cut.transform,
            )

    return entry, rows()


def _pixels(
    path: Path, clip: Clip | None, track: Track, cuts: Sequence[Cut], store: RegionStore, size: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """The crops: kept while tracking, or cut from what was kept then, else from a second decoding.

    All of them from exactly the same part of a picture: a filter's weights depend, in their last bit, on its beginning.
    """

    def box(cut: Cut) -> Box:
        width, height = track.sizes[cut.frame].tolist()
        return crops.source_box(cut.transform, size).clipped(width, height)

    done = 0
    while done < len(cuts):  # once, but where what was kept is lost
        left = cuts[done:]
        has = [store.has_crop(cut.frame, cut.transform) or store.covers(cut.frame, box(cut)) for cut in left]
        again = frames_at(path, [cut.frame for cut, there in zip(left, has, strict=True) if not there], clip)
        for cut, there in zip(left, has, strict=True):
            kept = store.take(cut.frame) if there else region_of(next(again), box(cut))
            if kept is None:
                break
            yield kept.pixels if isinstance(kept, Crop) else crops.cut(kept.part(box(cut)), cut.transform, size)
            done += 1
