# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch

from training import camera_rays
from training.camera_paths import camera_on_sphere
from training.data.synthetic.field import HeadField
from training.data.synthetic.head import LAYERS
from training.data.synthetic.identity import identity_from_seed
from training.data.synthetic.picture import render

SIZE = 64


@pytest.fixture(scope="module", params=[0, 1, 3])
def seen(request):
    """A field, its picture, and the world points of the pixels that it fills."""
    who = identity_from_seed(11, request.param)
    camera = camera_on_sphere(torch.tensor(math.pi / 2 + 0.3), torch.tensor(1.5))
    picture = render(who, camera, SIZE)
    origins, directions = camera_rays.rays(camera, SIZE)
    inside = torch.from_numpy(picture.mask == 255).flatten()
    depth = torch.from_numpy(picture.depth).flatten()
    lengths = depth / (directions @ camera.forward)
    return HeadField(who), picture, origins[inside], directions[inside], lengths[inside], inside


def test_the_depth_of_a_picture_lies_on_the_surface(seen):
    field, _, origins, directions, lengths, _ = seen
    assert field.distance(origins + lengths[:, None] * directions).abs().max() < 1e-3


def test_colours_of_the_surface_are_those_of_the_picture_but_for_the_light(seen):
    field, picture, origins, directions, lengths, inside = seen
    colours = field.colour(origins + lengths[:, None] * directions)
    assert colours.min() >= 0
    assert colours.max() <= 1
    shown = torch.from_numpy(picture.image).flatten(0, 1)[inside] / 255
    assert np.corrcoef(colours.flatten(), shown.flatten())[0, 1] > 0.8
    assert (colours - shown).abs().mean() < 0.15


def test_density_is_high_inside_and_halves_on_the_surface(seen):
    field, _, origins, directions, lengths, _ = seen
    width = 2e-3

    def density(beyond):
        return field.density(origins + (lengths + beyond)[:, None] * directions, width) * width

    assert (density(0.0) - 0.5).abs().max() < 0.25
    assert (density(-0.05) < 0.5).all()
    assert density(0.02).median() > 0.99
    assert field.density(torch.tensor([[0.0, 0.05, 0.0]])) == pytest.approx(1 / width, rel=1e-3)


def test_a_volume_renderer_finds_the_depth_of_the_picture(seen):
    field, _, origins, directions, lengths, _ = seen
    chosen = torch.arange(0, len(lengths), 37)
    t = torch.linspace(2.2, 3.2, 1000)
    points = origins[chosen, None] + t[:, None] * directions[chosen, None]
    density = field.density(points.flatten(0, 1), 1e-3).unflatten(0, points.shape[:2])
    passed = torch.exp(-torch.cumsum(density, 1) * (t[1] - t[0]))
    expected = t[0] + passed.sum(1) * (t[1] - t[0])
    error = (expected - lengths[chosen]).abs()
    assert error.median() < 0.002
    assert (error < 0.01).float().mean() > 0.9


def test_layers_have_the_names_of_the_sculpture(seen):
    field, _, origins, directions, lengths, _ = seen
    names = {LAYERS[index] for index in field.layer(origins + lengths[:, None] * directions).unique().tolist()}
    assert {"skin", "eye", "hair"} <= names
