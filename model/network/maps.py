"""Figures of the network's maps that tell whether the streams do what they are for (the paper's Figure 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from model.config import Streams
from model.network.generator import GeneratorOutput

MASK_ENTROPY, WARP_LENGTH, MERGE_MEAN, MERGE_LEAST = "mask_entropy", "warp_length", "merge_mean", "merge_least"
FIGURES = (MASK_ENTROPY, WARP_LENGTH, MERGE_MEAN, MERGE_LEAST)


@torch.no_grad()
def map_figures(out: GeneratorOutput, streams: Streams) -> dict[str, Tensor]:
    """What the maps of a batch look like, as scalars; without those of a stream that is switched off.

    Returns:
        mask_entropy: of M_w over the bank, mean over pixels and batch, in nats: ln 5 = 1.61 where all five images are
            mixed alike, 0 where one is chosen.
        warp_length: Σ_i M_w,i ⊙ |W_w,i|, mean over pixels and batch, in units of M.
        merge_mean: mean of V; 1 is the warped image everywhere.
        merge_least: the least V of each sample, mean over the batch: near 0 where the appearance stream paints.
    """
    figures: dict[str, Tensor] = {}
    if streams != "appearance":
        masks = out.selection_masks
        figures[MASK_ENTROPY] = -torch.xlogy(masks, masks).sum(1).mean()
        figures[WARP_LENGTH] = (masks[:, :, 0] * out.warp_fields.norm(dim=2)).sum(1).mean()
    if streams == "both":
        figures[MERGE_MEAN] = out.merge_mask.mean()
        figures[MERGE_LEAST] = out.merge_mask.flatten(1).amin(1).mean()
    return figures
