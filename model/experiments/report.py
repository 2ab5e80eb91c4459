"""The tables of an experiment: methods × corpora × (L1, FID) as the paper prints them, and then all the rest."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Any

from model.experiments.plan import PRINTED, Row
from model.experiments.runs import Measured, write_json
from model.experiments.setup import Setup, plain_setup
from pipeline.files import atomic_write

HEADLINE = ("l1", "fid")
REGIONS = ("l1", "face_l1", "mouth_l1", "eyes_l1")
COPIES = {"trivial": "a bank image copied, by openness", "landmarks": "a bank image copied, by landmarks"}

Runs = Mapping[int, Mapping[str, Any]]
"""By seed: what was measured."""


def write_tables(
    path: Path,
    rows: Sequence[Row],
    measured: Measured,
    setup: Setup,
    claims: Sequence[Sequence[str]],
    groups: Mapping[str, str],
    contents: Mapping[str, Any],
) -> str:
    """Write `<path>.md` and `<path>.json`, the latter last.

    Args:
        rows: of the table, in order.
        measured: of all corpora, rows and seeds.
        setup: of all runs.
        claims: chains of rows whose L1 is expected to rise.
        groups: names of further columns, and the pattern of the speakers that each is of.
        contents: what else the JSON is to hold.

    Returns:
        The Markdown.
    """
    corpora = list(contents["request"]["corpora"])
    parts = [_headline(rows, measured, setup, corpora)]
    for corpus in corpora:
        parts.append(f"### {corpus}\n\n{_details(rows, measured, corpus)}")
        if groups:
            parts.append(_by_group(rows, measured, corpus, groups))
    names = {key: row.name for key, row in setup.rows.items()} | {row.key: row.name for row in rows}
    verdicts = [line for corpus in corpora for line in _verdicts(measured, corpus, claims, names)]
    parts.append("".join(f"- {line}\n" for line in [*verdicts, *_notes(measured, setup, corpora)]))
    text = "\n".join(part for part in parts if part)
    with atomic_write(path.with_suffix(".md")) as partial:
        partial.write_text(text, encoding="utf-8")
    write_json(
        path.with_suffix(".json"),
        {
            **contents,
            "setup": plain_setup(setup),
            "titles": {row.key: row.title for row in rows},
            "printed": {name: PRINTED.get(setup.corpora[name].corpus) for name in corpora},
            "results": measured.results,
        },
    )
    return text


def _headline(rows: Sequence[Row], measured: Measured, setup: Setup, corpora: Sequence[str]) -> str:
    """The table as printed, the paper's own figures above ours."""
    header = ["method", *(f"{corpus} {heading}" for corpus in corpora for heading in ("L1 ↓", "FID ↓"))]
    lines = []
    for answer, title in COPIES.items():
        cells = []
        for corpus in corpora:
            some = _some_run(measured, corpus)
            scores = some["overall"]["scores"][answer] if some else {}
            cells += [f"{scores[name]:.2f}" if name in scores else "" for name in HEADLINE]
        lines.append([title, *cells])
    for row in rows:
        printed = [PRINTED.get(setup.corpora[corpus].corpus, {}).get(row.method) for corpus in corpora]
        if any(printed):
            cells = [cell for pair in printed for cell in ([f"{value:.2f}" for value in pair] if pair else ["", ""])]
            lines.append([f"*{row.method}, printed in the paper*", *cells])
        cells = [_cell(measured, corpus, row, _score(name)) for corpus in corpora for name in HEADLINE]
        lines.append([row.title, *cells])
    return _table(header, lines)


def _details(rows: Sequence[Row], measured: Measured, corpus: str) -> str:
    """All figures of one corpus, and what each network sees and costs."""
    from model.evaluation.tables import FIGURES  # loads torch, which scheduling does without

    of_corpus = measured.results.get(corpus, {})
    known = {name for runs in of_corpus.values() for run in runs.values() for name in run["overall"]["scores"]["model"]}
    figures = {name: FIGURES[name] for name in FIGURES if name in known}
    facts: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "sees the target": lambda run: "yes" if run["sees_target"] else "no",
        "sources": lambda run: str(run["sources"]),
        "parameters": lambda run: f"{run['parameters'] / 1e6:.2f} M",
        "GFLOP an image": lambda run: f"{run['gflop_per_image']:.3g}",
        "batches seen": lambda run: str(run["batches_seen"]),
    }
    header = ["method", *(heading for heading, _ in figures.values()), *facts, "hours"]
    lines = []
    some = _some_run(measured, corpus)
    for answer, title in COPIES.items() if some else ():
        scores = some["overall"]["scores"][answer]
        cells = [f"{scores[name]:.{places}f}" if name in scores else "" for name, (_, places) in figures.items()]
        lines.append([title, *cells, "no", *[""] * len(facts)])
    for row in rows:
        runs = of_corpus.get(row.key, {})
        cells = [_cell(measured, corpus, row, _score(name), places) for name, (_, places) in figures.items()]
        first = next(iter(runs.values()), None)
        cells += [tell(first) if first else "" for tell in facts.values()]
        lines.append([row.title, *cells, _cell(measured, corpus, row, lambda run: run["hours"])])
    return _table(header, lines)


def _by_group(rows: Sequence[Row], measured: Measured, corpus: str, groups: Mapping[str, str]) -> str:
    """L1 of the picture, face, mouth and eyes, of the speakers whose names match; bold where no copy is as near."""
    header = ["method", *(f"{group}: L1 / face / mouth / eyes" for group in groups)]
    lines = []
    some = _some_run(measured, corpus)
    for answer, title in COPIES.items() if some else ():
        cells = [" / ".join(_shown(_of_group(some, answer, r, p)) for r in REGIONS) for p in groups.values()]
        lines.append([title, *cells])
    for row in rows:
        runs = list(measured.results.get(corpus, {}).get(row.key, {}).values())
        cells = []
        for pattern in groups.values():
            cells.append(" / ".join(_beside_copies(runs, region, pattern) for region in REGIONS))
        lines.append([row.title, *cells])
    return _table(header, lines)


def _beside_copies(runs: Sequence[Mapping[str, Any]], region: str, pattern: str) -> str:
    """The mean over runs, bold where every one of them is nearer to the truth than the better copy."""
    values = [_of_group(run, "model", region, pattern) for run in runs]
    copies = [_of_group(run, answer, region, pattern) for run in runs[:1] for answer in COPIES]
    best = min((value for value in copies if value is not None), default=0.0)
    shown = _shown(_mean(values))
    return f"**{shown}**" if shown and all(value is not None and value < best for value in values) else shown


def _of_group(run: Mapping[str, Any], answer: str, region: str, pattern: str) -> float | None:
    """The mean over the frames of the speakers whose names match, or do not, with "!" in front."""
    wanted = not pattern.startswith("!")
    speakers = [row for name, row in run["speakers"].items() if fnmatch(name, pattern.lstrip("!")) == wanted]
    frames = sum(row["frames"] for row in speakers)
    total = sum(row["frames"] * row["scores"][answer][region] for row in speakers)
    return float(total / frames) if frames else None


def _verdicts(measured: Measured, corpus: str, claims: Sequence[Sequence[str]], names: Mapping[str, str]) -> list[str]:
    """In how many seeds the paper's orders came out, and who has a smaller L1 than the first of them."""
    of_corpus = measured.results.get(corpus, {})
    lines = []
    for chain in claims:
        if all(of_corpus.get(key) for key in chain):
            seeds = sorted(set.intersection(*(set(of_corpus[key]) for key in chain)))
            held = sum(
                _rises([of_corpus[key][seed]["overall"]["scores"]["model"]["l1"] for key in chain]) for seed in seeds
            )
            order = " < ".join(names[key] for key in chain)
            lines.append(f"{corpus}: L1 in the paper's order, {order}: in {held} of {len(seeds)} seeds")
    ours = claims[0][0] if claims else ""
    if of_corpus.get(ours):
        own = _mean([_score("l1")(run) for run in of_corpus[ours].values()])
        some = next(iter(of_corpus[ours].values()))
        others = {title: some["overall"]["scores"][answer]["l1"] for answer, title in COPIES.items()}
        others |= {
            names[key]: _mean([_score("l1")(run) for run in runs.values()])
            for key, runs in of_corpus.items()
            if key != ours
        }
        below = [f"{title} ({value:.2f})" for title, value in others.items() if value < own]
        lines.append(f"{corpus}: L1 below that of {names[ours]} ({own:.2f}): {', '.join(below) or 'none'}")
    if first := _some_run(measured, corpus):
        copied = min(first["overall"]["scores"][answer]["l1"] for answer in COPIES)
        worse = [
            names[key] for key, runs in of_corpus.items() if _mean(list(map(_score("l1"), runs.values()))) > copied
        ]
        if worse:
            lines.append(
                f"{corpus}: L1 above that of the better copy ({copied:.2f}), so that an order among them says nothing "
                f"yet: {', '.join(worse)}"
            )
    return lines


def _notes(measured: Measured, setup: Setup, corpora: Sequence[str]) -> list[str]:
    """What has to be known to read the tables."""
    lines = [f"{name} diverged: {said}" for name, said in measured.diverged.items()]
    lines.append(
        f"{setup.image_size} px, {setup.base_channels} base channels, batches of {setup.batch_size}; every training "
        f"draws {setup.batches} batches, and its last checkpoint is measured on {_frames(setup.stride)}; a "
        "figure of several seeds is their mean ± standard deviation; L1 is in units of 0-255"
    )
    for name in corpora:
        corpus = setup.corpora[name]
        if isinstance(corpus.size, dict):
            told = ", ".join(
                f"{split} {counts['speakers']} speakers, {counts['videos']} videos, {counts['frames']} frames"
                for split, counts in corpus.size.items()
            )
            lines.append(f"{name}: {told}; measured on {corpus.split}")
        if corpus.corpus in PRINTED:
            lines.append(
                f"{name}: the paper's figures are of its own crops, split and size of training, which it does not all "
                "publish: they cannot be compared directly"
            )
    lines += sorted({line for name in corpora for line in (_some_run(measured, name) or {}).get("left_out", [])})
    return lines


def _frames(stride: int) -> str:
    return "every test frame" if stride == 1 else f"one test frame in {stride}"


def _some_run(measured: Measured, corpus: str) -> Mapping[str, Any]:
    """Any result of a corpus, for what is the same in all of them; or nothing."""
    return next((run for runs in measured.results.get(corpus, {}).values() for run in runs.values()), {})


def _cell(
    measured: Measured, corpus: str, row: Row, value: Callable[[Mapping[str, Any]], float | None], places: int = 2
) -> str:
    """Mean ± standard deviation over the seeds, "diverged" where they did; how many of them, where only some did."""
    runs = measured.results.get(corpus, {}).get(row.key, {})
    lost = sum(name.startswith(f"{corpus}/{row.key}-") and name[len(f"{corpus}/{row.key}-") :].isdecimal()
               for name in measured.diverged)  # fmt: skip
    values = [found for run in runs.values() if (found := value(run)) is not None]
    if not values:
        return "diverged" if lost else ""
    spread = f" ± {statistics.stdev(values):.{places}f}" if len(values) > 1 else ""
    note = f" ({lost} diverged)" if lost else ""
    return f"{_mean(values):.{places}f}{spread}{note}"


def _score(name: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda run: run["overall"]["scores"]["model"].get(name)


def _mean(values: Sequence[float | None]) -> float:
    found = [value for value in values if value is not None]
    return statistics.mean(found) if found else float("nan")


def _shown(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.2f}"


def _rises(values: Sequence[float]) -> bool:
    return all(first < second for first, second in pairwise(values))


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [header, ["---"] + ["---:"] * (len(header) - 1), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
