"""Beginning a build: the folder is made this build's own, the corpus is listed, and a plan is made of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.building.changes import Changes, find_changes, restore_records
from pipeline.building.earlier import index_earlier
from pipeline.building.finish import forget_transient
from pipeline.building.plan import Plan, load_inventory, load_plan, make_plan, save_inventory, save_plan
from pipeline.building.upkeep import lock_folder, tidy
from pipeline.cli import printable
from pipeline.corpora import Inventory, Source, as_inventory, exclude, warned_of_single_clips, warned_of_splits
from pipeline.errors import BuildError, InputError
from pipeline.layout import inventory_file, plan_file
from pipeline.settings import Settings


@dataclass(frozen=True)
class Order:
    """What a build is asked for.

    Attributes:
        out: the dataset's folder.
        root: the corpus's.
        corpus: a word for its kind.
        settings: of the dataset.
        listing: digest of what decides the list of clips.
        sources: lists the clips.
        exclude: file of what to leave out.
        bank_from: whose bank a target gets (`pipeline.shards.dataset.BANKS_FROM`).
        rescan: list the corpus anew.
        retry_failed: try failures again that may lie in the circumstances.
        alone: no other process shares the work.
    """

    out: Path
    root: Path
    corpus: str
    settings: Settings
    listing: str
    sources: Callable[[], Sequence[Source]]
    exclude: Path | None
    bank_from: str
    rescan: bool
    retry_failed: bool
    alone: bool


class Begun(NamedTuple):
    """What a build starts from: the clips, the plan, and what has changed since an earlier build here."""

    inventory: Inventory
    plan: Plan
    changes: Changes


def begin(order: Order) -> Begun:
    """Make ready to build; prints what was found to have changed and what was cleared away.

    Raises:
        InputError: another build is at work in the folder, or there is nothing to build.
        OSError: the folder cannot be written.
    """
    # First of all: what follows writes to the folder, and deletes.
    lock_folder(order.out, shared=not order.alone)
    inventory = _list_corpus(order)
    plan = _save_plan(order, inventory)
    # A dataset whose work/ is gone is no reason to make it all again.
    restore_records(order.out, plan)
    # What is finished but of other content by now, or to be tried again, is undone before anybody counts on it.
    if order.retry_failed:
        forget_transient(order.out, plan)
    changes = find_changes(order.out, order.root, plan)
    if str(changes):
        print(printable(f"{order.out}: {changes}"))
    # What other plans have made of the same clips need not be made again.
    index_earlier(order.out, plan)
    # Others may be writing what looks like a leftover.
    if order.alone and (removed := tidy(order.out, plan)):
        print(printable(removed))
    return Begun(inventory, plan, changes)


def _list_corpus(order: Order) -> Inventory:
    """What is to be built: the list of the first run, unless a new one is asked for, less what is excluded."""
    path = inventory_file(order.out, order.listing)
    if order.rescan or not path.is_file():
        save_inventory(path, as_inventory(order.sources()), first_wins=not order.rescan)
    inventory = load_inventory(path)
    if order.root.is_dir() and not any((order.root / source.path).exists() for source in inventory):
        raise InputError(
            f"{order.root}: holds none of the videos that {path} lists; choose another --out, or add --rescan"
        )
    if order.exclude is not None:
        inventory = exclude(inventory, order.exclude)
    inventory = warned_of_splits(inventory)
    return warned_of_single_clips(inventory) if order.bank_from == "other" else inventory


def _save_plan(order: Order, inventory: Inventory) -> Plan:
    plan = make_plan(order.corpus, inventory, order.settings)
    path = plan_file(order.out, plan.digest)
    try:
        load_plan(path)
    except BuildError:  # there is none, or a damaged one
        save_plan(path, plan)
    return plan
