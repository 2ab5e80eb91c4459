"""GANimation's losses, Eqs. 2-6 of its paper, with the batch factors of its released code written into the weights.

Paper and code differ; FLNet's authors had the code:

| term | paper | released code, at its batch of 25 | here |
| --- | --- | --- | --- |
| condition | 4000 × a squared norm | 4000 × mean ÷ 25 | 160 × mean |
| attention | 0.1 × a norm | 0.1 × mean, of both passes | 0.1 × mean, of both passes |
| smoothness | 1e-5 × squares | 1e-5 × absolute differences, summed over the batch | 2.5e-4 × those of a sample |

>>> 4000 / 25, round(1e-5 * 25, 10)
(160.0, 0.00025)

So no term depends on the batch's size. Patches of the critic's score map count alike.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from model.baseline_config import GanimationWeights
from model.network.ganimation import CriticOutput, GanimationOutput
from model.network.precision import at_least_float32

Critic = Callable[[Tensor], CriticOutput]
Terms = dict[str, Tensor]


def wasserstein_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """L_W = mean S_d(Î) − mean S_d(r), as the critic minimises it; scores (B, 1, h, h)."""
    return at_least_float32(fake_scores).mean() - at_least_float32(real_scores).mean()


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """L_gp, mean over samples of (‖∇_u Σ S_d(u)‖₂ − 1)² at u = α r + (1 − α) Î.

    Its own gradient goes through a gradient: call it outside autocast and outside `torch.compile`.

    Args:
        critic: in full precision.
        real, fake: r and Î (B, 3, S, S) in [-1, 1].
        share: α (B,) in [0, 1], one a sample.
    """
    alpha = share[:, None, None, None]
    between = (alpha * real.detach() + (1 - alpha) * fake.detach()).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).scores.sum(), between, create_graph=True)
    lengths: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return (lengths - 1).square().mean()


def condition_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """L_y, mean over the batch and the 136 numbers of (R_d − y)²; both (B, 136)."""
    return (at_least_float32(found) - wanted).square().mean()


def identity_loss(cycled: Tensor, image: Tensor) -> Tensor:
    """L_idt, mean |x̂ − x| of images (B, 3, S, S): there and back again gives the input."""
    return (cycled - image).abs().mean()


def attention_loss(attention: Tensor) -> Tensor:
    """L_A, mean of A (B, 1, S, S): it costs something to keep a pixel."""
    return attention.mean()


def smoothness_loss(attention: Tensor) -> Tensor:
    """L_TV, the absolute differences of a sample's neighbours, summed; mean over the samples of A (B, 1, S, S)."""
    down = (attention[..., 1:, :] - attention[..., :-1, :]).abs().sum()
    across = (attention[..., :, 1:] - attention[..., :, :-1]).abs().sum()
    return (down + across) / len(attention)


def critic_losses(
    critic: Critic, real: Tensor, condition: Tensor, fake: Tensor, share: Tensor, weights: GanimationWeights
) -> Terms:
    """The critic's terms by symbol, unweighted, and their weighted sum as "L_D".

    Args:
        critic: in full precision.
        real: r (B, 3, S, S) in [-1, 1].
        condition: y_r (B, 136), its own.
        fake: Î (B, 3, S, S), without gradient.
        share: α (B,).
        weights: the λ.
    """
    of_real, of_fake = critic(real), critic(fake)
    terms = {
        "L_W": (weights.adversarial, wasserstein_loss(of_real.scores, of_fake.scores)),
        "L_gp": (weights.gradient_penalty, gradient_penalty(critic, real, fake, share)),
        "L_y_real": (weights.condition, condition_loss(of_real.condition, condition)),
    }
    return _summed(terms, "L_D")


def generator_losses(
    out: GanimationOutput,
    back: GanimationOutput,
    said: CriticOutput,
    image: Tensor,
    wanted: Tensor,
    target: Tensor,
    weights: GanimationWeights,
) -> Terms:
    """The generator's terms by symbol, unweighted, and their weighted sum as "total".

    No published term compares Î with the true target. "L_rec", the mean of |Î − I_t|, is there where its weight is.

    Args:
        out: Î and its attention.
        back: x̂, made of Î with the input's own landmarks, and its attention.
        said: the critic's of Î.
        image: x (B, 3, S, S).
        wanted: y_t (B, 136).
        target: I_t (B, 3, S, S).
        weights: the λ.
    """
    terms = {
        "L_adv": (weights.adversarial, -at_least_float32(said.scores).mean()),
        "L_y": (weights.condition, condition_loss(said.condition, wanted)),
        "L_idt": (weights.identity, identity_loss(back.output, image)),
        "L_A": (weights.attention, attention_loss(out.attention) + attention_loss(back.attention)),
        "L_TV": (weights.tv, smoothness_loss(out.attention) + smoothness_loss(back.attention)),
    }
    if weights.reconstruction:
        terms["L_rec"] = (weights.reconstruction, (out.output - target).abs().mean())
    return _summed(terms, "total")


def _summed(terms: dict[str, tuple[float, Tensor]], name: str) -> Terms:
    total = torch.stack([weight * value for weight, value in terms.values()]).sum()
    return {**{symbol: value for symbol, (_, value) in terms.items()}, name: total}
