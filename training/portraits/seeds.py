# SPDX-License-Identifier: Apache-2.0
"""Seeds to latent codes, as published scripts do it: a seed means the same head here and there."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

MAX_SEED = 2**32 - 1


def z_of_seeds(seeds: Sequence[int], z_dim: int) -> Float[Tensor, "seeds z_dim"]:
    """Row i follows from seeds[i] alone."""
    check_seeds(seeds)
    rows = [np.random.RandomState(seed).randn(z_dim) for seed in seeds]
    return torch.from_numpy(np.stack(rows)).float()


def check_seeds(seeds: Sequence[int]) -> None:
    """Whether there are any, and all mean something."""
    if not seeds:
        raise ValueError("No seeds are given: there is no picture to make.")
    wrong = [seed for seed in seeds if not 0 <= seed <= MAX_SEED]
    if wrong:
        raise ValueError(f"Seed {wrong[0]} is out of range: seeds are whole numbers from 0 to {MAX_SEED}.")
