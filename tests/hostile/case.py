"""A case: what is done to a sound world, and which commands are then given it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.hostile.child import Trouble
from tests.hostile.world import World

NO_TROUBLE = Trouble()


@dataclass(frozen=True)
class Case:
    """One hostile input.

    Attributes:
        kind: of those that `docs/reliability.md` counts.
        name: what is wrong.
        harm: done to a copy of the sound world.
        commands: run in it, one after the other.
        trouble: what befalls them besides.
    """

    kind: str
    name: str
    harm: Callable[[World], object]
    commands: tuple[str, ...]
    trouble: Trouble = NO_TROUBLE


def nothing(_world: World) -> None:
    """No harm to any file."""
