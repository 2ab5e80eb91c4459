"""The page: one HTML file with its style, script, pictures and data inside; it asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from pipeline.layout import DATASET_FILE
from pipeline.report.distributions import plots, short_name
from pipeline.report.drops import DropExample
from pipeline.report.gather import Entry, Gathered
from pipeline.report.pictures import colour_ramp
from pipeline.report.plots import figure
from pipeline.report.rows import script_json
from pipeline.report.template import fill
from pipeline.result import reason_of
from pipeline.settings import recorded_settings

SCRIPTS = ("dom.js", "choose.js", "fold.js", "trace.js", "entry.js", "speakers.js", "videos.js", "start.js")
FAILURES_LISTED = 8  # a reason; the table of videos has them all
CORPORA = {
    "timit": "TCD-TIMIT",
    "faceforensics": "FaceForensics",
    "folder": "Folder of videos",
    "table": "Table of clips",
}
DROP_MEANINGS = {
    "no_face": "no credible face in the frame",
    "too_small": "the jaw is narrower than min_face_px",
    "out_of_frame": "eyes, nose or mouth are outside the picture, or more than max_padding of the crop is",
    "other_person": "the face is not that of the video's main person",
    "corrupt": "the decoder had to make up a part of the picture",
    "excluded": "the user does not want it (--exclude)",
}
FAILURE_MEANINGS = {
    "unreadable": "no picture can be decoded",
    "timeout": "the decoder hung",
    "crashed": "the decoder or dlib crashed",
    "changed": "the file changed while it was read",
    "vanished": "the file is gone or may not be read",
    "too_short": "fewer frames than a bank needs",
    "required": "its scores are not what was asked for (--require)",
    "too_long": "more frames than are accepted of one video",
    **{reason: f"{meaning}, in too many frames" for reason, meaning in DROP_MEANINGS.items()},
}


class Tile(NamedTuple):
    """One of the numbers on top."""

    number: float
    noun: str
    note: str


class Split(NamedTuple):
    """A row of the table of splits."""

    name: str
    counts: tuple[int, ...]  # speakers, videos, failed, frames, dropped


class Drop(NamedTuple):
    """What was dropped for one reason."""

    reason: str
    meaning: str
    frames: int
    share: float  # of all frames seen
    videos: int
    example: DropExample
    video: str  # the example's
    label: str  # the same in short


class FailedVideo(NamedTuple):
    """A video that failed."""

    place: int  # among the page's videos
    id: str
    error: str

    @property
    def message(self) -> str:
        """The error without the word that it begins with."""
        return self.error.partition(": ")[2]


class Failure(NamedTuple):
    """The videos that failed for one reason."""

    reason: str
    meaning: str
    videos: int
    listed: list[FailedVideo]


def render(gathered: Gathered, drops: Sequence[DropExample], data: Mapping[str, Any]) -> str:
    """The whole page (`templates/page.html`).

    Args:
        drops: an example for each reason that frames were dropped for.
        data: of `rows.page_data`.
    """
    dataset, entries = gathered.dataset, gathered.entries
    failed = [FailedVideo(place, entry.id, entry.error) for place, entry in enumerate(entries) if not entry.arrived]
    return filled(
        "page.html",
        SCRIPTS,
        data,
        name=CORPORA.get(dataset.corpus, dataset.corpus),
        digest=dataset.digest[:12],
        tiles=list(_tiles(gathered, data)),
        splits=[_split(entries, name) for name in sorted({entry.split for entry in entries})],
        has_tracks=gathered.tracks > 0,
        drops=[_drop(entries, example) for example in drops],
        failures=failures_of(failed, FAILURES_LISTED),
        plots=[figure(plot) for plot in plots(entries)],
        k_floor=recorded_settings(dataset.config, dataset.root / DATASET_FILE, ("k_floor",)).k_floor,
        ramp=colour_ramp(),
        build=_build(gathered),
    )


def filled(template: str, scripts: Sequence[str], data: Mapping[str, Any], /, **values: Any) -> str:
    """A page with its style, its script and the data of that."""
    script = "\n".join(_asset(name) for name in scripts)
    return fill(
        template,
        **values,
        # The policy of the page lets no other script run.
        style=_asset("style.css"),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=script_json(data),
        apart="apart" in data,
    )


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _tiles(gathered: Gathered, data: Mapping[str, Any]) -> Iterator[Tile]:
    entries = gathered.entries
    arrived = sum(entry.arrived for entry in entries)
    seen = sum(int(entry.numbers["frames_seen"]) for entry in entries)
    kept = sum(int(entry.numbers["frames_kept"]) for entry in entries)
    minutes = sum(entry.seconds for entry in entries) / 60
    speakers = len({entry.speaker for entry in entries if entry.arrived})
    failed = len(entries) - arrived
    yield tile(arrived, "video", f"of {len(entries):,}; {failed:,} failed" if failed else "all arrived")
    yield tile(kept, "frame", f"of {seen:,}" if seen != kept else "none dropped")
    yield tile(round(minutes, 1), "minute", "of video kept")
    yield tile(speakers, "speaker", ", ".join(data["splits"]))
    yield tile(len(data["first"]), "suspect", "videos with a sign of trouble")


def tile(number: float, noun: str, note: str) -> Tile:
    """A tile whose noun is in the singular."""
    return Tile(number, noun if number == 1 else f"{noun}s", note)


def _split(entries: Sequence[Entry], name: str) -> Split:
    ours = [entry for entry in entries if entry.split == name]
    arrived = [entry for entry in ours if entry.arrived]
    counts = (
        len({entry.speaker for entry in arrived}),
        len(arrived),
        len(ours) - len(arrived),
        sum(int(entry.numbers["frames_kept"]) for entry in ours),
        sum(sum(entry.drops.values()) for entry in ours),
    )
    return Split(name, counts)


def _drop(entries: Sequence[Entry], example: DropExample) -> Drop:
    reason, video = example.reason, entries[example.place]
    seen = max(sum(entry.numbers["frames_seen"] for entry in entries), 1)
    frames = sum(entry.drops.get(reason, 0) for entry in entries)
    videos = sum(reason in entry.drops for entry in entries)
    return Drop(reason, DROP_MEANINGS[reason], frames, frames / seen, videos, example, video.id, short_name(video))


def failures_of(failed: Sequence[FailedVideo], most: int) -> list[Failure]:
    """By reason, the most frequent first; at most so many videos of each by name."""
    by_reason: dict[str, list[FailedVideo]] = {}
    for video in failed:
        by_reason.setdefault(reason_of(video.error), []).append(video)
    return [
        Failure(reason, FAILURE_MEANINGS.get(reason, ""), len(videos), videos[:most])
        for reason, videos in sorted(by_reason.items(), key=lambda group: (-len(group[1]), group[0]))
    ]


def _build(gathered: Gathered) -> dict[str, Mapping[str, Any]]:
    """What the dataset says of itself, by heading."""
    contents = gathered.dataset.contents
    size = sum(shard.get("bytes", 0) for shard in contents["shards"]) / 1e6
    facts = {
        "corpus": gathered.dataset.corpus,
        "digest": gathered.dataset.digest,
        "schema": contents["schema"],
        "settings digest": contents.get("config_digest", ""),
        "shards": f"{len(contents['shards']):,}, {size:,.0f} MB",
    }
    settings = dict(_flat(gathered.dataset.config))
    return {"What": facts, "Settings": settings, "Versions": contents.get("packages", {})}


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
