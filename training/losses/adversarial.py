# SPDX-License-Identifier: Apache-2.0
"""The non-saturating game of Goodfellow et al. (2014): a critic's scores to what each side pays, image by image.

A score is the logit of "this is a real picture". softplus(-s) is -log of that probability, softplus(s) that of its
opposite. The generator maximises log D instead of minimising log(1 - D): its gradient does not vanish when it loses.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def generator_loss(fake_scores: Float[Tensor, "batch 1"]) -> Float[Tensor, " batch"]:
    """High where the critic sees through a picture."""
    return F.softplus(-fake_scores)[:, 0]


def critic_loss_of_fakes(fake_scores: Float[Tensor, "batch 1"]) -> Float[Tensor, " batch"]:
    """High where a generated picture passes for a real one."""
    return F.softplus(fake_scores)[:, 0]


def critic_loss_of_reals(real_scores: Float[Tensor, "batch 1"]) -> Float[Tensor, " batch"]:
    """High where a real picture is taken for a generated one."""
    return F.softplus(-real_scores)[:, 0]
