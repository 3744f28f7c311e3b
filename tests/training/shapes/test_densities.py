# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from tests.training.shapes.scenes import scene
from tests.training.small import codes, labels, small_generator
from training.shapes.densities import Densities


def test_they_are_those_of_sample_mixed_where_pictures_show_something_and_only_these_are_asked():
    G = small_generator()
    ws = G.mapping(codes(1), labels(0.0))
    planes = G.planes(ws)
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (300_000, 3))  # More than are asked at once.
    ask = Densities(G.field, planes)
    values = ask(points)
    visible = G.field.visible(torch.from_numpy(points)).numpy()
    expected = G.sample_mixed(torch.from_numpy(points)[None].float(), None, ws, planes=planes)["sigma"].detach()
    np.testing.assert_allclose(values[visible], expected[0, visible, 0].numpy(), rtol=1e-5, atol=1e-5)
    assert (values[~visible] == -np.inf).all()
    assert ask.num_asked == visible.sum() < len(points)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_planes_of_half_precision_are_asked_at_points_of_full_precision(dtype):
    G = small_generator()
    planes = G.planes(G.mapping(codes(1), labels(0.0))).detach().to(dtype)
    points = np.zeros((400, 3))
    points[:, 0] = np.linspace(0.2, 0.21, len(points))
    expected, _ = G.field.query(planes, torch.from_numpy(points)[None].float())
    values = Densities(G.field, planes)(points)
    np.testing.assert_allclose(values, expected[0].detach().numpy(), rtol=1e-6, atol=1e-6)
    assert len(np.unique(values)) > 300


def test_no_points_have_no_densities():
    G, sitter = scene(lambda p: p[:, 0])
    assert Densities(G.field, sitter.planes)(np.empty((0, 3))).shape == (0,)


def test_nan_is_told():
    G, sitter = scene(lambda p: torch.log(p[:, 0]))
    with pytest.raises(ValueError, match="not finite"):
        Densities(G.field, sitter.planes)(np.array([[-0.1, 0.0, 0.0]]))


def test_one_head_at_a_time():
    G, sitter = scene(lambda p: p[:, 0])
    with pytest.raises(ValueError, match="planes of 2"):
        Densities(G.field, sitter.planes.expand(2, 1))
