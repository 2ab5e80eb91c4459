"""φ, bilinear backward warping by a flow in pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from model.network.precision import at_least_float32


def warp_bilinear(image: Tensor, flow_px: Tensor) -> Tensor:
    """φ(image, flow) of Eq. 4: output pixel p is the image sampled at p + flow(p), between pixels bilinearly.

    Positions beyond the border take the border's value. Coordinates are at least float32 whatever autocast says:
    bfloat16 cannot tell pixel 200.5 from pixel 201. `align_corners=True` has pixel centres at integers, as
    landmarks have, so zero flow is the identity (to float32's rounding of the coordinates, 3e-5 pixel at 224).

    Where the flow is not a number, neither is the result, and nothing worse happens: torch would take the border's
    value, so that a network that has diverged looked well, and in the backward pass on a CPU write beyond its memory.

    Args:
        image: (B, C, H, W).
        flow_px: (B, 2, H, W), channels x and y, in pixels.

    Returns:
        (B, C, H, W), float32 or float64 as `flow_px`.
    """
    height, width = image.shape[-2:]
    flow = at_least_float32(flow_px)
    nowhere = (flow[:, 0] + flow[:, 1]).detach().isnan()
    flow = flow.masked_fill(nowhere[:, None], 0.0)
    column = torch.arange(width, device=image.device, dtype=flow.dtype) + flow[:, 0]
    row = torch.arange(height, device=image.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    grid = torch.stack((column * (2 / (width - 1)) - 1, row * (2 / (height - 1)) - 1), dim=-1)
    warped = F.grid_sample(image.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=True)
    return warped.masked_fill(nowhere[:, None], torch.nan)
