"""Each loss by hand on a few pixels, K·L1 against a loop, gradients' signs, and Eq. 17's sum by streams."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.config import LossWeights, Streams
from model.network.generator import GeneratorOutput
from model.network.losses import (
    adversarial_loss,
    discriminator_loss,
    generator_losses,
    landmark_weights,
    perceptual_loss,
    reconstruction_loss,
    sparsity_loss,
    tv_loss,
)
from model.network.perceptual import PerceptualFeatures


def test_sparsity_is_the_mean_of_v_and_pushes_it_down() -> None:
    mask = torch.tensor([[[[0.0, 1.0], [0.5, 0.1]]]], requires_grad=True)
    loss = sparsity_loss(mask)
    assert loss.item() == pytest.approx(0.4)
    loss.backward()
    assert mask.grad is not None
    assert (mask.grad > 0).all()


def test_sparsity_weighs_half_a_grey_level_against_the_reconstruction() -> None:
    """At the default λ, V stays at 1 where the warped image is nearer by more than 1/250 in the sum of the colours."""
    weights = LossWeights()
    for error, wanted_sign in ((0.0045 / 3, -1), (0.0035 / 3, 1)):
        mask = torch.full((1, 1, 4, 4), 0.5, requires_grad=True)
        target, warped = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
        output = mask * warped + (1 - mask) * (target + error)
        total = weights.sparsity * sparsity_loss(mask)
        total = total + weights.reconstruction * reconstruction_loss(output, target, torch.ones(1, 1, 4, 4))
        total.backward()
        assert mask.grad is not None
        assert (torch.sign(mask.grad) == wanted_sign).all()


def test_tv_of_a_small_map_by_hand() -> None:
    # down: 3² + 1² + 0² + (−4)² ... rows (1 2 4), (4 3 4), (0 3 5)
    maps = torch.tensor([[1.0, 2, 4], [4, 3, 4], [0, 3, 5]])[None, None]
    down = 9 + 1 + 0 + 16 + 0 + 1
    across = 1 + 4 + 1 + 1 + 9 + 4
    assert tv_loss(maps).item() == down + across


def test_tv_sums_over_a_samples_maps_and_averages_over_the_batch() -> None:
    edge = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    maps = torch.zeros(2, 5, 2, 2, 2)
    maps[0, :, 0] = edge
    assert tv_loss(maps).item() == 5 * 2 / 2
    assert tv_loss(torch.ones(1, 5, 1, 4, 4)).item() == 0


def test_k_is_looked_up_from_codes() -> None:
    levels = torch.tensor([1.0, 0.95, 0.3])
    codes = torch.tensor([[[0, 1], [2, 1]], [[2, 2], [0, 0]]], dtype=torch.uint8)
    expected = torch.tensor([[[[1, 0.95], [0.3, 0.95]]], [[[0.3, 0.3], [1, 1]]]])
    assert torch.equal(landmark_weights(codes, levels), expected)


def test_each_image_may_have_levels_of_its_own() -> None:
    levels = torch.tensor([[1.0, 0.5], [0.9, 0.3]])
    codes = torch.tensor([[[0, 1]], [[0, 1]]], dtype=torch.uint8)
    assert torch.equal(landmark_weights(codes, levels)[:, 0, 0], levels)


def test_all_256_codes_can_be_used() -> None:
    levels = torch.linspace(1, 0.3, 256)
    codes = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    assert torch.equal(landmark_weights(codes, levels).flatten(), levels)


def test_reconstruction_against_a_loop() -> None:
    random = torch.Generator().manual_seed(0)
    output, target = (torch.rand(2, 3, 4, 5, generator=random) * 2 - 1 for _ in range(2))
    landmarks = [(1, 1), (3, 2)]
    weight_map = torch.empty(2, 1, 4, 5)
    total = 0.0
    for b in range(2):
        for y in range(4):
            for x in range(5):
                distance = min(math.hypot(x - lx, y - ly) for lx, ly in landmarks)
                weight_map[b, 0, y, x] = max(0.95**distance, 0.3)
                for c in range(3):
                    error = abs(output[b, c, y, x].item() - target[b, c, y, x].item())
                    total += max(0.95**distance, 0.3) * error
    expected = total / (2 * 4 * 5)  # summed over the colours, as Eqs. 12 and 13 print it
    assert reconstruction_loss(output, target, weight_map).item() == pytest.approx(expected, rel=1e-5)


def test_perceptual_is_zero_for_equal_images_and_sums_the_layers_means() -> None:
    torch.manual_seed(0)
    features = PerceptualFeatures()
    image, other = torch.rand(1, 3, 16, 16) * 2 - 1, torch.rand(1, 3, 16, 16) * 2 - 1
    assert perceptual_loss(features, image, image.clone()).item() == 0
    pairs = zip(features(image), features(other), strict=True)
    expected = sum(((a - b) ** 2).sum().item() / a.numel() for a, b in pairs)
    assert perceptual_loss(features, image, other).item() == pytest.approx(expected, rel=1e-5)


def test_hinge_by_hand() -> None:
    real = torch.tensor([2.0, 1.0, 0.5, -1.0])
    fake = torch.tensor([-2.0, -1.0, 0.0, 1.0])
    assert discriminator_loss(real, fake).item() == pytest.approx((0 + 0 + 0.5 + 2) / 4 + (0 + 0 + 1 + 2) / 4)
    assert adversarial_loss(fake).item() == pytest.approx(0.5)


def test_the_two_adversaries_pull_the_scores_of_fakes_apart() -> None:
    for loss, sign in ((lambda f: discriminator_loss(torch.zeros(1), f), 1), (adversarial_loss, -1)):
        fake = torch.zeros(1, requires_grad=True)
        loss(fake).backward()
        assert fake.grad is not None
        assert torch.sign(fake.grad).item() == sign


def output_of(random: torch.Generator) -> tuple[GeneratorOutput, Tensor, Tensor]:
    """A generator's output, a target and K, all random float64: 2 examples of 16 x 16 pixels."""

    def images(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=random, dtype=torch.float64)

    out = GeneratorOutput(
        images(2, 3, 16, 16), images(2, 3, 16, 16), images(2, 3, 16, 16), images(2, 1, 16, 16),
        images(2, 5, 1, 16, 16), images(2, 5, 2, 16, 16),
    )  # fmt: skip
    return out, images(2, 3, 16, 16), images(2, 1, 16, 16)


TERMS: dict[Streams, list[str]] = {
    "both": ["L_SV", "L_TV_V", "L_TV_wm", "L_TV_ww", "L_rec_w", "L_rec_o", "L_p", "L_adv"],
    "warp": ["L_TV_wm", "L_TV_ww", "L_rec_o", "L_p", "L_adv"],
    "appearance": ["L_rec_o", "L_p", "L_adv"],
}
LAMBDA = {
    "L_SV": 2, "L_TV_V": 3, "L_TV_wm": 3, "L_TV_ww": 0.3, "L_rec_w": 4, "L_rec_o": 4, "L_p": 5, "L_adv": 6,
}  # fmt: skip


@pytest.mark.parametrize("streams", TERMS)
def test_the_total_is_the_weighted_sum_of_the_terms_of_the_streams_that_there_are(streams: Streams) -> None:
    torch.manual_seed(0)
    out, target, weight_map = output_of(torch.Generator().manual_seed(0))
    scores, features = torch.rand(2, 1, 1, 1, dtype=torch.float64), PerceptualFeatures().double()
    losses = generator_losses(out, target, weight_map, LossWeights(2, 3, 4, 5, 6), streams, scores, features)
    assert list(losses) == [*TERMS[streams], "total"]
    expected = sum(LAMBDA[name] * losses[name].item() for name in TERMS[streams])
    assert losses["total"].item() == pytest.approx(expected, rel=1e-12)


def test_each_term_is_of_its_own_map() -> None:
    out, target, weight_map = output_of(torch.Generator().manual_seed(0))
    losses = generator_losses(out, target, weight_map, LossWeights(perceptual=0, adversarial=0))
    assert torch.equal(losses["L_SV"], out.merge_mask.mean())
    for name, maps in (("V", out.merge_mask), ("wm", out.selection_masks), ("ww", out.warp_fields)):
        assert torch.equal(losses[f"L_TV_{name}"], tv_loss(maps))
    assert torch.equal(losses["L_rec_w"], reconstruction_loss(out.warped, target, weight_map))
    assert torch.equal(losses["L_rec_o"], reconstruction_loss(out.output, target, weight_map))


def test_the_warped_image_is_taught_by_itself() -> None:
    """Eq. 12: where V hides the warped image from the output, it still has a gradient."""
    out, target, weight_map = output_of(torch.Generator().manual_seed(0))
    warped = out.warped.clone().requires_grad_()
    losses = generator_losses(out._replace(warped=warped), target, weight_map, LossWeights(perceptual=0, adversarial=0))
    losses["total"].backward()
    assert warped.grad is not None
    # (250 / pixels of the batch) * K * sign, for each colour
    torch.testing.assert_close(warped.grad, 250 / (2 * 16 * 16) * weight_map * (warped.detach() - target).sign())


def test_the_appearance_image_has_a_loss_of_its_own_where_asked_for() -> None:
    out, target, weight_map = output_of(torch.Generator().manual_seed(0))
    weights = LossWeights(perceptual=0, adversarial=0, appearance=7)
    plain = generator_losses(out, target, weight_map, replace(weights, appearance=0))
    losses = generator_losses(out, target, weight_map, weights)
    assert set(losses) - set(plain) == {"L_rec_a"}
    assert torch.equal(losses["L_rec_a"], reconstruction_loss(out.appearance, target, weight_map))
    torch.testing.assert_close(losses["total"], plain["total"] + 7 * losses["L_rec_a"])
    assert "L_rec_a" not in generator_losses(out, target, weight_map, weights, "appearance"), "there it is L_rec_o"


def test_terms_without_weight_are_left_out() -> None:
    out, target, weight_map = output_of(torch.Generator().manual_seed(0))
    losses = generator_losses(out, target, weight_map, LossWeights(0, 0, 250, 0, 0))
    assert list(losses) == ["L_rec_w", "L_rec_o", "total"]
    torch.testing.assert_close(losses["total"], 250 * (losses["L_rec_w"] + losses["L_rec_o"]))


@pytest.mark.parametrize(("weights", "name"), [(LossWeights(), "features"), (LossWeights(perceptual=0), "fake_scores")])
def test_what_a_term_needs_must_be_given(weights: LossWeights, name: str) -> None:
    out, target, weight_map = output_of(torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=f"{name} must be given"):
        generator_losses(out, target, weight_map, weights)
