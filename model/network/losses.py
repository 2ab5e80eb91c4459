"""The training losses, Eqs. 8-17, and the one place where what the paper leaves open about them is read.

Readings, each with its reason:

- **Sums over pixels are means** (Eqs. 8, 12, 13). The paper prints norms, which are sums; λ_rec = 250 times a sum over
  224² pixels would drown every other term by five orders of magnitude, and λ would depend on the image's size. The
  sum over the three colours stays, as printed.
- **Total variation stays a sum over the map** (Eqs. 9-11), averaged over the batch: λ_TV = 1e-5 has the size of a sum.
  A smooth map has the same sum of squared differences at every image size, so λ_TV need not follow the size.
- **The second L_TV of M_w in Eq. 17 is that of W_w.** The equation prints L_TV_wm twice, once with a factor of 0.1;
  Eq. 11 defines L_TV_ww and nothing else uses it.
- **Eq. 15 is a mean within each layer, summed over the layers**, as Johnson et al. 2016 normalise by a layer's size
  (their Eq. 2); the layers are the paper's own.
- **Eq. 16 is the discriminator's** hinge loss as printed. The generator minimises −E[D(I_o)], its usual counterpart
  (Miyato et al. 2018, whose hinge version the paper cites).
- **L_rec_a is not in the paper**, and has no weight unless asked for. I_a begins with ten times the error of I_w, V
  shuts it out within a few hundred steps, and then a hundredth of the gradient reaches it; with a term of its own, as
  Eq. 12 is I_w's, it becomes an image that V can take from.
- **What a stream that is switched off would have made has no loss.** Without the warping stream there is no I_w, M_w
  or W_w; without the appearance stream I_o is I_w, so that Eqs. 12 and 13 are one term, and V is no mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from model.config import LossWeights, Streams
from model.network.generator import GeneratorOutput
from model.network.precision import at_least_float32

WARP_TV_SHARE = 0.1
"""The weight of W_w's total variation beside V's and M_w's in Eq. 17."""

Features = Callable[[Tensor], Sequence[Tensor]]
"""VGG16 in Eq. 15: images (B, 3, H, W) in [-1, 1] to a map (B, C, h, w) a layer."""


def sparsity_loss(merge_mask: Tensor) -> Tensor:
    """L_SV, the mean of V (Eq. 8): it costs something to take a pixel from the warped image.

    Against λ_rec = 250 a pixel's V costs what an error of 1/250 in one colour does (half a grey level of 255 where
    K = 1, under two where K = 0.3): it decides where both streams are equally good.

    Args:
        merge_mask: V (B, 1, H, W) in [0, 1].
    """
    return merge_mask.mean()


def tv_loss(maps: Tensor) -> Tensor:
    """L_TV, squared differences of neighbours, summed over a sample's maps, averaged over the batch (Eqs. 9-11).

    Args:
        maps: V, M_w or W_w, (B, ..., H, W).
    """
    down = (maps[..., 1:, :] - maps[..., :-1, :]).square().sum()
    across = (maps[..., :, 1:] - maps[..., :, :-1]).square().sum()
    return (down + across) / maps.shape[0]


def landmark_weights(k_codes: Tensor, k_levels: Tensor) -> Tensor:
    """K = max(γ^B, 0.3) of Eqs. 12 and 13 from its one-byte form; B is the distance to the nearest landmark.

    Args:
        k_codes: (B, H, W) uint8, on the device where K is wanted.
        k_levels: (L,) float32, the values that the codes stand for; or (B, L), one table an image.

    Returns:
        (B, 1, H, W) float32 in [0.3, 1].
    """
    levels = k_levels.expand(k_codes.shape[0], -1)
    return levels.gather(1, k_codes.flatten(1).long()).view(k_codes.shape)[:, None]


def reconstruction_loss(image: Tensor, target: Tensor, weight_map: Tensor) -> Tensor:
    """K ⊙ |image − I_t|, summed over the colours, averaged over pixels and batch.

    Eq. 12 of I_w, Eq. 13 of I_o, L_rec_a of I_a.

    Args:
        image: I_w, I_o or I_a (B, 3, H, W) in [-1, 1].
        target: I_t, likewise.
        weight_map: K (B, 1, H, W) in [0.3, 1].
    """
    return (weight_map * (image - target).abs()).sum(dim=1).mean()


def perceptual_loss(features: Features, output: Tensor, target: Tensor) -> Tensor:
    """L_p, squared distances of VGG16 features: a mean over each layer, a sum over the layers (Eq. 15).

    Args:
        features: the frozen network.
        output, target: I_o and I_t (B, 3, H, W) in [-1, 1]; no gradient goes to the target.
    """
    with torch.no_grad():
        wanted = features(target)
    distances = [
        (at_least_float32(a) - at_least_float32(b)).square().mean()
        for a, b in zip(features(output), wanted, strict=True)
    ]
    return torch.stack(distances).sum()


def adversarial_loss(fake_scores: Tensor) -> Tensor:
    """L_adv as the generator minimises it, −E[D(I_o)].

    Args:
        fake_scores: D(I_o), (B, 1, h, w).
    """
    return -at_least_float32(fake_scores).mean()


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """L_D, the hinge loss E[max(0, 1 − D(I_t))] + E[max(0, 1 + D(I_o))] (Eq. 16).

    Args:
        real_scores, fake_scores: (B, 1, h, w).
    """
    return F.relu(1 - at_least_float32(real_scores)).mean() + F.relu(1 + at_least_float32(fake_scores)).mean()


def generator_losses(
    out: GeneratorOutput,
    target: Tensor,
    weight_map: Tensor,
    weights: LossWeights,
    streams: Streams = "both",
    fake_scores: Tensor | None = None,
    features: Features | None = None,
) -> dict[str, Tensor]:
    """Every term of Eq. 17 by its symbol, unweighted, and their weighted sum as "total" (Eqs. 14 and 17).

    Args:
        out: the generator's.
        target: I_t (B, 3, H, W) in [-1, 1].
        weight_map: K (B, 1, H, W).
        weights: the λ; a term whose weight is 0 is not computed.
        streams: the generator's; a stream that is switched off takes its terms with it.
        fake_scores: D(I_o); needed unless `weights.adversarial` is 0.
        features: VGG16; needed unless `weights.perceptual` is 0.

    Returns:
        Scalars by "L_SV", "L_TV_V", "L_TV_wm", "L_TV_ww", "L_rec_w", "L_rec_o", "L_rec_a", "L_p", "L_adv" (those that
        there are) and "total".

    Raises:
        ValueError: if a term is weighted and what it needs is None.
    """
    merges, warps = streams == "both", streams != "appearance"
    terms: dict[str, tuple[float, Tensor]] = {}
    if weights.sparsity and merges:
        terms["L_SV"] = weights.sparsity, sparsity_loss(out.merge_mask)
    if weights.tv and merges:
        terms["L_TV_V"] = weights.tv, tv_loss(out.merge_mask)
    if weights.tv and warps:
        terms["L_TV_wm"] = weights.tv, tv_loss(out.selection_masks)
        terms["L_TV_ww"] = WARP_TV_SHARE * weights.tv, tv_loss(out.warp_fields)
    if weights.reconstruction and merges:
        terms["L_rec_w"] = weights.reconstruction, reconstruction_loss(out.warped, target, weight_map)
    if weights.reconstruction:
        terms["L_rec_o"] = weights.reconstruction, reconstruction_loss(out.output, target, weight_map)
    if weights.appearance and merges:
        terms["L_rec_a"] = weights.appearance, reconstruction_loss(out.appearance, target, weight_map)
    if weights.perceptual:
        if features is None:
            raise ValueError("features must be given where the perceptual weight is not 0, got None")
        terms["L_p"] = weights.perceptual, perceptual_loss(features, out.output, target)
    if weights.adversarial:
        if fake_scores is None:
            raise ValueError("fake_scores must be given where the adversarial weight is not 0, got None")
        terms["L_adv"] = weights.adversarial, adversarial_loss(fake_scores)
    total = sum((weight * value for weight, value in terms.values()), torch.zeros((), device=target.device))
    return {**{symbol: value for symbol, (_, value) in terms.items()}, "total": total}
