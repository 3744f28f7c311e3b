# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.training.shapes.meshes import Counted, ball, euler_number, is_closed_manifold, torus
from training.shapes.follow import follow
from training.shapes.grid import Grid
from training.shapes.surface import surface


def mesh_of(density, resolution=48, box_size=1.0, level=0.0):
    return surface(follow(Counted(density), Grid(resolution, box_size), level))


@pytest.mark.parametrize("resolution", [16, 48, 65])
def test_a_ball_has_the_right_place_size_kind_and_side(resolution):
    centre = (0.07, -0.05, 0.02)
    mesh = mesh_of(lambda p: ball(p, centre), resolution)
    away = mesh.vertices - centre
    radius = np.linalg.norm(away, axis=1)
    voxel = 1 / resolution
    assert np.abs(radius - 0.3).max() < 0.15 * voxel**2 / 0.3 + 0.01 * voxel  # Interpolation, and the kept-off ends.
    assert mesh.volume() == pytest.approx(4 / 3 * np.pi * 0.3**3, rel=2 * (voxel / 0.3) ** 2)
    assert euler_number(mesh) == 2
    assert is_closed_manifold(mesh)
    assert ((mesh.normals * away).sum(1) / radius).min() > 1 - 1.5 * (voxel / 0.3) ** 2
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1)


def test_a_torus_has_one_hole():
    mesh = mesh_of(torus)
    assert euler_number(mesh) == 0
    assert is_closed_manifold(mesh)
    assert mesh.volume() == pytest.approx(2 * np.pi**2 * 0.28 * 0.1**2, rel=0.02)


def test_triangles_face_where_their_normals_point():
    mesh = mesh_of(torus, 64)
    a, b, c = np.moveaxis(mesh.corners(), 1, 0)
    faces = np.cross(b - a, c - a)
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    assert ((faces * mesh.normals[mesh.triangles].mean(1)).sum(1) > 0.7).mean() > 0.99


def test_what_runs_out_of_the_box_is_closed_exactly_at_its_wall():
    mesh = mesh_of(lambda p: 0.2 - np.hypot(p[:, 0], p[:, 2]), 40, box_size=1.5)
    assert is_closed_manifold(mesh)
    assert euler_number(mesh) == 2
    assert mesh.vertices[:, 1].min() == pytest.approx(-0.75, abs=1e-12)
    assert mesh.vertices[:, 1].max() == pytest.approx(0.75, abs=1e-12)
    top = mesh.vertices[:, 1] > 0.7499
    np.testing.assert_array_equal(mesh.normals[top], np.broadcast_to([0.0, 1.0, 0.0], (top.sum(), 3)))


def test_hidden_samples_are_outside_and_the_wall_is_within_half_a_voxel():
    def cropped(p):
        return np.where(p[:, 0] > 0.1, -np.inf, ball(p))  # Not symmetric, not cubic.

    mesh = mesh_of(cropped, 50)
    assert is_closed_manifold(mesh)
    assert np.isfinite(mesh.vertices).all()
    assert np.isfinite(mesh.normals).all()
    assert mesh.vertices[:, 0].max() == pytest.approx(0.1, abs=0.5 / 50 + 1e-9)


def test_a_field_that_is_inside_everywhere_gives_the_box():
    mesh = mesh_of(lambda p: np.ones(len(p)), 16, box_size=2.0)
    assert is_closed_manifold(mesh)
    assert euler_number(mesh) == 2
    assert mesh.volume() == pytest.approx(8, rel=0.01)  # Its edges are bevelled.


def test_samples_exactly_at_the_level_do_no_harm():
    mesh = mesh_of(lambda p: np.round(8 * ball(p)) / 8, 33, level=0.125)
    assert is_closed_manifold(mesh)
    assert len(np.unique(mesh.vertices, axis=0)) == len(mesh.vertices)


def test_two_balls_that_touch_in_one_edge_of_the_grid_stay_two_surfaces():
    R = 16
    grid = Grid(R, 1.0)
    solid = np.zeros((R, R, R))
    solid[4:8, 4:8, 4:8] = solid[8:12, 8:12, 4:8] = 1.0

    def ask(p):
        return solid[tuple(np.rint(p * R + (R - 1) / 2).astype(int).T)]

    mesh = surface(follow(Counted(ask), grid, 0.5))
    assert is_closed_manifold(mesh)
    assert euler_number(mesh) == 4
