"""X2Face: sampling, the embedded face, the confidence, sizes, and that it does see its target."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from model.baseline_config import X2FaceConfig
from model.network.question import Question
from model.network.x2face import Hourglass, X2Face

SMALL = X2FaceConfig(image_size=32, base_channels=4)
FIVE = X2FaceConfig(image_size=32, base_channels=4, sources=5)


def make(config: X2FaceConfig = SMALL) -> X2Face:
    torch.manual_seed(0)
    return X2Face(config).eval()


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def silenced(network: Hourglass) -> Hourglass:
    nn.init.zeros_(network.last.weight)
    return network


# --- sampling


def test_zero_fields_are_the_identity_at_224_with_a_work_size_of_256() -> None:
    """The pictures are never resized: a way to 256 pixels and back would alone cost half a grey level."""
    network = make(X2FaceConfig(image_size=224, base_channels=1, identity_start=True))
    assert network.work_size == 256
    image = drawn(1, 3, 224, 224)
    with torch.no_grad():
        embedded = network.embed(image[:, None])
        out = network(image[:, None], drawn(1, 3, 224, 224, seed=2), torch.zeros(1, dtype=torch.long))
    torch.testing.assert_close(embedded, image, rtol=0, atol=2e-4)
    torch.testing.assert_close(out.output, image, rtol=0, atol=2e-4)


@pytest.mark.parametrize(("side", "work_size"), [(32, 32), (64, 64), (96, 128), (128, 128), (224, 256)])
def test_the_work_size_is_the_smallest_power_of_two_that_holds_the_image(side: int, work_size: int) -> None:
    with torch.device("meta"):
        network = X2Face(X2FaceConfig(image_size=side, base_channels=1))
        assert network.work_size == work_size
        assert network.drive(torch.empty(2, 3, side, side)).shape == (2, 2, side, side)
        assert network.driving.encode(torch.empty(2, 3, work_size, work_size))[-1].shape == (2, 2, 1, 1)


def test_a_field_is_in_half_sides_x_before_y(monkeypatch: pytest.MonkeyPatch) -> None:
    network = make()
    field = torch.zeros(1, 2, 32, 32)
    field[:, 0] = 10 / (31 / 2)
    monkeypatch.setattr(network, "drive", lambda _: field)
    silenced(network.embedding)
    source = drawn(1, 1, 3, 32, 32)
    with torch.no_grad():
        out = network(source, source[:, 0], torch.zeros(1, dtype=torch.long)).output
    torch.testing.assert_close(out[..., :22], source[:, 0, ..., 10:], rtol=0, atol=1e-4)
    edge = source[:, 0, ..., -1:].expand(-1, -1, -1, 10)
    torch.testing.assert_close(out[..., 22:], edge, rtol=0, atol=1e-4)


def test_driving_offsets_end_at_tanh_of_1() -> None:
    network = make()
    nn.init.constant_(network.driving.last.weight, 1e3)
    with torch.no_grad():
        field = network.drive(drawn(2, 3, 32, 32))
    assert field.abs().max() <= 0.7616
    assert field.abs().max() == pytest.approx(0.7616, abs=1e-3)


# --- the embedded face


def test_one_training_source_means_a_plain_mean_at_test() -> None:
    network, bank = make(), drawn(2, 5, 3, 32, 32)
    with torch.no_grad():
        alone = torch.stack([network.embed(bank[:, i : i + 1]) for i in range(5)])
        torch.testing.assert_close(network.embed(bank), alone.mean(0), rtol=0, atol=1e-5)


def test_equal_confidences_are_the_mean_and_others_are_not() -> None:
    network, bank = make(FIVE), drawn(2, 5, 3, 32, 32)
    plain = make(SMALL)
    with torch.no_grad():
        assert not torch.allclose(network.embed(bank), plain.embed(bank), atol=1e-3)
        for each in (network, plain):
            each.embedding.last.weight[2] = 0
        torch.testing.assert_close(network.embed(bank), plain.embed(bank), rtol=0, atol=1e-5)


def test_the_order_of_the_sources_changes_nothing() -> None:
    network, bank = make(FIVE), drawn(2, 5, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network.embed(bank[:, [3, 0, 4, 2, 1]]), network.embed(bank), rtol=0, atol=1e-5)


def test_one_source_trains_no_confidence() -> None:
    """w cancels in w e / w. That is why it is not used where it was not trained."""
    network = make(FIVE).train()
    found = {}
    for count in (1, 5):
        network.zero_grad()
        bank = drawn(2, count, 3, 32, 32)
        (network(bank, drawn(2, 3, 32, 32, seed=4), torch.arange(2)).output.square().mean()).backward()
        gradient = network.embedding.last.weight.grad
        assert gradient is not None
        found[count] = float(gradient[2].abs().max() / gradient[:2].abs().max())
    assert found[1] < 1e-4
    assert found[5] > 1e-2


def test_targets_of_one_video_share_its_embedded_face() -> None:
    network, banks, driving = make(FIVE), drawn(2, 5, 3, 32, 32), drawn(4, 3, 32, 32, seed=5)
    which = torch.tensor([0, 0, 1, 1])
    with torch.no_grad():
        shared = network(banks, driving, which).output
        each = network(banks[which], driving, torch.arange(4)).output
    torch.testing.assert_close(shared, each, rtol=0, atol=1e-5)


# --- the networks


def test_parameters_at_the_published_size() -> None:
    with torch.device("meta"):
        network = X2Face(X2FaceConfig())
    counts = [sum(p.numel() for p in part.parameters()) for part in (network.embedding, network.driving)]
    assert counts == [39_157_760, 25_614_080]
    with torch.device("meta"):
        codes = network.driving.encode(torch.empty(3, 3, 256, 256))
    assert [tuple(code.shape[1:]) for code in codes] == [
        (64, 128, 128), (128, 64, 64), (256, 32, 32), (512, 16, 16), (512, 8, 8), (512, 4, 4), (512, 2, 2), (128, 1, 1)
    ]  # fmt: skip


def test_norms_stand_everywhere_but_at_both_ends() -> None:
    network = make()
    for hourglass in (network.embedding, network.driving):
        down = [any(isinstance(layer, nn.BatchNorm2d) for layer in level) for level in hourglass.down]  # type: ignore[union-attr]
        up = [isinstance(level.norm, nn.BatchNorm2d) for level in hourglass.up]
        assert down == [False, True, True, True, False]
        assert up == [True, True, True, True, False]
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert all(conv.bias is None for conv in convolutions)


def test_everything_the_driving_image_tells_goes_through_its_code() -> None:
    """No skips: with the code held, the picture does not matter."""
    driving = make().driving
    images = drawn(2, 3, 32, 32)
    assert not torch.equal(*driving(images))
    code = torch.ones(1, 8, 1, 1)
    driving.down[-1].register_forward_hook(lambda *_: code.expand(2, -1, -1, -1))
    assert torch.equal(*driving(images))


# --- its answers


def test_it_sees_the_target() -> None:
    network = make()
    assert network.sees_target
    asked = Question(drawn(2, 5, 3, 32, 32), torch.zeros(2, 5, 68, 2), torch.zeros(2, 68, 2), drawn(2, 3, 32, 32))
    with torch.no_grad():
        usual = network.answer(asked)
        assert not torch.equal(network.answer(asked._replace(driving=drawn(2, 3, 32, 32, seed=7))), usual)
        columns = network.columns(asked)
    assert list(columns) == [*(f"bank {i}" for i in range(1, 6)), "embedded face", "output"]
    assert torch.equal(columns["output"], usual)
    with pytest.raises(ValueError, match="driving must be the target images"):
        network.answer(asked._replace(driving=None))


def test_the_forward_pass_is_one_graph_for_the_compiler() -> None:
    network = make(FIVE)
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    inputs = drawn(1, 5, 3, 32, 32), drawn(2, 3, 32, 32, seed=3), torch.zeros(2, dtype=torch.long)
    torch.testing.assert_close(compiled(*inputs).output, network(*inputs).output)
