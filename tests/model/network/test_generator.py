"""The generator: Eq. 4 and 7 by limits, its outputs' ranges, ablations, margin, precision, and operations counted."""

from __future__ import annotations

import math
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from model.config import Initialisation, ModelConfig, Streams
from model.network.generator import Generator, merge, warped_image
from model.network.master import MasterNetwork, ResidualBlock
from model.network.warp import warp_bilinear

SMALL = ModelConfig(image_size=32, base_channels=4)


def inputs(config: ModelConfig, batch: int = 2) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    shape = (batch, config.bank_size, 3, config.image_size, config.image_size)
    bank = torch.rand(shape, generator=random) * 2 - 1
    return bank, torch.rand(shape, generator=random)[:, :, :2] - 0.5


def make(config: ModelConfig = SMALL) -> Generator:
    torch.manual_seed(0)
    return Generator(config).eval()


# --- Eqs. 4 and 7


def test_a_mask_on_one_image_with_no_flow_fetches_that_image() -> None:
    bank, _ = inputs(SMALL)
    masks = torch.zeros(2, 5, 1, 32, 32)
    masks[:, 3] = 1
    fetched = warped_image(bank, masks, torch.zeros(2, 5, 2, 32, 32), margin_px=9)
    torch.testing.assert_close(fetched, bank[:, 3], rtol=0, atol=1e-4)


def test_equal_masks_with_no_flow_give_the_mean_image() -> None:
    bank, _ = inputs(SMALL)
    fetched = warped_image(bank, torch.full((2, 5, 1, 32, 32), 0.2), torch.zeros(2, 5, 2, 32, 32), 9)
    torch.testing.assert_close(fetched, bank.mean(1), rtol=0, atol=1e-4)


def test_each_image_is_warped_by_its_own_field_times_the_margin() -> None:
    bank, _ = inputs(SMALL)
    random = torch.Generator().manual_seed(2)
    fields = torch.rand(2, 5, 2, 32, 32, generator=random) * 2 - 1
    masks = torch.rand(2, 5, 1, 32, 32, generator=random)
    expected = torch.zeros(2, 3, 32, 32)
    for i in range(5):
        expected += masks[:, i] * warp_bilinear(bank[:, i], 6.0 * fields[:, i])
    torch.testing.assert_close(warped_image(bank, masks, fields, 6.0), expected)


def test_half_the_field_at_twice_the_margin_is_the_same_warp() -> None:
    bank, fields = inputs(SMALL)
    masks = torch.full((2, 5, 1, 32, 32), 0.2)
    torch.testing.assert_close(warped_image(bank, masks, fields / 2, 10.0), warped_image(bank, masks, fields, 5.0))


def test_v_of_one_takes_the_warped_image_and_v_of_zero_the_appearance() -> None:
    warped, appearance = torch.full((1, 3, 2, 2), 0.8), torch.full((1, 3, 2, 2), -0.4)
    assert torch.equal(merge(warped, appearance, torch.ones(1, 1, 2, 2)), warped)
    assert torch.equal(merge(warped, appearance, torch.zeros(1, 1, 2, 2)), appearance)
    quarter = merge(warped, appearance, torch.full((1, 1, 2, 2), 0.25))
    torch.testing.assert_close(quarter, torch.full((1, 3, 2, 2), -0.1))


# --- the network


def test_shapes_and_ranges() -> None:
    out = make()(*inputs(SMALL))
    assert out.output.shape == out.warped.shape == out.appearance.shape == (2, 3, 32, 32)
    assert out.merge_mask.shape == (2, 1, 32, 32)
    assert out.selection_masks.shape == (2, 5, 1, 32, 32)
    assert out.warp_fields.shape == (2, 5, 2, 32, 32)
    assert all(t.dtype == torch.float32 for t in out)
    torch.testing.assert_close(out.selection_masks.sum(1), torch.ones(2, 1, 32, 32))
    assert out.selection_masks.min() >= 0
    assert 0 <= out.merge_mask.min() <= out.merge_mask.max() <= 1
    for images in (out.output, out.warped, out.appearance, out.warp_fields):
        assert images.abs().max() <= 1 + 1e-6
    torch.testing.assert_close(out.output, merge(out.warped, out.appearance, out.merge_mask))


def test_heads_silenced_give_the_mean_of_unwarped_images() -> None:
    generator = make()
    for name in ("warp", "selection"):
        nn.utils.parametrize.remove_parametrizations(generator.heads[name], "weight")
        head = cast(nn.Conv2d, generator.heads[name])
        for parameter in head.parameters():
            nn.init.zeros_(parameter)
    bank, field = inputs(SMALL)
    out = generator(bank, field)
    assert not out.warp_fields.any()
    torch.testing.assert_close(out.warped, bank.mean(1), rtol=0, atol=1e-4)


def test_the_margin_can_change_after_training_and_changes_the_warp_alone() -> None:
    generator, (bank, field) = make(), inputs(SMALL)
    usual, explicit, none = (generator(bank, field, margin) for margin in (None, 40.0, 0.0))
    assert torch.equal(usual.output, explicit.output)
    for name in ("appearance", "merge_mask", "selection_masks", "warp_fields"):
        assert torch.equal(getattr(usual, name), getattr(none, name))
    torch.testing.assert_close(none.warped, (none.selection_masks * bank).sum(1), rtol=0, atol=1e-4)
    assert (usual.warped - none.warped).abs().max() > 0.1


def test_the_heads_are_their_own_convolutions() -> None:
    generator, (bank, field) = make(), inputs(SMALL)
    out, features = generator(bank, field), generator.features(bank, field)
    torch.testing.assert_close(out.appearance, generator.heads["appearance"](features).tanh())
    torch.testing.assert_close(out.merge_mask, generator.heads["merge"](features).sigmoid())
    torch.testing.assert_close(out.selection_masks[:, :, 0], generator.heads["selection"](features).softmax(1))
    fields = generator.heads["warp"](features).tanh()
    torch.testing.assert_close(out.warp_fields[:, 1, 0], fields[:, 2])


def test_any_size_that_four_divides() -> None:
    """The network is fully convolutional, and M is one motion along each side of a stretched picture."""
    generator = make()
    random = torch.Generator().manual_seed(3)
    bank, field = torch.rand(1, 5, 3, 36, 52, generator=random), torch.rand(1, 5, 2, 36, 52, generator=random)
    out = generator(bank, field, 80.0)
    assert out.output.shape == (1, 3, 36, 52)
    fetched = warped_image(bank, out.selection_masks, out.warp_fields, (80 * 52 / 224, 80 * 36 / 224))
    torch.testing.assert_close(out.warped, fetched)


@pytest.mark.parametrize("initialisation", ["ganimation", "pytorch"])
def test_initial_weights(initialisation: Initialisation) -> None:
    network = Generator(ModelConfig(32, base_channels=16, initialisation=initialisation))
    conv = network.master.layers[9].layers[0]  # of a residual block: 64 to 64 channels, 3 x 3
    weights = conv.parametrizations.weight.original
    published = initialisation == "ganimation"
    bound = 1 / math.sqrt(64 * 9)  # PyTorch's own is uniform
    assert weights.std().item() == pytest.approx(0.02 if published else bound / math.sqrt(3), rel=0.02)
    assert (weights.abs().max().item() > bound) == published
    assert network.heads["merge"].bias.any().item() != published


@pytest.mark.parametrize(
    ("streams", "heads"),
    [
        ("both", {"selection", "warp", "appearance", "merge"}),
        ("warp", {"selection", "warp"}),
        ("appearance", {"appearance"}),
    ],
)
@pytest.mark.parametrize("bank_size", [1, 3, 5])
def test_ablations(streams: Streams, heads: set[str], bank_size: int) -> None:
    config = ModelConfig(32, base_channels=4, bank_size=bank_size, streams=streams)
    generator = make(config)
    assert set(generator.heads) == heads
    bank, field = inputs(config)
    out = generator(bank, field)
    assert out.selection_masks.shape == (2, bank_size, 1, 32, 32)
    torch.testing.assert_close(out.selection_masks.sum(1), torch.ones(2, 1, 32, 32))
    out.output.mean().backward()
    assert all(p.grad is not None for p in generator.parameters())
    if streams == "warp":
        assert torch.equal(out.output, out.warped)
        assert (out.merge_mask == 1).all()
    if streams == "appearance":
        assert torch.equal(out.output, out.appearance)
        assert not out.merge_mask.any()
        assert not out.warp_fields.any()


def test_spectral_norm_of_every_convolution_is_one() -> None:
    convolutions = {n: m for n, m in make().named_modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)}
    assert len(convolutions) == 1 + 2 + 12 + 2 + 4
    for name, conv in convolutions.items():
        outputs = 1 if isinstance(conv, nn.ConvTranspose2d) else 0
        norm = torch.linalg.matrix_norm(conv.weight.transpose(0, outputs).flatten(1), ord=2)
        assert norm.item() == pytest.approx(1.0, abs=0.05), name


def test_the_normalisation_is_instance_norm() -> None:
    network = MasterNetwork(input_channels=25, base_channels=4)
    x = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 5 + 3
    torch.testing.assert_close(network.layers[1](x), nn.functional.instance_norm(x))


def test_a_silent_residual_block_passes_its_input() -> None:
    block = ResidualBlock(4)
    nn.init.zeros_(cast(nn.GroupNorm, block.layers[-1]).weight)
    x = torch.rand(1, 4, 8, 8)
    assert torch.equal(block(x), x)


def test_bf16_autocast_stays_near_float32() -> None:
    generator, (bank, field) = make(), inputs(SMALL)
    exact = generator(bank, field)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = generator(bank, field)
    assert all(t.dtype == torch.float32 for t in rough)
    for name in ("warp_fields", "appearance", "merge_mask", "selection_masks"):
        assert (getattr(rough, name) - getattr(exact, name)).abs().mean() < 0.01, name


def test_the_whole_forward_pass_is_one_graph_for_the_compiler() -> None:
    generator, (bank, field) = make(), inputs(SMALL)
    compiled = torch.compile(generator, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(bank, field).output, generator(bank, field).output)


def test_channels_last_changes_nothing_but_the_layout() -> None:
    generator, (bank, field) = make(), inputs(SMALL)
    usual = generator(bank, field)
    turned = generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(turned(bank, field).output, usual.output, rtol=0, atol=1e-4)
    assert turned.features(bank, field).is_contiguous(memory_format=torch.channels_last)


def test_operations_and_parameters_at_the_papers_size() -> None:
    config = ModelConfig()
    with torch.device("meta"):
        generator = Generator(config)
        bank, field = torch.empty(1, 5, 3, 224, 224), torch.empty(1, 5, 2, 224, 224)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        generator(bank, field)
    assert counter.get_total_flops() / 1e9 == pytest.approx(71.4, abs=0.1)
    assert sum(p.numel() for p in generator.parameters()) == 8_534_035
