# SPDX-License-Identifier: Apache-2.0
import numpy as np

from tests.training.shapes.meshes import Counted, ball, is_closed_manifold
from training.shapes.follow import follow
from training.shapes.grid import Grid
from training.shapes.parts import largest_part, part_of_vertices
from training.shapes.surface import surface


def test_the_largest_of_two_balls_is_kept_and_the_hollow_in_it_is_filled():
    def two_and_a_hollow(p):
        large = np.minimum(ball(p, (-0.2, 0, 0), 0.25), -ball(p, (-0.2, 0, 0), 0.12))
        return np.maximum(large, ball(p, (0.3, 0.1, 0), 0.1))

    mesh, num_parts = largest_part(surface(follow(Counted(two_and_a_hollow), Grid(60, 1.0), 0.0)))
    assert num_parts == 3
    assert is_closed_manifold(mesh)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices - (-0.2, 0, 0), axis=1), 0.25, atol=1e-3)


def test_parts_of_a_long_chain_with_shuffled_names():
    rng = np.random.default_rng(0)
    order = rng.permutation(3000)
    chain = np.stack([order[:-2], order[1:-1], order[2:]], axis=-1)
    cut = chain[np.r_[0:1000, 1100:2998]]
    names = part_of_vertices(3000, cut)
    assert len(np.unique(names[order[:1002]])) == 1
    assert len(np.unique(names[order[1100:]])) == 1
    assert names[order[0]] != names[order[-1]]
