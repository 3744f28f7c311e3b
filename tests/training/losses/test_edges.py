# SPDX-License-Identifier: Apache-2.0
"""Edges of pictures, compared."""

import torch

from training.losses.edges import edge_distance


def test_equal_pictures_do_not_differ_and_brightness_does_not_count() -> None:
    pictures = torch.rand(2, 3, 32, 32)
    assert torch.equal(edge_distance(pictures, pictures), torch.zeros(2))
    assert edge_distance(pictures, pictures + 0.5).max() < 1e-6


def test_one_scale_is_the_mean_slope_of_the_difference() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    assert torch.allclose(edge_distance(0.1 * ramp, torch.zeros(1, 1, 8, 8)), torch.tensor([0.1]))


def test_an_edge_that_is_farther_off_costs_more() -> None:
    def edge_at(column: int) -> torch.Tensor:
        return (torch.arange(64) >= column).float().expand(1, 1, 64, 64)

    costs = [edge_distance(edge_at(20 + off), edge_at(20)).item() for off in (0, 1, 2, 4, 8, 16)]
    assert costs == sorted(costs)
    assert costs[1] > 0


def test_pictures_are_compared_one_by_one() -> None:
    pictures, targets = torch.rand(3, 3, 16, 16), torch.rand(3, 3, 16, 16)
    single = [edge_distance(pictures[i : i + 1], targets[i : i + 1]) for i in range(3)]
    assert torch.allclose(edge_distance(pictures, targets), torch.cat(single))
