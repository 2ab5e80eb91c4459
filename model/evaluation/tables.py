"""Evaluations as Markdown tables: answers beside each other (the paper's Table 1), and a row per speaker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from model.evaluation.protocol import Evaluation

# Figure's name -> heading and decimals; an arrow says which way is better.
FIGURES = {
    "l1": ("L1 ↓", 2),
    "fid": ("FID ↓", 2),
    "psnr": ("PSNR dB ↑", 2),
    "ssim": ("SSIM ↑", 4),
    "lpips": ("LPIPS ↓", 4),
    "face_l1": ("face L1 ↓", 2),
    "mouth_l1": ("mouth L1 ↓", 2),
    "eyes_l1": ("eyes L1 ↓", 2),
    "motion_error": ("motion error ↓", 2),
    "flicker": ("flicker ↓", 2),
    "landmark_error": ("landmark error % ↓", 2),
    "faces": ("faces found % ↑", 1),
}
_SEES = {True: "yes", False: "no", None: "unknown"}
COPIES = {"trivial": "copied by openness", "landmarks": "copied by landmarks"}


def table1(evaluations: Mapping[str, Evaluation]) -> str:
    """A row for each network, then the bank images copied, for each image size.

    Args:
        evaluations: name of a network -> what was measured, all of the same split.
    """
    figures = _figures(evaluations.values())
    sizes = {evaluation.image_size: evaluation for evaluation in evaluations.values()}
    rows = [
        [name, str(e.image_size), _SEES[e.sees_target], *_values(e, "model", figures)]
        for name, e in evaluations.items()
    ]
    for size, evaluation in sizes.items():
        rows += [
            [name, str(size), _SEES[False], *_values(evaluation, answer, figures)] for answer, name in COPIES.items()
        ]
    return _table(["answer", "pixels", "sees the target", *(FIGURES[figure][0] for figure in figures)], rows)


def speaker_table(evaluation: Evaluation) -> str:
    """A row per speaker, then all: the network's figures, and the L1 of the bank images copied."""
    figures = _figures([evaluation])
    header = ["speaker", "frames", *(FIGURES[figure][0] for figure in figures)]
    header += [f"L1 {name}" for name in COPIES.values()]
    rows = []
    for name, row in [*evaluation.speakers.items(), ("all", evaluation.overall)]:
        values = [_shown(row.scores["model"].get(figure), figure) for figure in figures]
        values += [_shown(row.scores[answer].get("l1"), "l1") for answer in COPIES]
        rows.append([name, str(row.frames), *values])
    return _table(header, rows)


def verdict(evaluation: Evaluation) -> str:
    """One sentence: the network's L1 beside those of the copied bank images."""
    scores = evaluation.overall.scores
    ours = scores["model"]["l1"]
    copies = (
        f"{abs(ours / scores[answer]['l1'] - 1):.0%} {'below' if ours < scores[answer]['l1'] else 'above'} that of the "
        f"bank image {name} ({scores[answer]['l1']:.2f})"
        for answer, name in COPIES.items()
    )
    return f"L1 on the {evaluation.split} split is {ours:.2f}: " + ", ".join(copies)


def _figures(evaluations: Iterable[Evaluation]) -> list[str]:
    """What was measured of any of them, in the order of `FIGURES`."""
    known = {figure for evaluation in evaluations for figure in evaluation.overall.scores["model"]}
    return [figure for figure in FIGURES if figure in known]


def _values(evaluation: Evaluation, answer: str, figures: Sequence[str]) -> list[str]:
    scores = evaluation.overall.scores[answer]
    return [_shown(scores.get(figure), figure) for figure in figures]


def _shown(value: float | None, figure: str) -> str:
    return "" if value is None else f"{value:.{FIGURES[figure][1]}f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
