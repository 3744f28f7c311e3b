# SPDX-License-Identifier: Apache-2.0
"""The first point of a solid on the way from outside, for the few points that sculpture and landmarks need.

The number of steps is fixed, so that the cost is, and so that no comparison can end the walk one step earlier on
another machine. Pictures are traced in tracing.py, which stops as soon as it can.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from torch_utils.ops.distance_field import distance


def approach(
    start: Float[Tensor, "points 3"],
    direction: Float[Tensor, "points 3"],
    table: Float[Tensor, "rows columns"],
    steps: int,
) -> Float[Tensor, "points 3"]:
    """Where one who walks from `start` along the unit `direction` comes to stand."""
    length = torch.zeros(len(start), 1)
    for _ in range(steps):
        length = length + distance(start + length * direction, table)[0][:, None]
    return start + length * direction
