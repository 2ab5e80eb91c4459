"""Table 1 of the networks at hand: L1, FID and the other figures of evaluation, a table a corpus."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.drawing.corpora import Corpus
from model.evaluation.answers import NetworkAnswers
from model.evaluation.protocol import evaluate
from model.evaluation.results import write_text
from model.evaluation.selection import Measures
from model.evaluation.tables import table1


def write_table1(
    folder: Path, corpora: Sequence[Corpus], measures: Measures, stride: int, batch_size: int, workers: int
) -> str:
    """Measure all networks, and write `table1.md` and `table1.json`.

    Args:
        stride, batch_size, workers: as `model.evaluation.protocol.evaluate` takes them.

    Returns:
        The tables, as in `table1.md`.
    """
    tables, contents = [], {}
    for corpus in corpora:
        found = {
            name: evaluate(
                NetworkAnswers(network.generator, corpus.inference),
                corpus.dataset,
                metrics=measures.make(),
                split=corpus.split,
                stride=stride,
                batch_size=batch_size,
                workers=workers,
                progress=True,
            )
            for name, network in corpus.networks.items()
        }
        tables.append(f"{corpus.name}, {corpus.split} split\n\n{table1(found)}")
        scores: dict[str, Any] = {
            name: {"image_size": str(evaluation.image_size), **asdict(evaluation.overall)}
            for name, evaluation in found.items()
        }
        digest = corpus.dataset.digest
        contents[corpus.name] = {"split": corpus.split, "dataset_digest": digest, "networks": scores}
    text = "\n".join((*tables, *(f"{line}\n" for line in measures.left_out)))
    write_text(folder / "table1.md", text)
    as_json = json.dumps({"stride": stride, "corpora": contents}, indent=2, ensure_ascii=False)
    write_text(folder / "table1.json", f"{as_json}\n")
    return text
