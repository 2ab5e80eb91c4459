"""The training losses, Eqs. 8-17."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from model.config import LossWeights
from model.generator import GeneratorOutput
from model.perceptual import PerceptualFeatures

WARP_TV_SHARE = 0.1
"""The weight of W_w's total variation beside M_w's in Eq. 17."""


def sparsity_loss(merge_mask: Tensor) -> Tensor:
    """L_SV, the mean of V over pixels (Eq. 8).

    Fixed reading: the paper follows GANimation, where a penalty on the mask that keeps the input's pixels stops
    it from saturating at "copy everything"; here V = 1 copies the warped image. As a mean over pixels, at λ = 1
    against λ_rec = 250, it costs V as much as an L1 of 1/250 does (half a grey level, where K = 1): it decides
    only where both streams are equally good, and cannot drive V to zero anywhere else.

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


def landmark_weights(k_codes: Tensor, k_levels: Tensor) -> Tensor:
    """K = max(γ^B, 0.3), B the distance to the nearest landmark in pixels, from its one-byte form (Eqs. 12-13).

    Args:
        k_codes: (B, H, W) uint8, on the device where K is wanted.
        k_levels: (L,) float32, the values that the codes stand for.

    Returns:
        (B, 1, H, W) float32 in [0.3, 1].
    """
    return k_levels[k_codes.int()][:, None]


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
    """L_p, the squared distance of VGG16 features, a mean over each layer, summed over the layers (Eq. 15).

    Args:
        features: the frozen network.
        output, target: (B, 3, H, W) in [-1, 1].
    """
    raise NotImplementedError


def adversarial_loss(fake_scores: Tensor) -> Tensor:
    """L_adv of the generator, −E[D(I_o)]: the counterpart of the hinge loss of Eq. 16.

    Args:
        fake_scores: D(I_o), (B, 1, h, w).
    """
    return -fake_scores.mean()


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """The hinge loss of the discriminator, E[max(0, 1 − D(I_t))] + E[max(0, 1 + D(I_o))] (Eq. 16).

    Args:
        real_scores, fake_scores: (B, 1, h, w).
    """
    return F.relu(1 - real_scores).mean() + F.relu(1 + fake_scores).mean()


def generator_losses(
    out: GeneratorOutput,
    target: Tensor,
    weight_map: Tensor,
    weights: LossWeights,
    fake_scores: Tensor | None = None,
    features: PerceptualFeatures | None = None,
) -> dict[str, Tensor]:
    """Every term of Eq. 17 by its symbol, unweighted, and their weighted sum as "total".

    Args:
        out: the generator's.
        target: I_t (B, 3, H, W) in [-1, 1].
        weight_map: K (B, 1, H, W).
        weights: the λ; a term whose weight is 0 is not computed.
        fake_scores: D(I_o); needed unless `weights.adversarial` is 0.
        features: VGG16; needed unless `weights.perceptual` is 0.

    Returns:
        Scalars by "L_SV", "L_TV", "L_rec", "L_p", "L_adv" and "total".
    """
    raise NotImplementedError
