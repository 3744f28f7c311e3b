# SPDX-License-Identifier: Apache-2.0
"""Where rays enter and leave a box."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def box_limits(
    origins: Float[Tensor, "*rays 3"], directions: Float[Tensor, "*rays 3"], box_size: float
) -> tuple[Float[Tensor, "*rays"], Float[Tensor, "*rays"], Bool[Tensor, "*rays"]]:
    """Near and far depth within the cube of side `box_size` around the origin, and which rays meet it at all.

    By slabs: a ray is inside while it is between all three pairs of walls. From inside the box the near depth is 0. The
    depths of rays that miss mean nothing.
    """
    origins, directions = origins.detach(), directions.detach()
    half = box_size / 2
    to_walls = torch.stack([-half - origins, half - origins], dim=-2) / directions[..., None, :]
    # Parallel to a wall and in its plane: 0 / 0. Such a ray is between the walls.
    low, high = (to_walls.nan_to_num(sign * torch.inf) for sign in (-1, 1))
    near = low.amin(dim=-2).amax(dim=-1).clamp(min=0)
    far = high.amax(dim=-2).amin(dim=-1)
    return near, far, far > near
