"""A pool of earlier generated images for the discriminator."""

from __future__ import annotations

from typing import Any

from torch import Tensor


class ImageHistory:
    """The history of generated images (Shrivastava et al. 2017).

    Args:
        capacity: images in the pool; 0 passes every batch through.
        seed: of the pool's own random numbers.
    """

    def __init__(self, capacity: int, seed: int) -> None:
        raise NotImplementedError

    def mix(self, fakes: Tensor) -> Tensor:
        """(B, 3, H, W): half of `fakes`, half images from the pool (all of `fakes` until the pool is full)."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The pool and its random state, safe for a `weights_only` load."""
        raise NotImplementedError

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        raise NotImplementedError
