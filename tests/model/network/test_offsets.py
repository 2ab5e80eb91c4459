"""Offset fields: worked cases, pictures' edges, duplicates, and a loop over points."""

from __future__ import annotations

import torch
from torch import Tensor

from model.network.offsets import landmark_offsets, offset_field

SIZE = 32


def points(*placed: tuple[int, float, float], elsewhere: float = -9.0) -> Tensor:
    """(1, 68, 2) landmarks outside the picture, but for (index, x, y)."""
    landmarks = torch.full((1, 68, 2), elsewhere)
    for index, x, y in placed:
        landmarks[0, index] = torch.tensor([x, y])
    return landmarks


def test_offsets_point_from_bank_to_target() -> None:
    target, source = torch.zeros(1, 68, 2), torch.zeros(1, 2, 68, 2)
    target[0, 7] = torch.tensor([5.0, 2.0])
    source[0, 1, 7] = torch.tensor([1.0, 3.0])
    offsets = landmark_offsets(target, source)
    assert offsets[0, 0, 7].tolist() == [5, 2]
    assert offsets[0, 1, 7].tolist() == [4, -1]


def test_an_offset_stands_at_the_banks_rounded_landmark_in_pixels_of_a_224_pixel_image() -> None:
    field = offset_field(points((3, 14.0, 1.0)), points((3, 9.6, 20.4))[:, None], SIZE, SIZE)
    assert field.shape == (1, 1, 2, SIZE, SIZE)
    assert torch.nonzero(field[0, 0]).tolist() == [[0, 20, 10], [1, 20, 10]]
    torch.testing.assert_close(field[0, 0, :, 20, 10], 7 * torch.tensor([4.4, -19.4]))


def test_points_outside_leave_no_trace_and_the_last_row_and_column_count() -> None:
    source = points((0, -0.6, 5), (1, 31.6, 5), (2, 5, -0.6), (3, 5, 31.6), (4, 31.4, 31.4), (5, -0.4, 31.4))
    field = offset_field(source + 1, source[:, None], SIZE, SIZE)
    assert torch.nonzero(field[0, 0, 0]).tolist() == [[31, 0], [31, 31]]


def test_the_later_of_two_points_on_one_pixel_wins() -> None:
    source = points((10, 4.2, 6.0), (50, 3.8, 6.1), (30, 4.0, 6.0))
    target = points((10, 8.2, 6.0), (50, 5.8, 6.1), (30, 5.0, 6.0))
    field = offset_field(target, source[:, None], SIZE, SIZE)
    torch.testing.assert_close(field[0, 0, :, 6, 4], torch.tensor([14.0, 0.0]))


def test_batches_agree_with_a_loop_over_points_and_threads_change_nothing() -> None:
    random = torch.Generator().manual_seed(0)
    target = torch.rand(3, 68, 2, generator=random) * 40 - 4
    source = torch.rand(3, 5, 68, 2, generator=random) * 40 - 4
    expected = torch.zeros(3, 5, 2, SIZE, SIZE)
    for b in range(3):
        for n in range(5):
            for point in range(68):
                x, y = (round(v) for v in source[b, n, point].tolist())
                if 0 <= x < SIZE and 0 <= y < SIZE:
                    expected[b, n, :, y, x] = (target[b, point] - source[b, n, point]) * 7
    threads = torch.get_num_threads()
    try:
        for count in (1, 4):
            torch.set_num_threads(count)
            assert torch.equal(offset_field(target, source, SIZE, SIZE), expected)
    finally:
        torch.set_num_threads(threads)


def test_the_network_reads_the_same_numbers_at_every_size() -> None:
    """A picture stretched to other sides has its landmarks elsewhere, and the same offsets."""
    source, target = points((1, 100.0, 60.0)), points((1, 120.0, 50.0))
    for height, width in ((224, 224), (56, 112), (112, 28)):
        scale = torch.tensor([width / 224, height / 224])
        field = offset_field(target * scale, (source * scale)[:, None], height, width)
        x, y = (round(v) for v in (source * scale)[0, 1].tolist())
        torch.testing.assert_close(field[0, 0, :, y, x], torch.tensor([20.0, -10.0]))
