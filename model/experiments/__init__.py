"""The paper's experiments as Luigi tasks: `luigi --module model.experiments Table1 --datasets timit=out/timit,…`."""

from model.experiments.tasks import Ablations, Table1

__all__ = ["Ablations", "Table1"]
