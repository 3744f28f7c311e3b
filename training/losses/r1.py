# SPDX-License-Identifier: Apache-2.0
"""R1: a critic should be flat where the real pictures are (Mescheder et al., 2018).

The penalty of an image is the sum of weight / 2 * |gradient of the scores|^2 over the pictures a critic is shown:
"image", "image_raw", "image_mask". Each has its own weight. What the gradient is taken of is what the caller passes; if
that is blurred before the critic sees it, pass the blurred picture.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class R1(NamedTuple):
    """What the penalty comes to, and what it consists of."""

    penalty: Float[Tensor, " batch"]
    squared_norms: dict[str, Float[Tensor, " batch"]]  # Of the gradients, not yet weighted; without graph, to report.


def r1_penalty(scores: Float[Tensor, "batch 1"], pictures: Mapping[str, Tensor], weights: Mapping[str, float]) -> R1:
    """Penalty of the scores of these pictures, differentiable once more.

    A picture of weight 0 is left out, and no gradient is taken of it. The other ones must require a gradient, and the
    scores must be computed of them. The sum of scores is differentiated: where images of a batch influence each other's
    scores, as by minibatch statistics, that influence counts.
    """
    names = [name for name, weight in weights.items() if weight > 0]
    assert names, f"no picture has a weight above 0: {dict(weights)}"
    gradients = torch.autograd.grad(scores.sum(), [pictures[name] for name in names], create_graph=True)
    norms = {name: gradient.square().flatten(1).sum(1) for name, gradient in zip(names, gradients, strict=True)}
    penalty = sum(weights[name] / 2 * norm for name, norm in norms.items())
    return R1(penalty, {name: norm.detach() for name, norm in norms.items()})
