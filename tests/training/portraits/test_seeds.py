# SPDX-License-Identifier: Apache-2.0
"""What a seed means."""

import numpy as np
import pytest
import torch

from training.portraits.seeds import z_of_seeds


def test_a_seed_is_the_code_that_numpy_draws_first() -> None:
    wanted = np.random.RandomState(7).randn(1, 512)
    assert torch.equal(z_of_seeds([7], 512), torch.from_numpy(wanted).float())


def test_a_seed_means_the_same_among_others() -> None:
    assert torch.equal(z_of_seeds([3, 1, 3], 16), z_of_seeds([3, 1], 16)[[0, 1, 0]])


@pytest.mark.parametrize(("seeds", "words"), [([], "No seeds"), ([-1], "Seed -1"), ([2**32], "out of range")])
def test_what_is_no_seed_is_told(seeds: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        z_of_seeds(seeds, 16)
