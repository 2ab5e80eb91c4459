"""GANimation's losses: by hand on 2 × 2 pixels, no factor of the batch, the penalty's derivatives, and the sums."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from model.baseline_config import GanimationConfig, GanimationWeights
from model.network import ganimation_losses
from model.network.ganimation import CriticOutput, GanimationCritic, GanimationOutput
from model.network.ganimation_losses import (
    attention_loss,
    condition_loss,
    critic_losses,
    generator_losses,
    gradient_penalty,
    identity_loss,
    smoothness_loss,
    wasserstein_loss,
)

RANDOM = torch.Generator().manual_seed(0)


def drawn(*shape: int) -> Tensor:
    return torch.rand(shape, generator=RANDOM, dtype=torch.float64) * 2 - 1


class Linear(nn.Module):
    """A critic with S_d(u) = w · u."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, image: Tensor) -> CriticOutput:
        scores = (image * self.weight).sum((1, 2, 3), keepdim=True)
        return CriticOutput(scores, image.flatten(1)[:, :4] * self.weight.mean())


# --- by hand


def test_the_wasserstein_term_is_a_difference_of_means_over_all_patches() -> None:
    real = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])
    fake = torch.tensor([[[[0.0, 1.0], [1.0, 2.0]]]])
    assert wasserstein_loss(real, fake).item() == 1.0 - 3.0


def test_the_condition_is_a_mean_square_over_all_numbers() -> None:
    assert condition_loss(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.zeros(2, 2)).item() == (1 + 4) / 4


def test_the_identity_is_a_mean_absolute_difference() -> None:
    assert identity_loss(torch.tensor([[[[1.0, -1.0], [0.0, 0.5]]]]), torch.zeros(1, 1, 2, 2)).item() == 2.5 / 4


def test_attention_and_its_smoothness() -> None:
    attention = torch.tensor([[[[0.0, 1.0], [0.5, 0.25]]]])
    assert attention_loss(attention).item() == 1.75 / 4
    assert smoothness_loss(attention).item() == 0.5 + 0.75 + 1.0 + 0.25


# --- the gradient penalty


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_penalty_of_a_linear_critic_is_its_weights_length(share: float) -> None:
    weight = drawn(3, 4, 4)
    penalty = gradient_penalty(Linear(weight), drawn(2, 3, 4, 4), drawn(2, 3, 4, 4), torch.full((2,), share).double())
    assert penalty.item() == pytest.approx(float((weight.norm() - 1) ** 2), rel=1e-12)


def test_the_penaltys_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 1, 3)).double()

    def judge(image: Tensor) -> CriticOutput:
        return CriticOutput(critic(image), image.flatten(1))

    real, fake, share = drawn(2, 3, 4, 4), drawn(2, 3, 4, 4), torch.tensor([0.2, 0.7]).double()
    gradient_penalty(judge, real, fake, share).backward()
    weight = critic[0].weight
    assert isinstance(weight, Tensor)
    assert weight.grad is not None
    with torch.no_grad():
        for place in ((0, 0, 1, 1), (2, 1, 0, 2), (3, 2, 2, 0)):
            at = []
            for step in (1e-6, -2e-6):
                weight[place] += step
                with torch.enable_grad():
                    at.append(gradient_penalty(judge, real, fake, share).item())
            weight[place] += 1e-6
            assert (at[0] - at[1]) / 2e-6 == pytest.approx(float(weight.grad[place]), rel=1e-5)


def test_the_penalty_can_be_descended_from_a_gradient_of_zero() -> None:
    critic = Linear(torch.zeros(3, 4, 4).double())
    penalty = gradient_penalty(critic, drawn(1, 3, 4, 4), drawn(1, 3, 4, 4), torch.zeros(1).double())
    assert penalty.item() == 1
    penalty.backward()
    assert critic.weight.grad is not None
    assert torch.isfinite(critic.weight.grad).all()


# --- no factor of the batch's size, and the sums


def outputs(count: int = 2, side: int = 8) -> GanimationOutput:
    return GanimationOutput(drawn(count, 3, side, side), drawn(count, 3, side, side), drawn(count, 1, side, side))


def test_a_batch_repeated_changes_no_term() -> None:
    """The released code divides its regression loss by the batch, and sums the smoothness over it."""
    torch.manual_seed(0)
    critic = GanimationCritic(GanimationConfig(32, base_channels=2)).double()
    weights = GanimationWeights(reconstruction=100.0)
    images = [drawn(2, 3, 32, 32) for _ in range(4)]
    numbers, share = drawn(2, 136), torch.tensor([0.2, 0.7]).double()
    out, back = outputs(side=32), outputs(side=32)

    def terms(times: int) -> dict[str, Tensor]:
        def many(values: Tensor) -> Tensor:
            return values.repeat(times, *[1] * (values.ndim - 1))

        real, fake, image, target = map(many, images)
        critics = critic_losses(critic, real, many(numbers), fake, many(share), weights)
        outs, backs = (GanimationOutput(*map(many, each)) for each in (out, back))
        return critics | generator_losses(outs, backs, critic(outs.output), image, many(numbers), target, weights)

    once, thrice = terms(1), terms(3)
    assert set(once) == {"L_W", "L_gp", "L_y_real", "L_D", "L_adv", "L_y", "L_idt", "L_A", "L_TV", "L_rec", "total"}
    for symbol, value in once.items():
        torch.testing.assert_close(thrice[symbol], value, rtol=1e-9, atol=1e-12, msg=symbol)


def test_the_totals_are_weighted_sums() -> None:
    torch.manual_seed(0)
    critic = GanimationCritic(GanimationConfig(32, base_channels=2)).double()
    weights = GanimationWeights(2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0)
    out, back, image = outputs(side=32), outputs(side=32), drawn(2, 3, 32, 32)
    found = generator_losses(out, back, critic(out.output), image, drawn(2, 136), drawn(2, 3, 32, 32), weights)
    by_hand = 2 * found["L_adv"] + 5 * found["L_y"] + 7 * found["L_idt"] + 11 * found["L_A"] + 13 * found["L_TV"]
    torch.testing.assert_close(found["total"], by_hand + 17 * found["L_rec"])
    found = critic_losses(critic, image, drawn(2, 136), out.output, torch.tensor([0.1, 0.9]).double(), weights)
    torch.testing.assert_close(found["L_D"], 2 * found["L_W"] + 3 * found["L_gp"] + 5 * found["L_y_real"])


def test_both_passes_pay_for_attention() -> None:
    out, back, image = outputs(), outputs(), drawn(2, 3, 8, 8)
    said = CriticOutput(drawn(2, 1, 2, 2), drawn(2, 136))
    found = generator_losses(out, back, said, image, drawn(2, 136), image, GanimationWeights())
    torch.testing.assert_close(found["L_A"], out.attention.mean() + back.attention.mean())
    torch.testing.assert_close(found["L_TV"], smoothness_loss(out.attention) + smoothness_loss(back.attention))


def test_only_the_reconstruction_looks_at_the_target() -> None:
    out, back, image = outputs(), outputs(), drawn(2, 3, 8, 8)
    said = CriticOutput(drawn(2, 1, 2, 2), drawn(2, 136))
    weights = GanimationWeights()
    for each, looks in ((weights, False), (replace(weights, reconstruction=100.0), True)):
        target = drawn(2, 3, 8, 8).requires_grad_()
        found = generator_losses(out, back, said, image, drawn(2, 136), target, each)
        assert ("L_rec" in found) is looks
        assert found["total"].requires_grad is looks


def test_the_table_of_papers_and_codes_weights_adds_up() -> None:
    assert doctest.testmod(ganimation_losses).attempted == 1
    assert doctest.testmod(ganimation_losses).failed == 0
    weights = GanimationWeights()
    assert (weights.condition, weights.tv, weights.attention) == (160, 2.5e-4, 0.1)
    assert (weights.adversarial, weights.gradient_penalty, weights.identity, weights.reconstruction) == (1, 10, 10, 0)
