# SPDX-License-Identifier: Apache-2.0
"""The kernel distance of two sets of features (Bińkowski et al., "Demystifying MMD GANs", 2018), which KID is.

The squared maximum mean discrepancy of the kernel (x·y / dim + 1)^3, without bias: pairs of a feature with itself do
not count. It is taken of many subsets; their mean is the distance, and their deviation says how sure it is. An unbiased
estimate of a distance of zero is negative half of the time.
"""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from dnnlib.progress import progress
from torch_utils import rng

NUM_SUBSETS = 100
SUBSET_SIZE = 1000


def kernel_distance(
    a: Float[Tensor, "n dim"],
    b: Float[Tensor, "m dim"],
    *,
    seed: int,
    weights_a: Float[Tensor, " n"] | None = None,
    weights_b: Float[Tensor, " m"] | None = None,
    num_subsets: int = NUM_SUBSETS,
    subset_size: int = SUBSET_SIZE,
) -> tuple[float, float]:
    """Mean and standard deviation over subsets.

    A subset has at most half of the smaller set: subsets that were the sets themselves would not deviate. Without bias,
    the size does not change the mean.
    """
    size = min(len(a) // 2, len(b) // 2, subset_size)
    if size < 2:
        raise ValueError(f"A kernel distance needs four pictures on each side; there are {len(a)} and {len(b)}.")
    values = torch.stack(
        [
            unbiased_mmd2(
                a[_subset(len(a), size, seed, f"a {i}", weights_a)].double(),
                b[_subset(len(b), size, seed, f"b {i}", weights_b)].double(),
            )
            for i in progress(range(num_subsets), "kernel distance", unit="subset")
        ]
    )
    return values.mean().item(), values.std().item()


def unbiased_mmd2(a: Float64[Tensor, "n dim"], b: Float64[Tensor, "m dim"]) -> Float64[Tensor, ""]:
    """Of two sets, whole."""

    def without_diagonal(x: Tensor) -> Tensor:
        kernel = _kernel(x, x)
        return (kernel.sum() - kernel.diagonal().sum()) / (len(x) * (len(x) - 1))

    return without_diagonal(a) + without_diagonal(b) - 2 * _kernel(a, b).mean()


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _subset(count: int, size: int, seed: int, name: str, weights: Tensor | None) -> Int64[Tensor, " size"]:
    """Which ones, without replacement; the heavier the likelier. Every feature runs a race at its own pace."""
    u = rng.uniform(seed, f"kernel subset {name}", torch.arange(count)).double()
    finish = -torch.log1p(-u)
    if weights is not None:
        finish = finish / weights.double().cpu()
    return finish.argsort()[:size]
