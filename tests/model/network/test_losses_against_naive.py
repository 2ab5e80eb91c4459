"""The project's equations against the naive reading of the paper beside this file, on random float64 input.

Two people's code that shares nothing gives the same numbers, or one of the two has misread the paper. The pictures are
small and not square, so that rows and columns cannot be mixed up, and the batch, the bank and the landmarks differ in
every example.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from model.config import LossWeights
from model.network.generator import GeneratorOutput, merge, warped_image
from model.network.losses import discriminator_loss, generator_losses
from model.network.offsets import offset_field
from model.network.warp import warp_bilinear
from pipeline.preparing.k_map import k_codes, k_table
from tests.model.network import naive_flnet as naive
from tests.model.network.naive_flnet import Array

BATCH, BANK, HEIGHT, WIDTH = 2, 3, 7, 10
STREAMS = ("both", "warp", "appearance")
CLOSE = 1e-6  # relative and absolute: some of the project's steps are float32 whatever they are given
LAMBDAS = naive.Lambdas(sv=0.7, tv=0.03, rec=1.9, p=1.3, adv=0.4)  # all terms of one size, so that none hides another
WEIGHTS = LossWeights(sparsity=0.7, tv=0.03, reconstruction=1.9, perceptual=1.3, adversarial=0.4)
# What each kind of run computes. A warp alone has one reconstruction, under either name.
TERMS = {
    "both": {"L_SV", "L_TV_V", "L_TV_wm", "L_TV_ww", "L_rec_w", "L_rec_o", "L_p", "L_adv", "total"},
    "warp": {"L_TV_wm", "L_TV_ww", "L_p", "L_adv", "total"},
    "appearance": {"L_rec_o", "L_p", "L_adv", "total"},
}


@dataclasses.dataclass(frozen=True)
class Material:
    """One random batch, as tensors; what its kind of run lacks is NaN, so that a term that reads it shows."""

    streams: str
    out: GeneratorOutput
    target: Tensor
    weight_map: Tensor
    fake_scores: Tensor


@pytest.fixture(scope="module")
def features() -> Callable[[Tensor], list[Tensor]]:
    """In place of VGG16: two fixed random convolutions, the second on what the first made."""
    generator = torch.Generator().manual_seed(5)
    first = torch.randn(4, 3, 3, 3, generator=generator, dtype=torch.float64)
    second = torch.randn(6, 4, 3, 3, generator=generator, dtype=torch.float64)

    def layers(images: Tensor) -> list[Tensor]:
        shallow = torch.relu(torch.nn.functional.conv2d(images, first, padding=1))
        return [shallow, torch.relu(torch.nn.functional.conv2d(shallow, second, stride=2))]

    return layers


def material(streams: str, seed: int = 0) -> Material:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(BATCH, BANK, 1, HEIGHT, WIDTH))
    output, warped, appearance, target = rng.uniform(-1, 1, (4, BATCH, 3, HEIGHT, WIDTH))
    merge_mask = naive.merging_mask(rng.normal(size=(BATCH, 1, HEIGHT, WIDTH)))
    masks = np.stack([naive.selection_masks(sample) for sample in scores])
    fields = rng.uniform(-1, 1, (BATCH, BANK, 2, HEIGHT, WIDTH))
    if streams == "warp":
        output = warped
        appearance, merge_mask = np.full_like(appearance, np.nan), np.full_like(merge_mask, np.nan)
    if streams == "appearance":
        output = appearance
        warped, merge_mask, masks, fields = (np.full_like(a, np.nan) for a in (warped, merge_mask, masks, fields))
    landmarks = rng.uniform(-1, 10, (BATCH, 68, 2))
    weight_map = np.stack([naive.k_map(points[:3], HEIGHT, WIDTH, gamma=0.7) for points in landmarks])
    return Material(
        streams,
        GeneratorOutput(
            output=tensor(output),
            warped=tensor(warped),
            appearance=tensor(appearance),
            merge_mask=tensor(merge_mask),
            selection_masks=tensor(masks),
            warp_fields=tensor(fields),
        ),
        tensor(target),
        tensor(weight_map),
        tensor(rng.normal(size=(BATCH, 1, 2, 3))),
    )


def tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))


def array(values: Tensor) -> Array:
    return values.detach().numpy().astype(np.float64)


def naive_made(given: Material, features: Callable[[Tensor], list[Tensor]]) -> naive.Made:
    out = given.out
    return naive.Made(
        output=array(out.output),
        warped=array(out.warped),
        merge_mask=array(out.merge_mask),
        selection_masks=array(out.selection_masks),
        warp_fields=array(out.warp_fields),
        fake_scores=array(given.fake_scores),
        features_of_output=[array(layer) for layer in features(out.output)],
        features_of_target=[array(layer) for layer in features(given.target)],
    )


def losses_of(given: Material, features: Callable[[Tensor], list[Tensor]], weights: LossWeights) -> dict[str, Tensor]:
    return generator_losses(
        given.out,
        given.target,
        given.weight_map,
        weights,
        given.streams,
        fake_scores=given.fake_scores,
        features=features,
    )


# --- what the losses are made of --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 224])
def test_offset_fields(size: int) -> None:
    """Landmarks crowd a small picture: many share a pixel. Some of them are outside. Values are the paper's pixels."""
    rng = np.random.default_rng(1)
    target, source = rng.uniform(-2, size + 1, (BATCH, 68, 2)), rng.uniform(-2, size + 1, (BATCH, BANK, 68, 2))
    expected = np.zeros((BATCH, BANK, 2, size, size))
    for b, i in np.ndindex(BATCH, BANK):
        expected[b, i] = naive.offset_field(target[b], source[b, i], size, size, paper_scale=224 / size)
    filled = np.count_nonzero(expected[:, :, 0], axis=(2, 3))
    assert filled.min() > 20
    assert filled.max() < 68
    made = array(offset_field(tensor(target), tensor(source), size, size))
    np.testing.assert_allclose(made, expected, rtol=CLOSE, atol=1e-4)


def test_the_bilinear_warp() -> None:
    """Fields of a few pixels: some look between pixels, some beyond every border."""
    rng = np.random.default_rng(2)
    images = rng.uniform(-1, 1, (BATCH, 3, HEIGHT, WIDTH))
    flows = rng.normal(0, 4, (BATCH, 2, HEIGHT, WIDTH))
    expected = np.stack([naive.warp(image, flow) for image, flow in zip(images, flows, strict=True)])
    np.testing.assert_allclose(array(warp_bilinear(tensor(images), tensor(flows))), expected, rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("margin_px", [40.0, 1.5])
def test_eq4_the_warped_image(margin_px: float) -> None:
    rng = np.random.default_rng(3)
    out = material("both").out
    bank = rng.uniform(-1, 1, (BATCH, BANK, 3, HEIGHT, WIDTH))
    masks, fields = array(out.selection_masks), array(out.warp_fields)
    expected = np.stack([naive.warped_image(bank[b], masks[b], fields[b], margin_px) for b in range(BATCH)])
    made = array(warped_image(tensor(bank), out.selection_masks, out.warp_fields, margin_px))
    np.testing.assert_allclose(made, expected, rtol=CLOSE, atol=CLOSE)


def test_eq7_the_merged_image() -> None:
    out = material("both").out
    warped, appearance, merge_mask = array(out.warped), array(out.appearance), array(out.merge_mask)
    expected = np.stack([naive.merge(warped[b], appearance[b], merge_mask[b]) for b in range(BATCH)])
    np.testing.assert_allclose(array(merge(out.warped, out.appearance, out.merge_mask)), expected, rtol=CLOSE)


def test_k_as_a_dataset_stores_it() -> None:
    """The pipeline rounds landmarks to pixels, which is its own choice, and keeps K as codes and a float32 table."""
    rng = np.random.default_rng(4)
    landmarks = rng.integers(-5, 20, (68, 2)) + rng.uniform(-0.4, 0.4, (68, 2))
    expected = naive.k_map(np.rint(landmarks[:3]), 48, 48)[0]
    stored = k_table(0.95, 0.3).levels[k_codes(landmarks[:3], 48, 0.95, 0.3)]
    np.testing.assert_allclose(stored, expected, rtol=CLOSE)
    assert expected.min() == 0.3
    assert expected.max() == 1


# --- Eqs. 8 to 17 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", STREAMS)
def test_each_term(streams: str, features: Callable[[Tensor], list[Tensor]]) -> None:
    given = material(streams)
    made, target, weight_map = naive_made(given, features), array(given.target), array(given.weight_map)
    reconstruction = naive.l_rec(made.output, target, weight_map)
    expected = {
        "L_SV": naive.l_sv(made.merge_mask),
        "L_TV_V": naive.l_tv(made.merge_mask),
        "L_TV_wm": naive.l_tv(made.selection_masks),
        "L_TV_ww": naive.l_tv(made.warp_fields),
        "L_rec_w": naive.l_rec(made.warped, target, weight_map),
        "L_rec_o": reconstruction,
        "L_p": naive.l_p(made.features_of_output, made.features_of_target),
        "L_adv": naive.l_adv_generator(made.fake_scores),
        "total": naive.total(made, target, weight_map, LAMBDAS, streams),
    }
    losses = losses_of(given, features, WEIGHTS)
    if streams == "warp":  # I_w is I_o: one of the two names, whichever, and once
        (name,) = {"L_rec_w", "L_rec_o"} & set(losses)
        assert losses.pop(name).item() == pytest.approx(reconstruction, rel=CLOSE)
    assert set(losses) == TERMS[streams]
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(expected[name], rel=CLOSE), name


@pytest.mark.parametrize("streams", STREAMS)
def test_eq17_with_the_papers_weights(streams: str, features: Callable[[Tensor], list[Tensor]]) -> None:
    given = material(streams, seed=6)
    expected = naive.total(
        naive_made(given, features), array(given.target), array(given.weight_map), naive.Lambdas(), streams
    )
    assert losses_of(given, features, LossWeights())["total"].item() == pytest.approx(expected, rel=CLOSE)


def test_a_weight_of_nothing_leaves_its_terms_out(features: Callable[[Tensor], list[Tensor]]) -> None:
    given = material("both")
    made, target, weight_map = naive_made(given, features), array(given.target), array(given.weight_map)
    gone = {
        "sparsity": ("sv", {"L_SV"}),
        "tv": ("tv", {"L_TV_V", "L_TV_wm", "L_TV_ww"}),
        "reconstruction": ("rec", {"L_rec_w", "L_rec_o"}),
        "perceptual": ("p", {"L_p"}),
        "adversarial": ("adv", {"L_adv"}),
    }
    for name, (symbol, terms) in gone.items():
        losses = losses_of(given, features, dataclasses.replace(WEIGHTS, **{name: 0.0}))
        expected = naive.total(made, target, weight_map, dataclasses.replace(LAMBDAS, **{symbol: 0.0}))
        assert set(losses) == TERMS["both"] - terms
        assert losses["total"].item() == pytest.approx(expected, rel=CLOSE), name


def test_eq17_reaches_everything_the_generator_made(features: Callable[[Tensor], list[Tensor]]) -> None:
    """Autograd's gradient against the naive total's slope: a term cut off from the graph has the right value only."""
    given = material("both")
    inputs = {
        name: getattr(given.out, name).clone().requires_grad_()
        for name in ("output", "warped", "merge_mask", "selection_masks", "warp_fields")
    }
    out = GeneratorOutput(appearance=given.out.appearance, **inputs)
    losses_of(dataclasses.replace(given, out=out), features, WEIGHTS)["total"].backward()

    def total_with(name: str, values: Array) -> float:
        made = dataclasses.replace(naive_made(given, features), **{name: values})
        if name == "output":
            made = dataclasses.replace(made, features_of_output=[array(f) for f in features(tensor(values))])
        return naive.total(made, array(given.target), array(given.weight_map), LAMBDAS)

    step = 1e-6
    for name, values in inputs.items():
        slopes = array(values.grad) if values.grad is not None else np.zeros(values.shape)
        for place in (np.unravel_index(index, values.shape) for index in (0, 41, values.numel() - 1)):
            moved = [array(values), array(values)]
            moved[0][place] += step
            moved[1][place] -= step
            slope = (total_with(name, moved[0]) - total_with(name, moved[1])) / (2 * step)
            assert abs(slope) > 1e-5, (name, place)
            assert slopes[place] == pytest.approx(slope, rel=1e-4, abs=1e-8), (name, place)


def test_eq16_of_the_discriminator() -> None:
    rng = np.random.default_rng(7)
    real, fake = rng.normal(0, 2, (BATCH, 1, 3, 2)), rng.normal(0, 2, (BATCH, 1, 3, 2))
    loss = discriminator_loss(tensor(real), tensor(fake))
    assert loss.item() == pytest.approx(naive.l_adv_discriminator(real, fake), rel=CLOSE)
