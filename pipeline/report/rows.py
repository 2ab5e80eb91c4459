"""The page's data: plain rows that its script draws as tables, cards and traces when they are asked for."""

from __future__ import annotations

import json
import math
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.report import measures
from pipeline.report.clips import PageClip
from pipeline.report.gather import Entry
from pipeline.report.suspicion import KINDS, Sign, gravity
from pipeline.shards import FRAME_SIZE

# One character a level of the openness; none that JSON, HTML or a script would need to escape.
LEVELS = string.digits + string.ascii_letters + "!#$%()*+,-.:;=?@[]^_`{|}~"
GAP = " "
TRACE_POINTS, TRACE_POINTS_SHOWN = 120, 400  # of a video without and with pictures

# Columns that the table of videos does not show: of many videos they lie in files of their own.
DETAILS = (
    *("drops", "score", "step", "sharpness", "trace", "sound"),
    *("fps", "width", "height", "others", "scale", "padding"),
)

# Column of the rows -> name of the manifest's number, and decimals kept.
_NUMBERS = {
    "fps": ("fps", 2),
    "width": ("width", 0),
    "height": ("height", 0),
    "seen": ("frames_seen", 0),
    "kept": ("frames_kept", 0),
    "others": ("frames_other_faces", 0),
    "face": ("face_width_px", 1),
    "scale": ("scale", 3),
    "padding": ("padding", 4),
}


def by_gravity(signs: Sequence[Sequence[Sign]]) -> list[int]:
    """Places of the videos with signs, gravest first."""
    having = [place for place, ours in enumerate(signs) if ours]
    return sorted(having, key=lambda place: (-gravity(signs[place]), place))


def choose_pictured(entries: Sequence[Entry], signs: Sequence[Sequence[Sign]], count: int) -> list[int]:
    """Which videos get pictures: a third for the gravest signs, then one a speaker, then more of the grave, then any.

    Args:
        count: pictures are for at most so many videos.
    """
    return list(dict.fromkeys([*by_gravity(signs)[: count // 3], *_of_speakers(entries, signs)]))[:count]


def choose_played(entries: Sequence[Entry], signs: Sequence[Sequence[Sign]], count: int) -> list[int]:
    """Which videos get clips, at most so many: those with signs, then one a speaker, then any."""
    return list(dict.fromkeys([*by_gravity(signs), *_of_speakers(entries, signs)]))[:count]


def _of_speakers(entries: Sequence[Entry], signs: Sequence[Sequence[Sign]]) -> list[int]:
    """One a speaker, then those with signs, then any that arrived."""
    shown = [row["show"] for row in speaker_rows(entries, signs) if row["show"] >= 0]
    any_other = [place for place, entry in enumerate(entries) if entry.arrived]
    return [*shown, *by_gravity(signs), *any_other]


def speaker_rows(entries: Sequence[Entry], signs: Sequence[Sequence[Sign]]) -> list[dict[str, Any]]:
    """One row a speaker, sorted by name; `show` is the video that stands for it, one without signs if possible."""
    places: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        places.setdefault(entry.speaker, []).append(place)
    rows = []
    for name, ours in sorted(places.items()):
        arrived = [place for place in ours if entries[place].arrived and entries[place].measures]
        rows.append(
            {
                "name": name,
                "splits": sorted({entries[place].split for place in ours}),
                "videos": len(ours),
                "failed": sum(not entries[place].arrived for place in ours),
                "frames": sum(int(entries[place].numbers["frames_kept"]) for place in ours),
                "dropped": sum(sum(entries[place].drops.values()) for place in ours),
                "signed": sum(bool(signs[place]) for place in ours),
                "show": min(arrived, key=lambda place: (gravity(signs[place]), place), default=-1),
            }
        )
    return rows


def page_data(
    entries: Sequence[Entry],
    signs: Sequence[Sequence[Sign]],
    pictures: Mapping[int, Mapping[str, Any]],
    clips: Mapping[int, PageClip] | None = None,
    frame_size: int = FRAME_SIZE,
) -> dict[str, Any]:
    """What the page's script needs to show, as plain JSON values; videos as columns, which are half as long as rows."""
    splits = sorted({entry.split for entry in entries})
    speakers = speaker_rows(entries, signs)
    number = {row["name"]: place for place, row in enumerate(speakers)}
    kinds = list(KINDS)
    columns: dict[str, list[Any]] = {
        "id": [entry.id for entry in entries],
        "speaker": [number[entry.speaker] for entry in entries],
        "split": [splits.index(entry.split) for entry in entries],
        "ok": [int(entry.arrived) for entry in entries],
        "error": [entry.error for entry in entries],
        "drops": [entry.drops or 0 for entry in entries],
        "score": [_plain(entry.score, 2) for entry in entries],
        "jitter": [_plain(entry.measures.jitter if entry.measures else None, 2) for entry in entries],
        "step": [_plain(entry.measures.largest_step if entry.measures else None, 2) for entry in entries],
        "sharpness": [_plain(entry.measures.sharpness if entry.measures else None, 0) for entry in entries],
        "signs": [[[kinds.index(sign.kind), sign.text, sign.other] for sign in ours] or 0 for ours in signs],
        "trace": [_trace(entry, place in pictures) for place, entry in enumerate(entries)],
        "sound": [_sound(entry, place in pictures) for place, entry in enumerate(entries)],
    }
    for column, (name, decimals) in _NUMBERS.items():
        columns[column] = [_plain(entry.numbers[name], decimals) for entry in entries]
    return {
        "splits": splits,
        "speakers": speakers,
        "kinds": [label for _, label in KINDS.values()],
        "levels": LEVELS,
        "frameSize": frame_size,
        "first": by_gravity(signs),
        "videos": columns,
        "pictures": {str(place): shown for place, shown in sorted(pictures.items())},
        "clips": {str(place): list(clip) for place, clip in sorted((clips or {}).items())},
    }


def take_apart(data: dict[str, Any], videos: int) -> Iterator[str]:
    """Take out of a page's data what only the sheet of a video shows; as scripts, one for so many videos each."""
    columns = data["videos"]
    taken = {name: columns.pop(name) for name in DETAILS}
    data["apart"] = videos
    for part, first in enumerate(range(0, len(columns["id"]), videos)):
        some = {name: values[first : first + videos] for name, values in taken.items()}
        yield f"addDetails({part},{script_json(some)});\n"


def script_json(value: Any) -> str:
    """JSON that is safe inside a `script` element: ASCII, and nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _trace(entry: Entry, shown: bool) -> Any:
    """[lowest, highest openness, the trace as characters, then frame and openness of each bank picture]; 0 for none."""
    found = entry.measures
    if found is None:
        return 0
    points = TRACE_POINTS_SHOWN if shown else TRACE_POINTS
    line = measures.timeline(found.openness, found.frame_index, int(entry.numbers["frames_seen"]), points)
    low, high = float(found.openness.min()), float(found.openness.max())
    steps = (line - low) / max(high - low, 1e-6) * (len(LEVELS) - 1)
    letters = [GAP if math.isnan(step) else LEVELS[round(step)] for step in steps.tolist()]
    bank = [[int(found.frame_index[row]), round(float(found.openness[row]), 1)] for row in found.bank]
    return [round(low, 2), round(high, 2), "".join(letters), *np.ravel(bank).tolist()]


def _sound(entry: Entry, shown: bool) -> Any:
    """The loudness over time as characters, as the trace is; 0 for none."""
    found = entry.measures
    if found is None or found.loudness is None:
        return 0
    points = TRACE_POINTS_SHOWN if shown else TRACE_POINTS
    line = measures.timeline(found.loudness, found.frame_index, int(entry.numbers["frames_seen"]), points)
    return "".join(GAP if math.isnan(each) else LEVELS[round(each * (len(LEVELS) - 1))] for each in line.tolist())


def _plain(value: float | None, decimals: int) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    return round(value, decimals) if decimals else round(value)
