"""The distributions that a report shows, as plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.report.gather import Entry, Measures
from pipeline.report.plots import Plot, Point

# Columns of the manifest that a build may have been asked for: title, what is counted, unit, decimals.
SCORES = (
    ("orientation_mean", "Orientation", "100: into the camera; a video's mean", "", 1),
    ("movement_mean", "Movement", "100: landmarks stand still; a video's mean", "", 1),
    ("rotation_mean", "Rotation", "100: the head does not turn; a video's mean", "", 1),
    ("resolution_mean", "Resolution", "30 × the face's share of the picture in %, at most 100", "", 1),
    ("consistency", "Consistency", "100, less 20 for each frame with other than one face", "", 0),
    ("exposure", "Exposure", "mean luma of the face", "of 255", 0),
    ("sound_correlation", "Sound and mouth", "correlation of loudness and openness", "", 2),
    ("sound_lag_ms", "Sound's lag", "where that is highest; above 0: late", "ms", 0),
)


def plots(entries: Sequence[Entry]) -> list[Plot]:
    """All distributions."""

    def row(name: str, scale: float = 1.0) -> Callable[[Entry, Measures], float | None]:
        return lambda entry, _: scale * entry.numbers[name]

    def score(name: str) -> Callable[[Entry, Measures], float | None]:
        return lambda entry, _: entry.numbers.get(name)

    def of_videos(
        title: str, note: str, unit: str, value: Callable[[Entry, Measures], float | None], decimals: int
    ) -> Plot:
        points = []
        for place, entry in enumerate(entries):
            number = value(entry, entry.measures) if entry.measures else None
            if number is not None and np.isfinite(number):
                points.append(Point(number, place, short_name(entry)))
        return Plot(title, note, unit, np.array([point.value for point in points]), points, decimals)

    known = {name for entry in entries if entry.measures for name in entry.numbers}
    scored = [
        of_videos(title, note, unit, score(name), decimals)
        for name, title, note, unit, decimals in SCORES
        if name in known
    ]
    return [
        _openness(entries),
        of_videos("Range of the mouth", "5th to 95th percentile of a video's openness", "px", _range, 1),
        of_videos("Face size", "median width of the jaw in the source", "px", row("face_width_px"), 0),
        of_videos("Padding", "mean share of the crops outside the picture", "%", row("padding", 100), 1),
        of_videos(
            "Landmark jitter", "trembling, in % of the distance of the eyes", "%", lambda _, found: found.jitter, 2
        ),
        of_videos(
            "Largest step", "of the face from frame to frame, in widths", "", lambda _, found: found.largest_step, 2
        ),
        of_videos("Sharpness", "edges against contrast within the face", "%", lambda _, found: found.sharpness, 0),
        of_videos("Frames a video", "kept", "", row("frames_kept"), 0),
        of_videos("Detector score", "a video's lowest tenth of frames", "", lambda entry, _: entry.score, 2),
        *scored,
    ]


def short_name(entry: Entry) -> str:
    """What a video is called where there is little room: its file's name, after its speaker's."""
    name = entry.id.rpartition("/")[2]
    return name if name.startswith(entry.speaker) else f"{entry.speaker}: {name}"


def _openness(entries: Sequence[Entry]) -> Plot:
    """Of all frames; the outliers are videos by their widest opening."""
    found = [(place, entry) for place, entry in enumerate(entries) if entry.measures]
    values = [entry.measures.openness for _, entry in found if entry.measures]
    widest = [
        Point(float(entry.measures.openness.max()), place, short_name(entry))
        for place, entry in found
        if entry.measures
    ]
    frames = np.concatenate(values).astype(np.float64) if values else np.empty(0)
    note = "lip to lip in every frame, in crop pixels; marked are videos by their widest"
    return Plot("Mouth openness", note, "px", frames, widest, 1)


def _range(_: Entry, found: Measures) -> float:
    low, high = np.percentile(found.openness, [5, 95])
    return float(high - low)
