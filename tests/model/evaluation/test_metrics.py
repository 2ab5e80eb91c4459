"""L1 by region: boxes, the landmarks' hull against half-planes by hand, and images of unequal sides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from model.config import Size
from model.evaluation.metrics import AnsweredBatch, hull_mask, l1_figures, mean_inside, region_mask

SIZE = Size(24, 40)


def examined(target: Tensor, answer: Tensor, landmarks: Tensor) -> AnsweredBatch:
    return AnsweredBatch(target, {"model": answer}, landmarks, "08F", "08F/a.mp4", torch.arange(len(target)))


def hull_by_hand(points: np.ndarray, size: Size) -> np.ndarray:
    """Pixels that no line through two of the points, with all others on one side, parts from them."""
    y, x = np.mgrid[: size.height, : size.width]
    inside = np.ones(size, bool)
    for ax, ay in points:
        for bx, by in points:
            side = (bx - ax) * (points[:, 1] - ay) - (by - ay) * (points[:, 0] - ax)
            if (side >= 0).all() and side.any():
                inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0
    return inside


def test_a_region_is_its_landmarks_box_with_a_margin() -> None:
    points = torch.tensor([[[10.0, 20.0], [18.0, 24.0]], [[-50.0, -50.0], [-40.0, -40.0]]])
    mask = region_mask(points, Size(32, 32))
    assert mask[0].sum() == 13 * 9  # 8 + 2 * 2 and 4 + 2 * 2, both ends included
    assert mask[0, 18:27, 8:21].min() == 1
    assert mask[1].sum() == 1, "never empty"


def test_a_region_ends_with_the_picture_on_each_side() -> None:
    points = torch.tensor([[[36.0, 4.0], [44.0, 12.0]]])
    mask = region_mask(points, SIZE)
    assert mask.shape == (1, *SIZE)
    assert mask.sum() == (40 - 34) * 13
    assert mask[0, 2:15, 34:].min() == 1


def test_the_hull_is_that_of_half_planes() -> None:
    """The pixels that both agree on are all but the border's: OpenCV rasterises edges, the half-planes are exact."""
    rng = np.random.default_rng(0)
    points = rng.integers(2, 22, (3, 9, 2))
    points[:, :, 0] += 9
    masks = hull_mask(torch.from_numpy(points).float(), SIZE).bool().numpy()
    for mask, corners in zip(masks, points, strict=True):
        exact = hull_by_hand(corners, SIZE)
        assert mask[exact].all(), "nothing inside is missing"
        added = np.argwhere(mask & ~exact)
        near = [np.abs(np.argwhere(exact) - pixel).max(1).min() for pixel in added]
        assert max(near, default=0) <= 1, "and no more than the edge's pixels are added"
        assert len(added) < 0.15 * exact.sum()


def test_face_l1_counts_the_hull_alone() -> None:
    """A rectangle's hull is its pixels: an error of 8 grey levels in it, and of 100 around it."""
    landmarks = torch.tensor([[10.0, 5.0], [29.0, 5.0], [29.0, 16.0], [10.0, 16.0]]).repeat(17, 1)[None]
    target = torch.zeros(1, 3, *SIZE)
    answer = torch.full((1, 3, *SIZE), 100.0)
    answer[:, :, 5:17, 10:30] = 8.0
    figures = l1_figures(answer, examined(target, answer, landmarks))
    assert float(figures["face_l1"]) == 8.0
    inside = 12 * 20
    assert float(figures["l1"]) == pytest.approx((8 * inside + 100 * (24 * 40 - inside)) / (24 * 40))
    answer[:, 0, 5:17, 10:20] = 38.0  # one colour in one half of it
    assert float(l1_figures(answer, examined(target, answer, landmarks))["face_l1"]) == pytest.approx(8 + 30 / 6)


def test_a_face_outside_the_picture_has_no_figure() -> None:
    landmarks = torch.full((1, 68, 2), -30.0)
    image = torch.zeros(1, 3, *SIZE)
    assert torch.isnan(l1_figures(image, examined(image, image, landmarks))["face_l1"]).all()
    assert torch.isnan(mean_inside(torch.ones(1, 2, 2), torch.zeros(1, 2, 2))).all()


def test_mouth_and_eyes_have_their_boxes_where_sides_are_unequal() -> None:
    landmarks = torch.full((1, 68, 2), 1.0)
    landmarks[0, 36:48] = torch.tensor([20.0, 6.0])
    landmarks[0, 48:] = torch.tensor([33.0, 18.0])  # a point's box is its pixel
    target = torch.zeros(1, 3, *SIZE)
    answer = target.clone()
    answer[:, :, 6, 20], answer[:, :, 18, 33] = 5.0, 70.0
    figures = l1_figures(answer, examined(target, answer, landmarks))
    assert (float(figures["eyes_l1"]), float(figures["mouth_l1"])) == (5.0, 70.0)
