# SPDX-License-Identifier: Apache-2.0
"""How much the edges of two pictures differ, coarse ones and fine ones: likeness without a network that was trained.

Slopes between neighbouring pixels say where edges are and how strong, whatever the brightness around them. Pictures are
halved again and again, so that an edge which is a little off still costs less the closer it comes.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

_SMALLEST = 8  # Pixels; what is smaller has no edges worth the name.


def edge_distance(
    pictures: Float[Tensor, "batch channels height width"], targets: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, " batch"]:
    """Mean absolute difference of slopes, the mean over all scales. 0 for equal pictures."""
    difference = pictures - targets
    scales = []
    while True:
        across = difference[..., :, 1:] - difference[..., :, :-1]
        down = difference[..., 1:, :] - difference[..., :-1, :]
        scales.append(across.abs().flatten(1).mean(1) + down.abs().flatten(1).mean(1))
        if min(difference.shape[-2:]) < 2 * _SMALLEST:
            return torch.stack(scales).mean(0)
        difference = avg_pool2d(difference, 2)
