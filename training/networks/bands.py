# SPDX-License-Identifier: Apache-2.0
"""Large pictures in bands of rows, where no gradient is kept: a step then takes the memory of a band."""

from itertools import pairwise

import torch
from torch import Tensor


def bands(height: int, num_bytes: int, limit: int) -> list[tuple[int, int]]:
    """(first row, end) of bands of about the same height, each of at most about `limit` bytes."""
    count = 1 if torch.is_grad_enabled() else min(max(-(-num_bytes // limit), 1), height)
    edges = [index * height // count for index in range(count + 1)]
    return list(pairwise(edges))


def bytes_of(x: Tensor) -> int:
    return x.numel() * x.element_size()
