# SPDX-License-Identifier: Apache-2.0
"""What learned camera shifts cost, so that they correct crops and do not become a second pose."""

from jaxtyping import Float
from torch import Tensor

from training.losses.kinds import ShiftForm

# per-sample: the squared length of every shift, as the paper has it (An et al., 2023, 3.4).
# batch-mean: the squared length of their mean over the batch at hand, as the published code has it. Opposite shifts
#     cancel, and the value depends on how the batch is split.


def shift_penalty(shift_world: Float[Tensor, "batch 3"], form: ShiftForm) -> Float[Tensor, " batch"]:
    """Squared length in world units. With `batch-mean` all images get the same, and their mean is as published."""
    if form == "per-sample":
        return shift_world.square().sum(dim=1)
    return shift_world.mean(dim=0).square().sum().expand(len(shift_world))
