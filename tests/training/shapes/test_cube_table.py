# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.training.shapes.meshes import is_closed_manifold
from training.shapes.cube_table import CORNERS, EDGE_CORNERS, cube_table
from training.shapes.follow import follow
from training.shapes.grid import Grid
from training.shapes.surface import surface


def test_every_crossed_edge_of_a_case_and_no_other_has_triangles():
    table = cube_table()
    for case in range(256):
        crossed = {e for e, (a, b) in enumerate(EDGE_CORNERS) if (case >> a & 1) != (case >> b & 1)}
        assert set(table.edges[case, : table.counts[case]].ravel().tolist()) == crossed


def test_nothing_is_drawn_where_all_corners_are_alike():
    assert cube_table().counts[0] == cube_table().counts[255] == 0


def test_one_corner_gives_one_triangle_that_faces_away_from_it():
    table = cube_table()
    middles = CORNERS[EDGE_CORNERS].mean(axis=1)
    for corner in range(8):
        assert table.counts[1 << corner] == 1
        a, b, c = middles[table.edges[1 << corner, 0]]
        assert np.cross(b - a, c - a) @ (a - CORNERS[corner]) > 0


@pytest.mark.parametrize("seed", range(2))
def test_surfaces_of_noise_are_closed_and_manifold(seed):
    """Noise has all 256 cases, also the ambiguous ones, beside each other in all ways."""
    R = 18
    noise = np.random.default_rng(seed).normal(size=(R, R, R))
    grid = Grid(R, 1.0)

    def ask(points):
        i = np.rint(points / grid.voxel_size + (R - 1) / 2).astype(int)
        return noise[tuple(i.T)].astype(np.float32)

    crossed = follow(ask, grid, 0.0)
    mesh = surface(crossed)
    cases = (crossed.samples.read(crossed.cells[:, None] + CORNERS) > 0) @ (1 << np.arange(8))
    assert len(np.unique(cases)) >= 250
    assert is_closed_manifold(mesh)
    assert mesh.volume() > 0
