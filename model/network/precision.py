"""The least precision of what must not be rounded to bfloat16: coordinates, the heads' responses, losses."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 as they are (tests compare in float64)."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
