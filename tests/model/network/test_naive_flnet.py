"""The naive FLNet against numbers worked out by hand, equation by equation.

Eqs. 1, 3 and 5 are convolutions and have nothing to work out but what goes into Eq. 1 and what M does to Eq. 3.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tests.model.network import naive_flnet as naive
from tests.model.network.naive_flnet import Array

NOWHERE = np.full((1, 1, 2, 2), np.nan)  # what a stream lacks; a loss that touches it is NaN


def array(*rows: object) -> Array:
    return np.array(rows, dtype=np.float64)


def colours(plane: Array) -> Array:
    """(H, W) to (3, H, W): the plane, ten and a hundred times it."""
    return np.stack([plane, 10 * plane, 100 * plane])


# --- Eq. 1: what goes in ----------------------------------------------------------------------------------------------


def test_eq1_offsets_stand_at_the_source_and_point_to_the_target() -> None:
    field = naive.offset_field(array((5, 0)), array((1, 2)), height=3, width=4)
    horizontal = array((0, 0, 0, 0), (0, 0, 0, 0), (0, 4, 0, 0))  # 5 - 1, in column 1 of row 2
    vertical = array((0, 0, 0, 0), (0, 0, 0, 0), (0, -2, 0, 0))  # 0 - 2
    np.testing.assert_array_equal(field, np.stack([horizontal, vertical]))


def test_eq1_positions_are_rounded_and_values_are_not() -> None:
    field = naive.offset_field(array((3, 3)), array((1.6, 0.3)), height=2, width=3)
    np.testing.assert_allclose(field[:, 0, 2], (1.4, 2.7))
    assert np.count_nonzero(field) == 2


def test_eq1_a_point_outside_has_no_pixel_but_one_that_rounds_into_it_has() -> None:
    source = array((-0.6, 0), (2.6, 0), (0, -0.6), (0, 1.6), (-0.4, 1.4))
    field = naive.offset_field(source + 1, source, height=2, width=3)
    np.testing.assert_allclose(field, [array((0, 0, 0), (1, 0, 0))] * 2)


def test_eq1_of_two_points_on_one_pixel_the_later_one_stays() -> None:
    source = array((1, 1), (1.2, 0.8))
    field = naive.offset_field(array((9, 9), (2.2, 2.8)), source, height=2, width=2)
    np.testing.assert_allclose(field[:, 1, 1], (1, 2))


def test_eq1_a_target_equal_to_the_source_gives_an_empty_field() -> None:
    points = array((1, 1), (0, 0.4))
    assert not naive.offset_field(points, points, height=2, width=2).any()


def test_eq1_offsets_are_pixels_of_the_papers_image() -> None:
    """At 56 pixels, a quarter of 224, half a pixel is two of the paper's."""
    field = naive.offset_field(array((1.5, 1)), array((1, 1)), height=2, width=2, paper_scale=224 / 56)
    np.testing.assert_allclose(field[:, 1, 1], (2, 0))


# --- Eq. 2 ------------------------------------------------------------------------------------------------------------


def test_eq2_masks_are_a_softmax_over_the_bank() -> None:
    scores = np.array([[[[0.0, math.log(3)]]], [[[0.0, 0.0]]]])  # (N = 2, 1, 1, 2)
    masks = naive.selection_masks(scores)
    np.testing.assert_allclose(masks, [[[[0.5, 0.75]]], [[[0.5, 0.25]]]])
    np.testing.assert_allclose(masks.sum(axis=0), 1)  # J


# --- Eq. 4, and the M of Eq. 3 ----------------------------------------------------------------------------------------

PICTURE = array((0, 1, 2), (3, 4, 5), (6, 7, 8))[None]


def flow(horizontal: float, vertical: float, height: int = 3, width: int = 3) -> Array:
    return np.stack([np.full((height, width), horizontal), np.full((height, width), vertical)])


def test_eq4_a_zero_field_changes_nothing() -> None:
    np.testing.assert_array_equal(naive.warp(PICTURE, flow(0, 0)), PICTURE)


def test_eq4_a_pixel_of_the_result_looks_where_the_field_says() -> None:
    """One to the right: the picture moves left, and its right border is repeated. Then one down."""
    np.testing.assert_array_equal(naive.warp(PICTURE, flow(1, 0))[0], array((1, 2, 2), (4, 5, 5), (7, 8, 8)))
    np.testing.assert_array_equal(naive.warp(PICTURE, flow(0, 1))[0], array((3, 4, 5), (6, 7, 8), (6, 7, 8)))


def test_eq4_each_pixel_has_a_vector_of_its_own() -> None:
    field = flow(0, 0)
    field[:, 0, 0] = (2, 1)  # the top left pixel looks at column 2, row 1
    np.testing.assert_array_equal(naive.warp(PICTURE, field)[0], array((5, 1, 2), (3, 4, 5), (6, 7, 8)))


def test_eq4_between_pixels_the_warp_is_bilinear() -> None:
    """A quarter right of and half below the pixel 0, among 0, 1, 3 and 4."""
    expected = 0.5 * (0.75 * 0 + 0.25 * 1) + 0.5 * (0.75 * 3 + 0.25 * 4)
    assert naive.warp(PICTURE, flow(0.25, 0.5))[0, 0, 0] == expected == 1.75


def test_eq4_far_outside_are_the_values_of_the_border() -> None:
    np.testing.assert_array_equal(naive.warp(PICTURE, flow(-40, -40)), np.full((1, 3, 3), 0.0))
    np.testing.assert_array_equal(naive.warp(PICTURE, flow(40, 0))[0], array((2, 2, 2), (5, 5, 5), (8, 8, 8)))
    np.testing.assert_array_equal(naive.warp(PICTURE, flow(-0.5, 0))[0, 0], (0, 0.5, 1.5))


def test_eq4_one_hot_masks_pick_one_image_a_pixel() -> None:
    bank = np.stack([colours(array((1, 2), (3, 4))), colours(array((5, 6), (7, 8)))])
    masks = np.stack([array((1, 0), (0, 1)), array((0, 1), (1, 0))])[:, None]
    result = naive.warped_image(bank, masks, np.zeros((2, 2, 2, 2)), margin_px=40)
    np.testing.assert_array_equal(result, colours(array((1, 6), (7, 4))))


def test_eq4_masks_weigh_the_warped_images() -> None:
    bank = np.stack([colours(array((1, 2))), colours(array((5, 6)))])
    masks = np.stack([array((0.25, 0.25)), array((0.75, 0.75))])[:, None]
    result = naive.warped_image(bank, masks, np.zeros((2, 2, 1, 2)), margin_px=40)
    np.testing.assert_allclose(result, colours(array((0.25 * 1 + 0.75 * 5, 0.25 * 2 + 0.75 * 6))))


def test_eq4_the_margin_is_the_distance_at_a_field_of_one() -> None:
    """w = 1/2 with M = 2 is one pixel, and each image has a field and a mask of its own."""
    bank = np.stack([colours(array((1, 2, 3))), colours(array((4, 5, 6)))])
    fields = np.stack([flow(0.5, 0, 1, 3), flow(-0.5, 0, 1, 3)])
    only_first, only_second = np.zeros((2, 1, 1, 3)), np.zeros((2, 1, 1, 3))
    only_first[0] = only_second[1] = 1
    np.testing.assert_array_equal(naive.warped_image(bank, only_first, fields, 2), colours(array((2, 3, 3))))
    np.testing.assert_array_equal(naive.warped_image(bank, only_second, fields, 2), colours(array((4, 4, 5))))
    np.testing.assert_array_equal(naive.warped_image(bank, only_first, fields, 4), colours(array((3, 3, 3))))


# --- Eqs. 6 and 7 -----------------------------------------------------------------------------------------------------


def test_eq6_the_merging_mask_is_a_sigmoid() -> None:
    np.testing.assert_allclose(naive.merging_mask(array((0.0, math.log(3), -math.log(3)))), array((0.5, 0.75, 0.25)))


@pytest.mark.parametrize(("v", "expected"), [(0.0, 8.0), (1.0, 4.0), (0.25, 7.0)])
def test_eq7_zero_selects_the_appearance_and_one_the_warp(v: float, expected: float) -> None:
    warped, appearance = np.full((3, 1, 2), 4.0), np.full((3, 1, 2), 8.0)
    np.testing.assert_array_equal(naive.merge(warped, appearance, np.full((1, 1, 2), v)), np.full((3, 1, 2), expected))


def test_eq7_one_mask_serves_the_three_colours() -> None:
    merged = naive.merge(colours(array((1, 1))), colours(array((2, 2))), array(((1, 0),)))
    np.testing.assert_array_equal(merged, colours(array((1, 2))))


# --- Eqs. 8 to 11 -----------------------------------------------------------------------------------------------------


def test_eq8_is_the_mean_of_v() -> None:
    masks = np.stack([array((0, 1), (1, 0.5))[None], np.full((1, 2, 2), 0.125)])  # means 0.625 and 0.125
    assert naive.l_sv(masks) == 0.375
    assert naive.l_sv(np.zeros((1, 1, 2, 2))) == 0
    assert naive.l_sv(np.ones((1, 1, 2, 2))) == 1


def test_eq9_of_a_constant_is_nothing() -> None:
    assert naive.l_tv(np.full((2, 1, 3, 3), 0.7)) == 0


def test_eq9_sums_the_squared_steps_both_ways() -> None:
    """Across: (1 - 0)² + (2 - 5)² = 10. Down: (5 - 0)² + (2 - 1)² = 26."""
    v = array((0, 1), (5, 2))[None, None]
    assert naive.l_tv(v) == 36
    assert naive.l_tv(np.concatenate([v, np.zeros_like(v)])) == 18  # the mean over a batch of two


def test_eq9_a_wider_map_is_a_larger_sum() -> None:
    """A step of one between two columns counts once a row."""
    step = np.tile(array((0, 0, 1, 1)), (4, 1))[None, None]
    assert naive.l_tv(step[..., :1, :]) == 1
    assert naive.l_tv(step) == 4


def test_eq10_sums_over_the_masks_of_the_bank() -> None:
    first, second = array((0, 1), (0, 1)), array((1, 0), (1, 0))
    assert naive.l_tv(np.stack([first, second])[None, :, None]) == 4


def test_eq11_sums_over_both_directions_of_each_field() -> None:
    fields = np.zeros((1, 2, 2, 1, 2))
    fields[0, 0, 0] = array((0, 1))  # a step of 1 in the horizontal part of w_1
    fields[0, 1, 1] = array((-1, 1))  # a step of 2 in the vertical part of w_2
    assert naive.l_tv(fields) == 1 + 4


# --- K, and Eqs. 12 to 14 ---------------------------------------------------------------------------------------------


def test_k_is_one_at_a_landmark_and_falls_with_the_distance() -> None:
    k = naive.k_map(array((0, 0)), height=2, width=3)[0]
    expected = array((0, 1, 2), (1, math.sqrt(2), math.sqrt(5)))
    np.testing.assert_allclose(k, 0.95**expected)
    assert k[0, 0] == 1


def test_k_takes_the_nearest_landmark_and_one_outside_the_picture_too() -> None:
    k = naive.k_map(array((-1, 0), (4, 0)), height=1, width=4)[0, 0]
    np.testing.assert_allclose(k, 0.95 ** array(1, 2, 2, 1))


def test_k_is_bounded_below() -> None:
    """0.95^23 = 0.307 and 0.95^24 = 0.292: from the 24th pixel on K is 0.3."""
    k = naive.k_map(array((0, 0)), height=1, width=40)[0, 0]
    assert k[23] == 0.95**23 > 0.3
    np.testing.assert_array_equal(k[24:], 0.3)


def test_eq12_weighs_sums_the_colours_and_averages_the_pixels() -> None:
    """Pixels differ by 1 and -2; in the three colours by 1, 10 and 100 times that; K is 1 and 0.5."""
    targets = np.zeros((1, 3, 1, 2))
    images = colours(array((1, -2)))[None]
    weights = array((1, 0.5))[None, None]
    assert naive.l_rec(images, targets, weights) == 111 * (1 * 1 + 0.5 * 2) / 2


def test_eq13_is_the_same_of_another_image_and_a_mean_over_the_batch() -> None:
    images, weights = np.ones((2, 3, 2, 2)), np.ones((2, 1, 2, 2))
    targets = np.stack([np.ones((3, 2, 2)), -np.ones((3, 2, 2))])  # the first is met, the second missed by 2
    assert naive.l_rec(images, targets, weights) == (0 + 3 * 2) / 2
    weights[1] = 0.3
    assert naive.l_rec(images, targets, weights) == pytest.approx(0.3 * 3)


# --- Eqs. 15 and 16 ---------------------------------------------------------------------------------------------------


def test_eq15_is_a_mean_within_a_layer_and_a_sum_over_layers() -> None:
    outputs = [np.zeros((1, 2, 1, 1)), np.zeros((1, 1, 2, 2))]
    targets = [array(1, 3)[None, :, None, None], array((0, 0), (0, 4))[None, None]]
    assert naive.l_p(outputs, targets) == (1 + 9) / 2 + 16 / 4
    assert naive.l_p(targets, targets) == 0


def test_eq15_is_a_mean_over_the_batch() -> None:
    outputs, targets = [np.zeros((2, 1, 1, 1))], [array(1, 3)[:, None, None, None]]
    assert naive.l_p(outputs, targets) == (1 + 9) / 2


def test_eq16_of_a_sure_discriminator_is_nothing() -> None:
    assert naive.l_adv_discriminator(array(1, 5), array(-1, -7)) == 0
    assert naive.l_adv_discriminator(array(0, 0), array(0, 0)) == 2  # and of one that knows nothing


def test_eq16_is_hinged_at_one_and_averaged_over_the_patches() -> None:
    """Real: 1 - 0.5, and 0 for 3. Fake: 1 - 0.5, 1 + 2, and 0 for -4."""
    assert naive.l_adv_discriminator(array(0.5, 3), array(-0.5, 2, -4)) == 0.5 / 2 + 3.5 / 3


def test_eq16_the_generator_wants_its_images_taken_for_real_without_end() -> None:
    assert naive.l_adv_generator(array((1, 2), (3, -10))) == 1
    assert naive.l_adv_generator(array(5)) == -5


# --- Eq. 17 -----------------------------------------------------------------------------------------------------------

STEP = array((0, 1), (0, 1))
TARGET, WEIGHTS = np.zeros((1, 3, 2, 2)), np.ones((1, 1, 2, 2))
MADE = naive.Made(
    output=np.full((1, 3, 2, 2), 0.1),  # L_rec_o = 0.3
    warped=np.full((1, 3, 2, 2), 0.2),  # L_rec_w = 0.6
    merge_mask=0.5 * STEP[None, None],  # L_SV = 0.25, L_TV_V = 0.5
    selection_masks=np.stack([STEP, 1 - STEP])[None, :, None],  # L_TV_wm = 4
    warp_fields=2 * np.stack([[STEP, STEP], [STEP, STEP]])[None],  # L_TV_ww = 32
    fake_scores=array(2),  # L_adv = -2
    features_of_output=[np.zeros((1, 1, 1, 1))],
    features_of_target=[np.full((1, 1, 1, 1), 3.0)],  # L_p = 9
)


def test_eq17_with_the_papers_weights() -> None:
    expected = 0.25 + 1e-5 * (0.5 + 4 + 0.1 * 32) + 250 * (0.6 + 0.3) + 9 - 2
    assert naive.total(MADE, TARGET, WEIGHTS, naive.Lambdas()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("lambdas", "expected"),
    [
        (naive.Lambdas(1, 0, 0, 0, 0), 0.25),
        (naive.Lambdas(0, 1, 0, 0, 0), 0.5 + 4 + 0.1 * 32),
        (naive.Lambdas(0, 0, 1, 0, 0), 0.3 + 0.6),  # Eq. 14
        (naive.Lambdas(0, 0, 0, 1, 0), 9),
        (naive.Lambdas(0, 0, 0, 0, 1), -2),
    ],
)
def test_eq17_each_weight_has_its_terms(lambdas: naive.Lambdas, expected: float) -> None:
    assert naive.total(MADE, TARGET, WEIGHTS, lambdas) == pytest.approx(expected)


def test_eq17_of_the_warp_alone_has_no_v_and_one_reconstruction() -> None:
    made = dataclasses.replace(MADE, output=MADE.warped, merge_mask=NOWHERE)
    expected = 1e-5 * (4 + 0.1 * 32) + 250 * 0.6 + 9 - 2
    assert naive.total(made, TARGET, WEIGHTS, naive.Lambdas(), "warp") == pytest.approx(expected)


def test_eq17_of_the_appearance_alone_has_no_map_to_smooth_and_no_warped_image() -> None:
    made = dataclasses.replace(MADE, merge_mask=NOWHERE, selection_masks=NOWHERE, warp_fields=NOWHERE, warped=NOWHERE)
    expected = 250 * 0.3 + 9 - 2
    assert naive.total(made, TARGET, WEIGHTS, naive.Lambdas(), "appearance") == pytest.approx(expected)


def test_eq17_knows_three_kinds_of_streams() -> None:
    with pytest.raises(ValueError, match="both, warp or appearance"):
        naive.total(MADE, TARGET, WEIGHTS, naive.Lambdas(), "fetching")
