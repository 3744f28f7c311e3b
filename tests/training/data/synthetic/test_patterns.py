# SPDX-License-Identifier: Apache-2.0
import math

import torch

from training.data.synthetic.patterns import blotches, bump, dots, grain, near_segment, soft_step, strands

GENERATOR = torch.Generator().manual_seed(0)
POINTS = torch.rand(4000, 3, generator=GENERATOR) * 0.5 - 0.25


def test_soft_steps_rise_from_0_to_1_and_can_be_turned_round():
    x = torch.linspace(-1, 2, 301)
    rising, falling = soft_step(x, 0.0, 1.0), soft_step(x, 1.0, 0.0)
    assert (rising.diff() >= 0).all()
    torch.testing.assert_close(rising + falling, torch.ones_like(x))
    assert rising[x <= 0].max() == 0
    assert rising[x >= 1].min() == 1


def test_bumps_end_at_their_width():
    assert bump(torch.tensor([0.0]), 0.1) == 1
    assert bump(torch.tensor([0.01]), 0.1) == 0


def test_noise_is_bounded_centred_and_smooth():
    for noise in (lambda p: blotches(p, 60.0, 1.0), lambda p: grain(p, 0.02)):
        values = noise(POINTS)
        assert values.abs().max() <= 1.2
        assert values.mean().abs() < 0.15
        assert values.std() > 0.2
        assert (noise(POINTS + 1e-5) - values).abs().max() < 0.01


def test_noise_at_the_corners_of_its_cubes_is_not_the_same_everywhere():
    corners = torch.cartesian_prod(*[torch.arange(-5, 6).float()] * 3)
    values = grain(corners * 0.5, 0.5)
    assert len(values.unique()) > 0.95 * len(values)


def test_strands_close_the_circle_around_the_crown():
    before, after = (strands(torch.tensor([[x, 0.1, -0.2]]), 0.0, 0.0, 0.05, 1.0) for x in (-1e-6, 1e-6))
    torch.testing.assert_close(before.brightness, after.brightness, atol=1e-2, rtol=0)
    torch.testing.assert_close(before.tilt, after.tilt, atol=1e-2, rtol=0)


def test_strands_tilt_the_surface_level_and_across_the_way_from_the_crown():
    around = strands(POINTS, 0.03, -0.04, 0.05, 1.0).around
    outwards = POINTS - torch.tensor([0.03, 0.0, -0.04])
    torch.testing.assert_close(around[:, 1], torch.zeros(len(around)))
    assert ((around * outwards).sum(-1)).abs().max() < 1e-6


def test_dots_are_whole_and_no_larger_than_told():
    x, y = torch.meshgrid(torch.linspace(0, 0.2, 801), torch.linspace(0, 0.2, 801), indexing="ij")
    cell, radius = 0.02, 0.005
    drawn = dots(x.flatten(), y.flatten(), cell, radius)
    at_edge = ((x / cell - (x / cell).round()).abs() < 1e-3) | ((y / cell - (y / cell).round()).abs() < 1e-3)
    assert drawn[at_edge.flatten()].max() == 0
    share = (drawn > 0).float().mean().item()
    assert 0.2 * math.pi * (radius / cell) ** 2 < share < math.pi * (radius / cell) ** 2


def test_the_distance_to_a_segment_counts_its_ends():
    x, y = torch.tensor([0.0, 2.0, -1.0]), torch.tensor([1.0, 0.0, 0.0])
    torch.testing.assert_close(near_segment(x, y, (0.0, 0.0), (1.0, 0.0)), torch.tensor([1.0, 1.0, 1.0]))
