"""Looking after a dataset's folder: one build at a time, and nothing left lying about by those that crashed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline import locks
from pipeline.building.chunk import clear_parts, has_parts
from pipeline.building.plan import Plan
from pipeline.building.record import chunk_done
from pipeline.errors import InputError
from pipeline.files import UNFINISHED, drop_own_file, walk_own
from pipeline.layout import DATASET_FILE, MANIFEST_FILE, OWN_FOLDERS, lock_file

OWN_FILES = (f".{DATASET_FILE}.", f".{MANIFEST_FILE}.")  # as they are called while they are written
PATIENCE_SECONDS = 10.0  # what a killed build's processes may take to be gone


def lock_folder(out: Path, shared: bool) -> None:
    """Keep other builds out of a folder for as long as this process lives, however it ends.

    Args:
        out: the dataset's folder.
        shared: let in those that share the work, by a scheduler or by rank.

    Raises:
        InputError: another build is at work there.
    """
    if not locks.take(lock_file(out), shared, PATIENCE_SECONDS):
        raise InputError(
            f"{out}: another build is at work here; let it end, or share its work: start luigid and give "
            "--scheduler-host to all builds, or --rank and --num-ranks"
        )


def tidy(out: Path, plan: Plan) -> str:
    """Remove what crashed builds left: unfinished files, and the work on single videos of finished chunks.

    Only while no other build is making anything here.

    Returns:
        What was removed, for the terminal; empty if there was nothing.
    """
    count, freed = 0, 0
    for path in unfinished_files(out):
        freed += drop_own_file(out, path)
        count += 1
    for chunk in plan.chunks if has_parts(out, plan.settings) else ():
        if chunk_done(out, chunk):
            parts = clear_parts(out, chunk, plan.settings)
            count, freed = count + bool(parts), freed + parts
    return f"{out}: removed {count} leftovers of earlier builds ({freed / 1e6:.1f} MB)" if count else ""


def unfinished_files(out: Path) -> Iterator[Path]:
    """The temporary files of `atomic_write`: those of writers that were killed, unless one is writing now.

    Only in the dataset's own folders, and by the very names that are given there: other programs write `.part` files.
    """
    for name in OWN_FOLDERS:
        yield from (path for path in walk_own(out / name) if UNFINISHED.fullmatch(path.name) and not path.is_symlink())
    top = sorted(path for path in out.iterdir() if UNFINISHED.fullmatch(path.name))
    yield from (path for path in top if path.name.startswith(OWN_FILES) and not path.is_symlink())


def keep_apart(out: Path, corpus: Path) -> None:
    """Refuse to build where the corpus lies, or into what is not this dataset's own.

    Raises:
        InputError: one folder is, or lies in, the other; or a folder of the dataset is a link.
    """
    for name in OWN_FOLDERS:
        for path in (out / name, *sorted((out / name).glob("*"))):
            if path.is_symlink():
                raise InputError(f"{path}: must be no link, what is made would lie elsewhere; link the whole folder")
    ours, theirs = out.resolve(), corpus.resolve()
    if ours == theirs or ours in theirs.parents or theirs in ours.parents:
        raise InputError(
            f"{out}: must lie apart from the corpus {corpus}, neither in it nor around it; name another --out"
        )
