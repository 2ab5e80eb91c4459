"""GANimation's networks: the merge, the folded tiles, what reaches the centre, sizes, and what it does not look at."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.baseline_config import GanimationConfig
from model.config import Size
from model.network.condition import CONDITION_SIZE
from model.network.ganimation import GanimationCritic, GanimationGenerator, critic_layers, merge
from model.network.question import Question

SMALL = GanimationConfig(image_size=32, base_channels=4)


def make(config: GanimationConfig = SMALL) -> GanimationGenerator:
    torch.manual_seed(0)
    return GanimationGenerator(config).eval()


def drawn(*shape: int, seed: int = 1) -> Tensor:
    """Images in [-1, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def landmarks(*shape: int, side: int = 32, seed: int = 2) -> Tensor:
    return torch.rand((*shape, 68, 2), generator=torch.Generator().manual_seed(seed)) * (side - 1)


# --- the merge


def test_attention_1_keeps_the_image_and_0_takes_the_colour() -> None:
    image, colour = drawn(2, 3, 4, 4), drawn(2, 3, 4, 4, seed=3)
    assert torch.equal(merge(image, colour, torch.ones(2, 1, 4, 4)), image)
    assert torch.equal(merge(image, colour, torch.zeros(2, 1, 4, 4)), colour)


def test_the_gradient_of_the_attention_is_image_minus_colour() -> None:
    image, colour = drawn(1, 3, 4, 4), drawn(1, 3, 4, 4, seed=3)
    attention = torch.full((1, 1, 4, 4), 0.3, requires_grad=True)
    merge(image, colour, attention).sum().backward()
    assert attention.grad is not None
    torch.testing.assert_close(attention.grad, (image - colour).sum(1, keepdim=True))


# --- the generator


@pytest.mark.parametrize("side", [7, 9, 32, 45, 224])
def test_folded_tiles_equal_the_concatenated_ones(side: int) -> None:
    """In float64: the literal 139 channels, where the code has 3 and a tile of 7 × 7."""
    generator = make(GanimationConfig(image_size=32, base_channels=1)).double()
    image, condition = drawn(1, 3, side, side).double(), drawn(1, CONDITION_SIZE).double()
    tiled = condition[:, :, None, None].expand(-1, -1, side, side)
    literal = generator.master.layers[0](torch.cat((image, tiled), 1))
    torch.testing.assert_close(generator.first_response(image, condition), literal, rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", [64, 128])
def test_the_condition_reaches_the_centre_though_only_by_the_rim(side: int) -> None:
    """Instance norm takes away what is the same at every pixel. Padded by reflection, the tile would be just that."""
    generator = make(GanimationConfig(image_size=side, base_channels=2)).double()
    image = drawn(1, 3, side, side).double()
    one, other = (landmarks(1, side=side, seed=seed).double() for seed in (4, 5))
    with torch.no_grad():
        a, b = (generator(image, one, wanted).output[0, :, side // 2, side // 2] for wanted in (one, other))
        assert (a - b).abs().max() > 1e-9
        weight = generator.master.layers[0].weight
        assert isinstance(weight, Tensor)
        responses = []
        for wanted in (one, other):
            tile = generator.condition(wanted, Size(side, side))[:, :, None, None].expand(-1, -1, side, side)
            padded = F.pad(torch.cat((image, tile), 1), (3, 3, 3, 3), mode="reflect")
            responses.append(F.instance_norm(F.conv2d(padded, weight)))
        torch.testing.assert_close(responses[0], responses[1], rtol=0, atol=1e-6)


def test_shapes_and_ranges() -> None:
    out = make()(drawn(2, 3, 32, 32), landmarks(2), landmarks(2, seed=3))
    assert out.output.shape == out.colour.shape == (2, 3, 32, 32)
    assert out.attention.shape == (2, 1, 32, 32)
    assert 0 <= out.attention.min() <= out.attention.max() <= 1
    assert out.output.abs().max() <= 1
    assert all(value.dtype == torch.float32 for value in out)


def test_the_field_is_flnets_and_needs_both_landmarks() -> None:
    generator = make(GanimationConfig(image_size=32, base_channels=4, condition_form="field"))
    image = drawn(2, 3, 32, 32)
    usual = generator(image, landmarks(2), landmarks(2, seed=3)).output
    assert generator.master.layers[0].in_channels == 5
    assert not torch.equal(generator(image, landmarks(2, seed=9), landmarks(2, seed=3)).output, usual)
    # Tiles say nothing of where the face is now.
    tiles = make()
    usual = tiles(image, landmarks(2), landmarks(2, seed=3)).output
    assert torch.equal(tiles(image, landmarks(2, seed=9), landmarks(2, seed=3)).output, usual)


def test_no_convolution_of_the_generator_has_a_bias_or_a_spectral_norm() -> None:
    generator = make()
    convolutions = [m for m in generator.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(convolutions) == 1 + 2 + 12 + 2 + 1
    assert all(conv.bias is None for conv in convolutions)
    assert not any(nn.utils.parametrize.is_parametrized(module) for module in generator.modules())
    weights = torch.cat([conv.weight.flatten() for conv in convolutions])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_at_the_published_size() -> None:
    with torch.device("meta"):
        assert parameters(GanimationGenerator(GanimationConfig())) == 8_844_480
        assert parameters(GanimationCritic(GanimationConfig())) == 47_227_840
        assert parameters(GanimationCritic(GanimationConfig(64))) == 11_712_448


@pytest.mark.parametrize(("side", "layers", "scores"), [(32, 4, 2), (64, 5, 2), (128, 6, 2), (224, 6, 3), (96, 5, 3)])
def test_the_critic_halves_to_two_or_three_pixels(side: int, layers: int, scores: int) -> None:
    assert critic_layers(side) == layers
    with torch.device("meta"):
        out = GanimationCritic(GanimationConfig(side, base_channels=2))(torch.empty(3, 3, side, side))
    assert out.scores.shape == (3, 1, scores, scores)
    assert out.condition.shape == (3, 136)


def test_the_critic_has_no_norm_and_its_heads_no_bias() -> None:
    critic = GanimationCritic(SMALL)
    assert not [m for m in critic.modules() if "Norm" in type(m).__name__]
    assert critic.scores.bias is None
    assert critic.regression.bias is None
    assert all(layer.bias is not None and not layer.bias.any() for layer in critic.layers[::2])  # type: ignore[union-attr]


# --- its answers


def question(**changed: Tensor | None) -> Question:
    asked = Question(drawn(3, 5, 3, 32, 32), landmarks(3, 5), landmarks(3, seed=6), None)
    return asked._replace(**changed)


def test_the_identity_image_is_the_first_or_the_nearest() -> None:
    generator = make()
    near = question(target_landmarks=question().bank_landmarks[:, 3] + 0.1)
    bank, own = near.bank, near.bank_landmarks
    with torch.no_grad():
        first, nearest = (generator.answer(near, source) for source in ("first", "nearest"))
        assert torch.equal(generator.answer(near), first)
        assert torch.equal(first, generator(bank[:, 0], own[:, 0], near.target_landmarks).output)
        assert torch.equal(nearest, generator(bank[:, 3], own[:, 3], near.target_landmarks).output)
        configured = make(GanimationConfig(image_size=32, base_channels=4, source="nearest"))
        assert torch.equal(configured.answer(near), nearest)


def test_it_does_not_see_the_target() -> None:
    generator = make()
    assert not generator.sees_target
    with torch.no_grad():
        usual, shown = (generator.answer(question(driving=seen)) for seen in (None, drawn(3, 3, 32, 32, seed=8)))
    assert torch.equal(usual, shown)


def test_columns_end_with_the_output() -> None:
    generator = make()
    with torch.no_grad():
        columns = generator.columns(question())
        assert list(columns) == ["identity", "colour C", "attention A", "output"]
        assert all(images.shape == (3, 3, 32, 32) for images in columns.values())
        assert torch.equal(columns["output"], generator.answer(question()))


def test_the_forward_pass_is_one_graph_for_the_compiler() -> None:
    generator = make()
    compiled = torch.compile(generator, backend="eager", fullgraph=True)
    inputs = drawn(2, 3, 32, 32), landmarks(2), landmarks(2, seed=3)
    torch.testing.assert_close(compiled(*inputs).output, generator(*inputs).output)
