# SPDX-License-Identifier: Apache-2.0
import numpy as np
import torch

from tests.training.shapes.meshes import Counted, torus
from tests.training.shapes.scenes import level_cameras
from training.camera_rays import rays
from training.shapes.follow import follow
from training.shapes.grid import Grid
from training.shapes.raster import Projected, draw, project_points
from training.shapes.surface import surface


def nearest_hits(origin: np.ndarray, directions: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Lengths along rays to the nearest of all triangles (Moeller and Trumbore, 1997), infinite without."""
    a, b, c = np.moveaxis(corners, 1, 0)
    p = np.cross(directions[:, None], c - a)
    determinant = (p * (b - a)).sum(-1)
    u = ((origin - a) * p).sum(-1) / determinant
    q = np.cross(origin - a, b - a)
    v, t = directions @ q.T / determinant, ((c - a) * q).sum(-1) / determinant
    return np.where((u >= 0) & (v >= 0) & (u + v <= 1), t, np.inf).min(axis=1)


def test_pixels_see_what_their_rays_hit():
    mesh = surface(follow(Counted(torus), Grid(20, 1.0), 0.0))
    camera = level_cameras(5)[1]
    drawn = draw(project_points(camera, mesh.vertices), mesh.triangles, 30)
    origins, directions = (x.numpy() for x in rays(camera, 30))
    length = nearest_hits(origins[0], directions, mesh.corners())
    np.testing.assert_allclose(drawn.z.ravel(), length * (directions @ camera.forward.numpy()), atol=1e-9)
    assert 100 < (drawn.triangle >= 0).sum() < 800
    np.testing.assert_array_equal(drawn.triangle >= 0, np.isfinite(drawn.z))


def test_large_and_tiny_triangles_partly_outside_of_the_picture():
    uv = np.array([[-3.0, -3.0], [4.0, -3.0], [0.5, 5.0], [0.5, 0.5], [0.502, 0.5], [0.5, 0.502]])
    seen = Projected(uv, np.array([2.0, 2.0, 2.0, 1.0, 1.0, 1.0]))
    drawn = draw(seen, np.array([[0, 1, 2], [3, 4, 5]]), 250)
    assert (drawn.triangle >= 0).all()
    assert drawn.triangle[125, 125] in (0, 1)
    assert (drawn.triangle == 1).sum() <= 1
    assert draw(seen, np.array([[0, 1, 2]]), 8).z.max() == 2


def test_depth_is_that_of_perspective():
    seen = Projected(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 3.0, 1.0]))
    drawn = draw(seen, np.array([[0, 1, 2]]), 64)
    half = (drawn.z[0, 31] + drawn.z[0, 32]) / 2
    assert abs(half - 2 / (1 + 1 / 3)) < 0.01  # The harmonic mean, not 2.


def test_nothing_draws_nothing():
    camera = level_cameras(1)[0]
    drawn = draw(project_points(camera, np.zeros((3, 3))), np.array([[0, 1, 2]]), 4)
    assert torch.isinf(torch.from_numpy(drawn.z)).all()
