"""Which videos to look at first: signs that something is wrong with one, each with a weight and a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.report.gather import Entry, Measures

LOW_SCORE = 0.4  # of dlib's detector; ordinary frontal faces have 1 to 3
MANY_DROPS = 0.1  # share of the frames
SHAKY = 2.0  # per cent of the eyes' distance; dlib's own noise is 0.4 to 1.2
STILL = 4.0  # crop pixels between the 5th and 95th percentile of the openness; speech has 10 to 40
BLURRED = 0.4  # of the dataset's median sharpness
PADDED = 0.3  # share of the crop
CROWDED = 0.2  # share of the frames with somebody else
SHORT = 25  # frames
# Likeness of bank pictures and of faces, and correlation of openness, from which a video is a copy of another.
SAME_PICTURES, SAME_FACE, SAME_TRACE = 0.8, 0.95, 0.9
TRACE_POINTS = 64
# Of sound and mouth (`pipeline.preparing.sound`): a lag, how poorly they agree without it and how much better with it;
# and a best agreement that is weak at any lag (benchmarks/sound.py).
LAGS_MS, POOR, BETTER, WEAK = 100.0, 0.35, 0.15, 0.25
STRANGER = 2.0  # times as far from the own speaker's other videos as from another speaker's
ENOUGH_VIDEOS = 3  # of one speaker, to know what the face looks like
BLOCK = 1024  # videos compared with all others at a time

# kind -> (weight, name on the page)
KINDS: dict[str, tuple[float, str]] = {
    "copy": (5, "copy of another"),
    "stranger": (5, "another face"),
    "people": (4, "several people"),
    "jumps": (4, "jumps"),
    "sound": (3, "sound and mouth"),
    "score": (3, "low score"),
    "drops": (3, "many drops"),
    "shaky": (2, "shaky landmarks"),
    "padding": (2, "beyond the picture"),
    "still": (2, "mouth hardly moves"),
    "crowd": (1, "other faces"),
    "blurred": (1, "blurred"),
    "short": (1, "short"),
    "warning": (1, "decoder's warning"),
}


@dataclass(frozen=True)
class Sign:
    """One reason to doubt a video."""

    kind: str  # a key of KINDS
    text: str
    amount: float  # how far beyond its limit, at least 1; ranks videos of the same signs
    other: int | None = None  # place of the video that it is compared with


def find_signs(entries: Sequence[Entry]) -> list[list[Sign]]:
    """The signs of each entry, gravest first; none for those that failed."""
    sharpness = [entry.measures.sharpness for entry in entries if entry.measures]
    usual = float(np.median(sharpness)) if sharpness else 0.0
    signs: list[list[Sign]] = [
        list(_own_signs(entry, entry.measures, usual)) if entry.measures else [] for entry in entries
    ]
    for place, sign in (*_copies(entries), *_strangers(entries)):
        signs[place].append(sign)
    return [sorted(ours, key=lambda sign: -KINDS[sign.kind][0]) for ours in signs]


def gravity(signs: Sequence[Sign]) -> float:
    """How much a video deserves a look; 0 without signs."""
    return sum(KINDS[sign.kind][0] * (1 + min(math.log2(max(sign.amount, 1.0)), 3.0) / 10) for sign in signs)


def _own_signs(entry: Entry, own: Measures, usual_sharpness: float) -> Iterator[Sign]:
    """What an entry shows by itself."""
    numbers = entry.numbers
    seen = max(numbers["frames_seen"], 1.0)
    # Of the track: leaps, low scores, frames that were dropped, trembling.
    if own.jumps:
        times = "once" if own.jumps == 1 else f"{own.jumps} times"
        yield Sign("jumps", f"the face jumps {times}, at most by {own.largest_step:.2f} of its width", own.jumps)
    if entry.score is not None and entry.score < LOW_SCORE:
        text = f"a tenth of the frames has a detector score of {entry.score:.2f} or less"
        yield Sign("score", text, 1 + LOW_SCORE - entry.score)
    dropped = sum(entry.drops.values()) / seen
    if dropped > MANY_DROPS:
        reasons = ", ".join(f"{count} {reason}" for reason, count in entry.drops.items())
        yield Sign("drops", f"{dropped:.0%} of the frames were dropped ({reasons})", dropped / MANY_DROPS)
    if own.jitter > SHAKY:
        yield Sign("shaky", f"landmarks tremble by {own.jitter:.1f} % of the eyes' distance", own.jitter / SHAKY)
    # Of the crops: how much is made up, and whether anybody speaks.
    if numbers["padding"] > PADDED:
        text = f"{numbers['padding']:.0%} of the crop lies outside the picture"
        yield Sign("padding", text, numbers["padding"] / PADDED)
    low, high = np.percentile(own.openness, [5, 95])
    if high - low < STILL:
        yield Sign("still", f"the mouth's openness varies by {high - low:.1f} px only", STILL / max(high - low, 0.5))
    if "sound_correlation" in numbers:
        doubt = sound_doubt(numbers["sound_correlation"], numbers["sound_best_correlation"], numbers["sound_lag_ms"])
        if doubt is not None:
            yield doubt
    # Of who is seen.
    if numbers["people"] > 1:
        dropped_others = numbers["dropped_other_person"]
        what = f"{dropped_others:.0f} frames of others were dropped" if dropped_others else "all are in the dataset"
        text = f"{numbers['people']:.0f} people are told apart in its scenes; {what}"
        yield Sign("people", text, 2 if not dropped_others else 1 + dropped_others / seen)
    others = numbers["frames_other_faces"] / max(numbers["frames_kept"], 1.0)
    if others > CROWDED:
        yield Sign("crowd", f"somebody else is seen in {others:.0%} of the frames", others / CROWDED)
    # Of the pictures and the file.
    if own.sharpness < BLURRED * usual_sharpness:
        share = own.sharpness / usual_sharpness
        yield Sign("blurred", f"the face is {share:.0%} as sharp as usual here", BLURRED / max(share, 0.01))
    if numbers["frames_kept"] < SHORT:
        yield Sign("short", f"{numbers['frames_kept']:.0f} frames only", SHORT / max(numbers["frames_kept"], 1.0))
    if entry.warning:
        yield Sign("warning", f"the decoder complained: {entry.warning}", 1)


def sound_doubt(correlation: float, best: float, lag_ms: float) -> Sign | None:
    """Whether a video's sound is late, early, or another's.

    Args:
        correlation: of openness and loudness as they are.
        best: the highest at any lag.
        lag_ms: where that is.
    """
    if abs(lag_ms) >= LAGS_MS and correlation < POOR and best - correlation > BETTER and best >= WEAK:
        text = f"the sound seems {abs(lag_ms):.0f} ms {'late' if lag_ms > 0 else 'early'} (it agrees with the mouth by "
        return Sign("sound", f"{text}{best:.2f} there, {correlation:.2f} as it is)", abs(lag_ms) / LAGS_MS)
    if best < WEAK:
        return Sign("sound", f"sound and mouth hardly agree ({best:.2f} at best): dubbed?", WEAK / max(best, 0.05))
    return None


def _copies(entries: Sequence[Entry]) -> Iterator[tuple[int, Sign]]:
    """Videos whose bank pictures, face and openness trace are another's: the same clip twice, perhaps encoded anew.

    All three must agree: one speaker's clips share pictures and face, and speakers of one sentence share traces.
    """
    places = [place for place, entry in enumerate(entries) if entry.measures]
    if len(places) < 2:
        return
    hashes = _rows([_measured(entries[place]).hashes for place in places])
    hashes /= np.sqrt(hashes.shape[1])
    looks = _rows([_measured(entries[place]).look for place in places])
    traces = _rows([_unit_trace(_measured(entries[place]).openness) for place in places])
    for first in range(0, len(places), BLOCK):
        alike = hashes[first : first + BLOCK] @ hashes.T
        alike[np.arange(len(alike)), np.arange(len(alike)) + first] = -1
        for row in np.flatnonzero(alike.max(1) >= SAME_PICTURES):
            # All with all is done for the pictures alone: few are left.
            others = np.flatnonzero(alike[row] >= SAME_PICTURES)
            others = others[traces[others] @ traces[first + row] >= SAME_TRACE]
            others = others[looks[others] @ looks[first + row] >= SAME_FACE]
            if len(others):
                place, other = places[first + row], places[others[alike[row, others].argmax()]]
                yield place, _copy_sign(entries[place], entries[other], other)


def _copy_sign(entry: Entry, twin: Entry, other: int) -> Sign:
    same = "the same file as" if entry.sha256 and entry.sha256 == twin.sha256 else "almost the same as"
    across = "" if entry.split == twin.split else f", which is in {twin.split}"
    across += "" if entry.speaker == twin.speaker else f", speaker {twin.speaker}"
    return Sign("copy", f"{same} {twin.id}{across}", 2 if across else 1, other)


def _strangers(entries: Sequence[Entry]) -> Iterator[tuple[int, Sign]]:
    """Videos that look less like their speaker's others than like another speaker's."""
    known: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.measures:
            known.setdefault(entry.speaker, []).append(place)
    names = [name for name, places in sorted(known.items()) if len(places) >= ENOUGH_VIDEOS]
    if len(names) < 2:
        return
    looks = {name: _rows([_measured(entries[place]).look for place in known[name]]) for name in names}
    sums = np.stack([looks[name].sum(0) for name in names])
    means = _normalised(sums)
    for number, name in enumerate(names):
        own = (looks[name] * _normalised(sums[number] - looks[name])).sum(1)  # without the video itself
        others = looks[name] @ means.T
        others[:, number] = -1
        nearest = others.argmax(1)
        far, near = 1 - own, 1 - others.max(1)
        for row in np.flatnonzero(far > STRANGER * np.maximum(near, 1e-3)):
            text = f"the face looks more like speaker {names[nearest[row]]}'s than like {name}'s other videos"
            yield known[name][row], Sign("stranger", text, float(far[row] / max(near[row], 1e-3) / STRANGER))


def _measured(entry: Entry) -> Measures:
    assert entry.measures is not None  # callers chose those that arrived
    return entry.measures


def _unit_trace(openness: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The openness at 64 equal steps, of mean 0 and length 1, so that a product is a correlation."""
    steps = np.linspace(0, len(openness) - 1, TRACE_POINTS)
    trace = np.interp(steps, np.arange(len(openness)), openness)
    trace -= trace.mean()
    return np.asarray(trace / max(float(np.linalg.norm(trace)), 1e-6), np.float32)


def _rows(values: Sequence[npt.NDArray[np.float32] | npt.NDArray[np.int8]]) -> npt.NDArray[np.float32]:
    return np.stack(values).astype(np.float32)


def _normalised(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-6), np.float32)
