"""FLNet's equations a second time, as a reader with nothing but the paper would write them: loops, float64, no torch.

It shares no line with `model/`, and is slow and plain on purpose: what `model/` computes fast is compared with this.

Where the paper leaves something open, the docstring says which reading is taken. Arrays are laid out (channels, rows,
columns), where the paper writes W × H × channels. Landmarks are (x, y) in pixels, and the centre of the pixel in
column 3 and row 5 is (3, 5). Images are in [-1, 1]. "The batch" is the leading axis B of what the losses take.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


# --- "Network Inputs": what Eq. 1's E takes ---------------------------------------------------------------------------


def offset_field(
    target_landmarks: Array, source_landmarks: Array, height: int, width: int, paper_scale: float = 1.0
) -> Array:
    """ΔF_s of one bank image x_i (the f_i of Eq. 1): (2, H, W), horizontal offsets first.

    "Network Inputs": the set ΔS_i holds t_j − s_j; f_i is a map with those values at the positions that S_i indicates,
    and zero elsewhere. The values are plain coordinates, so pixels: nothing divides them.

    Open in the paper, and read so: a position is the nearest pixel; a point outside the picture has no pixel and is
    left out; of two points on one pixel the later one is written. The values keep the fraction that positions lose.

    Args:
        target_landmarks: (J, 2), t_j. The paper's J is 68.
        source_landmarks: (J, 2), s_j of this bank image.
        height: rows of the map.
        width: columns of the map.
        paper_scale: 224 / size: offsets are pixels of the paper's 224-pixel image, whatever size is trained.
    """
    field = np.zeros((2, height, width))
    for (t_x, t_y), (s_x, s_y) in zip(target_landmarks, source_landmarks, strict=True):
        column, row = round(float(s_x)), round(float(s_y))
        if 0 <= column < width and 0 <= row < height:
            field[0, row, column] = (t_x - s_x) * paper_scale
            field[1, row, column] = (t_y - s_y) * paper_scale
    return field


# --- "Warping-based Fetching Stream": Eqs. 2 to 4 ---------------------------------------------------------------------


def selection_masks(scores: Array) -> Array:
    """Eq. 2's softmax, (N, 1, H, W) of any numbers to M_w of the same shape.

    After Eq. 3: each m_i is in [0, 1] and the N of them sum to the all-ones matrix J; so the softmax runs over N.
    """
    masks = np.zeros_like(scores)
    for row, column in np.ndindex(scores.shape[-2:]):
        powers = [math.exp(score) for score in scores[:, 0, row, column]]
        for i, power in enumerate(powers):
            masks[i, 0, row, column] = power / sum(powers)
    return masks


def warp(image: Array, flow_px: Array) -> Array:
    """φ of Eq. 4, "the bi-linear warping function": (C, H, W) warped by (2, H, W) pixels, horizontal first.

    After Eq. 3: channel 0 says how far to go sideways, channel 1 how far up or down.

    Open in the paper, and read so: the field says where each pixel of the *result* looks in the image (it has one
    vector a pixel of the result, so there are no holes); beyond the border the image goes on with its border values.
    """
    channels, height, width = image.shape
    warped = np.zeros_like(image)
    for channel, row, column in np.ndindex(channels, height, width):
        x = column + float(flow_px[0, row, column])
        y = row + float(flow_px[1, row, column])
        warped[channel, row, column] = _between_four_pixels(image[channel], x, y)
    return warped


def _between_four_pixels(plane: Array, x: float, y: float) -> float:
    left, top = math.floor(x), math.floor(y)
    to_right, to_bottom = x - left, y - top
    value = 0.0
    for row, row_share in ((top, 1 - to_bottom), (top + 1, to_bottom)):
        for column, column_share in ((left, 1 - to_right), (left + 1, to_right)):
            value += row_share * column_share * _inside(plane, row, column)
    return value


def _inside(plane: Array, row: int, column: int) -> float:
    height, width = plane.shape
    return float(plane[min(max(row, 0), height - 1), min(max(column, 0), width - 1)])


def warped_image(bank: Array, masks: Array, fields: Array, margin_px: float) -> Array:
    """Eq. 4, I_w^c = Σ_i m_i ⊙ φ(x_i^c, w_i), for one example: (3, H, W).

    After Eq. 3: w_i is made in [-1, 1], not in pixels, and stands for distances in [-M, M]; M is 40, and a larger M
    warps more. So φ is given M·w_i pixels.

    Args:
        bank: (N, 3, H, W), x_i.
        masks: (N, 1, H, W), m_i.
        fields: (N, 2, H, W), w_i in [-1, 1].
        margin_px: M.
    """
    count, channels, height, width = bank.shape
    result = np.zeros((channels, height, width))
    for i in range(count):
        moved = warp(bank[i], margin_px * fields[i])
        for channel, row, column in np.ndindex(channels, height, width):
            result[channel, row, column] += masks[i, 0, row, column] * moved[channel, row, column]
    return result


# --- "Final Result Merging": Eqs. 6 and 7 -----------------------------------------------------------------------------


def merging_mask(scores: Array) -> Array:
    """Eq. 6's σ, (1, H, W) of any numbers to V. After Eq. 6: σ is the sigmoid, and V is in [0, 1]."""
    mask = np.zeros_like(scores)
    for place in np.ndindex(scores.shape):
        mask[place] = 1 / (1 + math.exp(-scores[place]))
    return mask


def merge(warped: Array, appearance: Array, merge_mask: Array) -> Array:
    """Eq. 7, I_o^c = (J − V) ⊙ I_a^c + V ⊙ I_w^c, for one example: (3, H, W), V being (1, H, W).

    After Eq. 6: where V is 0 the pixel comes from I_a, where it is 1 from the warped image I_w.
    """
    result = np.zeros_like(warped)
    for channel, row, column in np.ndindex(warped.shape):
        v = merge_mask[0, row, column]
        result[channel, row, column] = (1 - v) * appearance[channel, row, column] + v * warped[channel, row, column]
    return result


# --- "Objective Functions": Eqs. 8 to 17 ------------------------------------------------------------------------------


def l_sv(merge_masks: Array) -> float:
    """Eq. 8, ‖V‖₁ of (B, 1, H, W), as a mean over the pixels and over the batch.

    Before Eq. 8: it keeps V sparse, so that part of the picture comes from the appearance stream: it is smallest
    where V is 0, which Eq. 7 gives to I_a. The norm is printed as a sum; it is read as a mean (see `l_rec`).
    """
    return _mean(_mean(abs(v) for v in mask.flat) for mask in merge_masks)


def l_tv(maps: Array) -> float:
    """Eqs. 9, 10 and 11, ‖∇_h X‖₂² + ‖∇_v X‖₂² of (B, ..., H, W): V, M_w or W_w.

    Before Eq. 9: total variation of V, M_w and W_w, for smoothness. Squared differences of neighbours, summed over
    the whole map with all its channels as printed (the paper holds M_w and W_w as one tensor each), and a mean over
    the batch. W_w is the tensor in [-1, 1] of Eq. 3, before M. The border has no neighbour beyond it.
    """
    return _mean(_variation(sample) for sample in maps)


def _variation(sample: Array) -> float:
    height, width = sample.shape[-2:]
    total = 0.0
    for plane in sample.reshape(-1, height, width):
        for row, column in np.ndindex(height, width):
            if column + 1 < width:
                total += (plane[row, column + 1] - plane[row, column]) ** 2
            if row + 1 < height:
                total += (plane[row + 1, column] - plane[row, column]) ** 2
    return total


def k_map(landmarks: Array, height: int, width: int, gamma: float = 0.95, floor: float = 0.3) -> Array:
    """K of Eqs. 12 and 13, (1, H, W), from (J, 2) landmarks of the target face I_t.

    Before Eq. 12: K = γ^B, where B is how far a pixel is from that landmark of I_t which is nearest to it, and γ is
    0.95; K is 0.3 at least, so that the background counts too. The distance is the straight one.
    """
    weights = np.zeros((1, height, width))
    for row, column in np.ndindex(height, width):
        nearest = min(math.hypot(column - x, row - y) for x, y in landmarks)
        weights[0, row, column] = max(gamma**nearest, floor)
    return weights


def l_rec(images: Array, targets: Array, weight_maps: Array) -> float:
    """Eqs. 12 and 13, Σ_c ‖K ⊙ (I^c − I_t^c)‖₁: I is I_w in Eq. 12, I_o in Eq. 13. Eq. 14 is the sum of the two.

    The sum over the three colours is taken as printed. The norm is printed as a sum over pixels too; it is read as
    their mean, and as one over the batch: with a sum, λ_rec = 250 would leave nothing of the other terms.

    Args:
        images: (B, 3, H, W).
        targets: (B, 3, H, W), I_t.
        weight_maps: (B, 1, H, W), K.
    """
    return _mean(
        _one_reconstruction(image, target, weights)
        for image, target, weights in zip(images, targets, weight_maps, strict=True)
    )


def _one_reconstruction(image: Array, target: Array, weights: Array) -> float:
    channels, height, width = image.shape
    total = 0.0
    for channel, row, column in np.ndindex(channels, height, width):
        total += abs(weights[0, row, column] * (image[channel, row, column] - target[channel, row, column]))
    return total / (height * width)


def l_p(features_of_output: Sequence[Array], features_of_target: Sequence[Array]) -> float:
    """Eq. 15, ‖VGG(I_o) − VGG(I_t)‖₂², from the features of each layer, (B, channels, rows, columns).

    After Eq. 15: the network of Johnson et al. 2016, its layers relu1_2, relu2_2, relu3_3 and relu4_3. Within a layer
    a mean, as Johnson et al. normalise by the layer's size; a sum over the layers; a mean over the batch.
    """
    total = 0.0
    for outputs, targets in zip(features_of_output, features_of_target, strict=True):
        samples = zip(outputs, targets, strict=True)
        total += _mean(_mean((o - t) ** 2 for o, t in zip(a.flat, b.flat, strict=True)) for a, b in samples)
    return total


def l_adv_discriminator(real_scores: Array, fake_scores: Array) -> float:
    """Eq. 16 as printed, which is what D minimises: E[max(0, 1 − D(x))] + E[max(0, 1 + D(G(...)))].

    Before Eq. 16: a PatchGAN, so D gives a score for each patch, and E runs over patches and the batch.
    """
    on_real = _mean(max(0.0, 1 - score) for score in real_scores.flat)
    on_fake = _mean(max(0.0, 1 + score) for score in fake_scores.flat)
    return on_real + on_fake


def l_adv_generator(fake_scores: Array) -> float:
    """The generator's L_adv in Eq. 17: −E[D(I_o)].

    Before Eq. 16: the hinged version of Miyato et al. 2018, whose generator minimises this. (Minimising Eq. 16 as
    printed would have the generator help the discriminator.)
    """
    return -_mean(fake_scores.flat)


@dataclass(frozen=True)
class Lambdas:
    """λ of Eq. 17, with the paper's values ("Implementation": 1.0, 1e-5, 250, 1.0, 1.0)."""

    sv: float = 1.0
    tv: float = 1e-5
    rec: float = 250.0
    p: float = 1.0
    adv: float = 1.0


@dataclass(frozen=True)
class Made:
    """What the generator made of a batch and what judges it; the arguments of Eqs. 8 to 16.

    Attributes:
        output: (B, 3, H, W), I_o.
        warped: (B, 3, H, W), I_w.
        merge_mask: (B, 1, H, W), V.
        selection_masks: (B, N, 1, H, W), M_w.
        warp_fields: (B, N, 2, H, W), W_w in [-1, 1].
        fake_scores: D(I_o), of any shape.
        features_of_output: VGG(I_o), a layer each.
        features_of_target: VGG(I_t).
    """

    output: Array
    warped: Array
    merge_mask: Array
    selection_masks: Array
    warp_fields: Array
    fake_scores: Array
    features_of_output: Sequence[Array]
    features_of_target: Sequence[Array]


def total(made: Made, target: Array, weight_map: Array, lambdas: Lambdas, streams: str = "both") -> float:
    """Eq. 17, the full loss of the generator, or that of one stream alone ("Ablation study").

    Eq. 17 prints the TV of M_w twice, whole and with 0.1. The second is read as that of W_w: before Eq. 9 the paper
    wants all three of V, M_w and W_w smooth, and Eq. 11 would else be used nowhere.

    "Ablation study" removes a stream, so what belongs to it alone goes: without "both" there is no V and none of its
    terms; "appearance" has no M_w, W_w and I_w; in "warp" I_o *is* I_w, and its reconstruction counts once.

    Args:
        made: what the generator made; what `streams` lacks is never looked at.
        target: (B, 3, H, W), I_t.
        weight_map: (B, 1, H, W), K.
        lambdas: the weights.
        streams: "both", "warp" or "appearance".
    """
    if streams not in ("both", "warp", "appearance"):
        raise ValueError(f"streams is both, warp or appearance, not {streams}")
    reconstruction = l_rec(made.output, target, weight_map)  # Eq. 13
    sparsity = variation = 0.0
    if streams == "both":
        reconstruction += l_rec(made.warped, target, weight_map)  # Eqs. 12 and 14
        sparsity = l_sv(made.merge_mask)
        variation += l_tv(made.merge_mask)
    if streams != "appearance":
        variation += l_tv(made.selection_masks) + 0.1 * l_tv(made.warp_fields)
    return (
        lambdas.sv * sparsity
        + lambdas.tv * variation
        + lambdas.rec * reconstruction
        + lambdas.p * l_p(made.features_of_output, made.features_of_target)
        + lambdas.adv * l_adv_generator(made.fake_scores)
    )


def _mean(numbers: Iterator[float]) -> float:
    values = list(numbers)
    return float(sum(values) / len(values))
