# SPDX-License-Identifier: Apache-2.0
import tracemalloc

import numpy as np
import pytest

from tests.training.shapes.meshes import Counted, ball, torus
from training.shapes.cube_table import CORNERS
from training.shapes.follow import coarse_stride, follow
from training.shapes.grid import Grid


def thin_parts(points, small=1 / 128):
    """A ball with a spike, a ring and a lonely ball of 1/64 of the box each, and a sheet."""
    x, y, z = points.T
    spike = small - np.hypot(np.hypot(x, z), np.minimum(y - 0.1, 0.45 - y).clip(max=0))
    ring = small - np.hypot(np.hypot(x, y) - 0.4, z - 0.1)
    lonely = ball(points, (0.371, -0.4113, 0.389), small)
    sheet = np.minimum(small - np.abs(x * 0.6 + z * 0.8 + 0.3), 0.15 - np.abs(y))
    return np.max([ball(points, radius=0.15), spike, ring, lonely, sheet], axis=0)


def dense_cells(density, grid, level=0.0):
    """Every cell whose corners differ, by asking everywhere."""
    inside = np.zeros((grid.side,) * 3, dtype=bool)
    samples = np.argwhere(np.ones((grid.resolution,) * 3)) + 1
    inside[tuple(samples.T)] = density(grid.positions(samples)).astype(np.float32) > level
    n = grid.side - 1
    count = sum(inside[x : x + n, y : y + n, z : z + n].astype(int) for x, y, z in CORNERS)
    return np.argwhere((count > 0) & (count < 8))


@pytest.mark.parametrize(
    ("density", "resolution"),
    [
        pytest.param(thin_parts, 224, marks=pytest.mark.slow),
        (torus, 64),
        (lambda p: np.full(len(p), 1.0), 40),
        (ball, 33),
    ],
)
def test_finds_all_cells_that_a_dense_grid_finds(density, resolution):
    grid = Grid(resolution, 1.0)
    ask = Counted(density)
    found = follow(ask, grid, 0.0).cells
    np.testing.assert_array_equal(found[np.argsort(grid.keys(found))], dense_cells(density, grid))


def test_follows_thin_parts_from_a_coarse_grid(monkeypatch):
    """As at 448, where the stride is 4, with parts of 1/16 instead of 1/64."""
    monkeypatch.setattr("training.shapes.follow._COARSE_SAMPLES", 16 * np.sqrt(3))
    grid = Grid(112, 1.0)
    assert coarse_stride(112) == 4

    def density(points):
        return thin_parts(points, 1 / 32)

    found = follow(Counted(density), grid, 0.0).cells
    np.testing.assert_array_equal(found[np.argsort(grid.keys(found))], dense_cells(density, grid))


def test_samples_at_the_corners_are_the_densities_there():
    grid = Grid(64, 1.3)
    crossed = follow(Counted(torus), grid, 0.0)
    corners = (crossed.cells[:, None] + CORNERS).reshape(-1, 3)
    np.testing.assert_array_equal(crossed.samples.read(corners), torus(grid.positions(corners)).astype(np.float32))


def test_every_ball_of_a_64th_of_the_box_meets_the_coarse_grid():
    for resolution in range(16, 1025):
        assert coarse_stride(resolution) * np.sqrt(3) <= resolution / 64 or coarse_stride(resolution) == 1


def test_small_balls_anywhere_are_found():
    for centre in np.random.default_rng(0).uniform(-0.45, 0.45, (3, 3)):
        assert len(follow(Counted(lambda p, c=centre: ball(p, c, 1 / 128)), Grid(256, 1.0), 0.0).cells)


@pytest.mark.slow
def test_a_shape_of_512_asks_for_less_than_3_percent_of_the_points():
    """An uncropped head-sized ball with thin parts, and the torus; trained heads are cropped and ask for less."""
    for density in (lambda p: np.maximum(ball(p, radius=0.25), thin_parts(p)), torus):
        ask = Counted(density)
        follow(ask, Grid(512, 1.0), 0.0)
        assert ask.count <= 0.03 * 512**3


@pytest.mark.slow
def test_a_shape_of_1024_needs_no_dense_grid():
    tracemalloc.start()
    crossed = follow(Counted(lambda p: ball(p, radius=0.1)), Grid(1024, 1.0), 0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(crossed.cells) > 150_000
    assert peak < 600e6  # Dense: 4.3 GB.


def test_an_empty_field_has_no_cells():
    assert len(follow(Counted(lambda p: np.full(len(p), -1.0)), Grid(32, 1.0), 0.0).cells) == 0
