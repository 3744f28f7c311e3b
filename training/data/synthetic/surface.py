# SPDX-License-Identifier: Apache-2.0
"""The first point of a solid on the way from outside, for the points that sculpture, landmarks and boxes need.

`approach` takes a fixed number of steps, so that the cost is fixed, and so that no comparison can end the walk one step
earlier on another machine. Pictures are traced in tracing.py, which stops as soon as it can.
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


def approach_roughly(
    start: Float[Tensor, "points 3"],
    direction: Float[Tensor, "points 3"],
    table: Float[Tensor, "rows columns"],
    steps: int,
    near: float,
) -> Float[Tensor, "points 3"]:
    """The same for thousands of points, where each may stop within `near` of the surface."""
    length = torch.zeros(len(start))
    walking = torch.arange(len(start))
    for _ in range(steps):
        value, _ = distance(start[walking] + length[walking, None] * direction[walking], table)
        length[walking] += value
        walking = walking[value > near]
    return start + length[:, None] * direction
