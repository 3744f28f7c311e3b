# SPDX-License-Identifier: Apache-2.0
import numpy as np

from training.shapes.bricks import Bricks


def test_reads_what_was_written_like_a_dense_grid():
    rng = np.random.default_rng(0)
    dense, bricks = np.full((37,) * 3, np.nan, dtype=np.float32), Bricks(37, np.float32, np.nan)
    for _ in range(20):
        indices = rng.integers(0, 37, (100, 3))
        indices = np.unique(indices, axis=0)
        values = rng.normal(size=len(indices)).astype(np.float32)
        dense[tuple(indices.T)] = values
        bricks.write(indices, values)
    everywhere = np.argwhere(np.ones_like(dense))
    np.testing.assert_array_equal(bricks.read(everywhere).reshape(dense.shape), dense)


def test_memory_follows_what_was_written():
    bricks = Bricks(1026, np.float32, np.nan)
    i = np.arange(1026)
    bricks.write(np.stack([i, i, i], axis=-1), np.ones(1026))
    assert bricks.nbytes < 12e6
