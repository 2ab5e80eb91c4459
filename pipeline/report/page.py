"""The page: one HTML file with its style, script, pictures and data inside; it asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from pipeline.report.distributions import plots, short_name
from pipeline.report.drops import DropExample
from pipeline.report.gather import Entry, Gathered
from pipeline.report.pictures import colour_ramp
from pipeline.report.plots import figure
from pipeline.report.rows import script_json
from pipeline.result import DROP_REASONS, reason_of

SCRIPTS = ("dom.js", "trace.js", "entry.js", "speakers.js", "videos.js", "start.js")
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
    "too_long": "more frames than are accepted of one video",
    **{reason: f"{meaning}, in too many frames" for reason, meaning in DROP_MEANINGS.items()},
}


def render(gathered: Gathered, drops: Sequence[DropExample], data: Mapping[str, Any]) -> str:
    """The whole page.

    Args:
        drops: an example for each reason that frames were dropped for.
        data: of `rows.page_data`.
    """
    style, script, body = _asset("style.css"), "\n".join(_asset(name) for name in SCRIPTS), _asset("body.html")
    name = CORPORA.get(gathered.dataset.corpus, gathered.dataset.corpus)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    slots = {
        "name": escape(name),
        "digest": escape(gathered.dataset.digest[:12]),
        "tiles": "".join(_tiles(gathered, data)),
        "splits": _splits(gathered.entries),
        "drops": _drops(gathered.entries, drops),
        "failures": _failures(gathered.entries),
        "plots": "".join(figure(plot) for plot in plots(gathered.entries)),
        "no_tracks": "" if gathered.tracks else _asset("no_tracks.html"),
        "k_floor": f"{gathered.dataset.config['k_floor']:g}",
        "ramp": escape(", ".join(colour_ramp())),
        "build": _build(gathered),
    }
    for slot, text in slots.items():
        body = body.replace(f"<!--{slot}-->", text)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Dataset report: {escape(name)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}"
        f'<script type="application/json" id="data">{script_json(data)}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _tiles(gathered: Gathered, data: Mapping[str, Any]) -> Iterator[str]:
    entries = gathered.entries
    arrived = sum(entry.arrived for entry in entries)
    seen = sum(int(entry.numbers["frames_seen"]) for entry in entries)
    kept = sum(int(entry.numbers["frames_kept"]) for entry in entries)
    minutes = sum(entry.seconds for entry in entries) / 60
    speakers = len({entry.speaker for entry in entries if entry.arrived})
    failed = len(entries) - arrived
    yield _tile(arrived, "video", f"of {len(entries):,}; {failed:,} failed" if failed else "all arrived")
    yield _tile(kept, "frame", f"of {seen:,}" if seen != kept else "none dropped")
    yield _tile(round(minutes, 1), "minute", "of video kept")
    yield _tile(speakers, "speaker", ", ".join(data["splits"]))
    yield _tile(len(data["first"]), "suspect", "videos with a sign of trouble")


def _tile(number: float, noun: str, note: str) -> str:
    name = noun if number == 1 else f"{noun}s"
    return (
        f'<li><strong>{number:,}</strong> <span class="what">{name}</span><span class="note">{escape(note)}</span></li>'
    )


def _splits(entries: Sequence[Entry]) -> str:
    rows = []
    for split in sorted({entry.split for entry in entries}):
        ours = [entry for entry in entries if entry.split == split]
        arrived = [entry for entry in ours if entry.arrived]
        cells = (
            len({entry.speaker for entry in arrived}),
            len(arrived),
            len(ours) - len(arrived),
            sum(int(entry.numbers["frames_kept"]) for entry in ours),
            sum(sum(entry.drops.values()) for entry in ours),
        )
        rows.append(
            f'<tr><th scope="row">{escape(split)}</th>' + "".join(f"<td>{cell:,}</td>" for cell in cells) + "</tr>"
        )
    return "".join(rows)


def _drops(entries: Sequence[Entry], examples: Sequence[DropExample]) -> str:
    counts = Counter({reason: sum(entry.drops.get(reason, 0) for entry in entries) for reason in DROP_REASONS})
    seen = max(sum(entry.numbers["frames_seen"] for entry in entries), 1)
    if not examples:
        return "<p>No frame was dropped.</p>"
    return "".join(_drop_card(entries, example, counts[example.reason], seen) for example in examples)


def _drop_card(entries: Sequence[Entry], example: DropExample, count: int, seen: float) -> str:
    video = entries[example.place].id
    link = f'<a href="#v{example.place}">{escape(short_name(entries[example.place]))}</a>'
    if example.picture:
        alt = f"Frame {example.frame} of {video}, dropped as {example.reason}"
        shown = f'<img src="{example.picture}" alt="{escape(alt)}" loading="lazy">'
        caption = f"frame {example.frame} of {link}"
    else:
        shown = f'<p class="none">No picture: {escape(example.note)}.</p>'
        caption = f"most of them in {link}"
    videos = sum(example.reason in entry.drops for entry in entries)
    return (
        f'<figure class="drop"><figcaption><h3>{escape(example.reason)}</h3>'
        f"<p><strong>{count:,}</strong> frames ({count / seen:.1%}) of {videos:,} "
        f"{'video' if videos == 1 else 'videos'}: {escape(DROP_MEANINGS[example.reason])}</p></figcaption>"
        f"{shown}<p>{caption}</p></figure>"
    )


def _failures(entries: Sequence[Entry]) -> str:
    failed: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        if not entry.arrived:
            failed.setdefault(reason_of(entry.error), []).append(place)
    if not failed:
        return "<p>Every video arrived.</p>"
    groups = sorted(failed.items(), key=lambda group: (-len(group[1]), group[0]))
    return "".join(_failure_group(entries, reason, places) for reason, places in groups)


def _failure_group(entries: Sequence[Entry], reason: str, places: Sequence[int]) -> str:
    rows = "".join(
        f'<li><a href="#v{place}">{escape(entries[place].id)}</a>'
        f"<span>{escape(entries[place].error.partition(': ')[2])}</span></li>"
        for place in places[:FAILURES_LISTED]
    )
    more = len(places) - FAILURES_LISTED
    rest = f"<li>and {more:,} more: see the table of videos, status “failed”</li>" if more > 0 else ""
    meaning = FAILURE_MEANINGS.get(reason, "")
    return (
        f"<details open><summary><strong>{escape(reason)}</strong> {len(places):,} "
        f'<span class="note">{escape(meaning)}</span></summary><ul class="failures">{rows}{rest}</ul></details>'
    )


def _build(gathered: Gathered) -> str:
    contents = gathered.dataset.contents
    size = sum(int(shard["bytes"]) for shard in contents["shards"]) / 1e6
    facts = {
        "corpus": gathered.dataset.corpus,
        "digest": gathered.dataset.digest,
        "schema": contents["schema"],
        "settings digest": contents.get("config_digest", ""),
        "shards": f"{len(contents['shards']):,}, {size:,.0f} MB",
    }
    return (
        _facts("What", facts)
        + _facts("Settings", dict(_flat(gathered.dataset.config)))
        + _facts("Versions", contents.get("packages", {}))
    )


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _facts(title: str, facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<div><dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd></div>" for name, value in facts.items()
    )
    return f"<section><h3>{title}</h3><dl>{rows}</dl></section>"
