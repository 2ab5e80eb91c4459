"""The training losses, Eqs. 8-17."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from model.config import LossWeights
from model.network.generator import GeneratorOutput
from model.network.perceptual import PerceptualFeatures

WARP_TV_SHARE = 0.1
"""The weight of W_w's total variation beside M_w's in Eq. 17."""


def sparsity_loss(merge_mask: Tensor) -> Tensor:
    """L_SV, the mean of V over pixels (Eq. 8).

    Fixed reading: as in GANimation, a penalty on the mask that keeps the input's pixels, a mean over pixels, so
    that it does not saturate at "copy everything"; here V = 1 copies the warped image. At λ = 1 against
    λ_rec = 250 a pixel's V costs what an L1 of 1/250 does (half a grey level where K = 1, under two where
    K = 0.3): it decides where both streams are equally good, and cannot drive V to zero elsewhere.

    Args:
        merge_mask: V (B, 1, H, W) in [0, 1].
    """
    return merge_mask.mean()


def tv_loss(maps: Tensor) -> Tensor:
    """L_TV, squared differences of neighbours, summed over a sample's maps, averaged over the batch (Eqs. 9-11).

    Fixed reading: squares and a sum over the map, as GANimation prints it; λ_TV = 1e-5 has the size of a sum
    over 224² pixels.

    Args:
        maps: (B, ..., H, W).
    """
    down = (maps[..., 1:, :] - maps[..., :-1, :]).square().sum()
    across = (maps[..., :, 1:] - maps[..., :, :-1]).square().sum()
    return (down + across) / maps.shape[0]


def warping_tv_loss(selection_masks: Tensor, warp_fields: Tensor) -> Tensor:
    """L_TV(M_w) + 0.1 · L_TV(W_w), what λ_TV multiplies in Eq. 17.

    Fixed reading: Eq. 17 prints L_TV of M_w twice. The second, with its factor of 0.1, must be that of W_w: the
    same map twice would be a plain factor of 1.1, and would leave the warps, which need it most, rough.

    Args:
        selection_masks: M_w (B, N, 1, H, W).
        warp_fields: W_w (B, N, 2, H, W).
    """
    return tv_loss(selection_masks) + WARP_TV_SHARE * tv_loss(warp_fields)


def landmark_weights(k_codes: Tensor, k_levels: Tensor) -> Tensor:
    """K = max(γ^B, 0.3), B the distance to the nearest landmark, from its one-byte form (Eqs. 12-13).

    Args:
        k_codes: (B, H, W) uint8, on the device where K is wanted.
        k_levels: (L,) float32, the values that the codes stand for; or (B, L), one table an image.

    Returns:
        (B, 1, H, W) float32 in [0.3, 1].
    """
    levels = k_levels.expand(k_codes.shape[0], -1)
    return levels.gather(1, k_codes.flatten(1).long()).view(k_codes.shape)[:, None]


def reconstruction_loss(output: Tensor, target: Tensor, weight_map: Tensor) -> Tensor:
    """L_rec, the mean of K ⊙ |I_o − I_t| (Eq. 14).

    Fixed reading: a mean over pixels and channels of values in [-1, 1] (GANimation's convention), with which
    λ_rec = 250 makes sense.

    Args:
        output, target: (B, 3, H, W).
        weight_map: K (B, 1, H, W).
    """
    return (weight_map * (output - target).abs()).mean()


def perceptual_loss(features: PerceptualFeatures, output: Tensor, target: Tensor) -> Tensor:
    """L_p, squared distances of VGG16 features: a mean over each layer, a sum over the layers (Eq. 15).

    Args:
        features: the frozen network.
        output, target: (B, 3, H, W) in [-1, 1]; no gradient goes to the target.
    """
    with torch.no_grad():
        wanted = features(target)
    distances = [(a.float() - b.float()).square().mean() for a, b in zip(features(output), wanted, strict=True)]
    return torch.stack(distances).sum()


def adversarial_loss(fake_scores: Tensor) -> Tensor:
    """L_adv as the generator minimises it, −E[D(I_o)].

    Fixed reading: Eq. 16 is the discriminator's hinge loss; this is the counterpart that goes with it.

    Args:
        fake_scores: D(I_o), (B, 1, h, w).
    """
    return -fake_scores.float().mean()


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """The hinge loss of the discriminator, E[max(0, 1 − D(I_t))] + E[max(0, 1 + D(I_o))] (Eq. 16).

    Args:
        real_scores, fake_scores: (B, 1, h, w).
    """
    return F.relu(1 - real_scores.float()).mean() + F.relu(1 + fake_scores.float()).mean()


def generator_losses(
    out: GeneratorOutput,
    target: Tensor,
    weight_map: Tensor,
    weights: LossWeights,
    fake_scores: Tensor | None = None,
    features: PerceptualFeatures | None = None,
) -> dict[str, Tensor]:
    """Every term of Eq. 17 by its symbol, unweighted, and their weighted sum as "total" (Eq. 17).

    Args:
        out: the generator's.
        target: I_t (B, 3, H, W) in [-1, 1].
        weight_map: K (B, 1, H, W).
        weights: the λ; a term whose weight is 0 is not computed.
        fake_scores: D(I_o); needed unless `weights.adversarial` is 0.
        features: VGG16; needed unless `weights.perceptual` is 0.

    Returns:
        Scalars by "L_SV", "L_TV", "L_rec", "L_p", "L_adv" (those whose λ is not 0) and "total".

    Raises:
        ValueError: if a term is weighted and what it needs is None.
    """
    terms: dict[str, tuple[float, Tensor]] = {}
    if weights.sparsity:
        terms["L_SV"] = weights.sparsity, sparsity_loss(out.merge_mask)
    if weights.tv:
        terms["L_TV"] = weights.tv, warping_tv_loss(out.selection_masks, out.warp_fields)
    if weights.reconstruction:
        terms["L_rec"] = weights.reconstruction, reconstruction_loss(out.output, target, weight_map)
    if weights.perceptual:
        if features is None:
            raise ValueError("features must be given where the perceptual weight is not 0, got None")
        terms["L_p"] = weights.perceptual, perceptual_loss(features, out.output, target)
    if weights.adversarial:
        if fake_scores is None:
            raise ValueError("fake_scores must be given where the adversarial weight is not 0, got None")
        terms["L_adv"] = weights.adversarial, adversarial_loss(fake_scores)
    total = torch.stack([weight * value for weight, value in terms.values()]).sum()
    return {**{symbol: value for symbol, (_, value) in terms.items()}, "total": total}
