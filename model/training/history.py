"""A pool of earlier generated images, which half of the discriminator's fakes are drawn from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from model.pixels import from_levels, to_bytes


class ImageHistory:
    """The history of generated images (Shrivastava et al. 2017, section 2.3).

    Half of each batch of fakes is fresh, half comes from the pool, so that the discriminator does not forget what the
    generator used to get wrong. Once a generator step the pool takes in half a batch of that step's images, each in
    the place of a random one. So with the paper's batch of 16 and 320 places an image stays for 40 generator
    steps on average, and five discriminator updates in a row draw from one and the same past.

    The pool holds 8-bit images, as data sets do: 48 MB at 224 pixels.

    Args:
        capacity: images in the pool; 0 passes every batch through unchanged.
        seed: of the pool's own random numbers, apart from everybody else's.
    """

    def __init__(self, capacity: int, seed: int) -> None:
        self.capacity = capacity
        self._generator = torch.Generator().manual_seed(seed)
        self._pool: Tensor | None = None
        self._filled = 0

    def __len__(self) -> int:
        return self._filled

    def mix(self, fakes: Tensor) -> Tensor:
        """The discriminator's fakes: half of `fakes`, and half as many earlier ones.

        Args:
            fakes: (B, C, H, W) fresh from the generator, in [-1, 1]; their gradient is cut.

        Returns:
            (B, C, H, W): ⌈B/2⌉ of `fakes` and ⌊B/2⌋ earlier ones, or as many as the pool has.
        """
        fakes = fakes.detach()
        half = min(fakes.shape[0] // 2, self._filled)
        if self._pool is None or half == 0:
            return fakes
        kept = self._draw(fakes.shape[0], fakes.shape[0] - half, fakes.device)
        drawn = self._draw(self._filled, half, fakes.device)
        return torch.cat((fakes[kept], from_levels(self._pool[drawn]).to(fakes.dtype)))

    def add(self, fakes: Tensor) -> None:
        """Take in the images of one generator step: all of them until the pool is full, then half of them.

        Args:
            fakes: (B, C, H, W) in [-1, 1].
        """
        if self.capacity == 0:
            return
        images = to_bytes(fakes.detach())
        if self._filled < self.capacity:
            self._fill(images)
            return
        assert self._pool is not None
        half = min((images.shape[0] + 1) // 2, self.capacity)
        replaced = self._draw(self.capacity, half, images.device)
        self._pool[replaced] = images[self._draw(images.shape[0], half, images.device)]

    def state_dict(self) -> dict[str, Any]:
        """The pool and its random state, safe for a `weights_only` load."""
        pool = None if self._pool is None else self._pool[: self._filled].cpu().clone()
        return {"capacity": self.capacity, "pool": pool, "generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device | str = "cpu") -> None:
        """Continue exactly where `state` was taken.

        Args:
            state: of `state_dict`.
            device: where the generator's images will be.

        Raises:
            ValueError: if the pool was of another capacity.
        """
        if state["capacity"] != self.capacity:
            raise ValueError(f"history capacity must be {self.capacity}, got {state['capacity']}")
        self._generator.set_state(state["generator"].cpu())
        self._pool, self._filled = None, 0
        if state["pool"] is not None:
            self._fill(state["pool"].to(device))

    def _fill(self, images: Tensor) -> None:
        if self._pool is None:
            self._pool = images.new_zeros((self.capacity, *images.shape[1:]))
        end = min(self._filled + images.shape[0], self.capacity)
        self._pool[self._filled : end] = images[: end - self._filled]
        self._filled = end

    def _draw(self, population: int, count: int, device: torch.device) -> Tensor:
        """`count` different indices below `population`, on a device, without waiting for what that is at."""
        indices = torch.randperm(population, generator=self._generator)[:count]
        return indices.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else indices.to(device)
