# SPDX-License-Identifier: Apache-2.0
"""Mean and covariance of features that come batch by batch, on any number of ranks.

Sums are kept, in float64, so it matters to rounding only how features are cut into batches and dealt to ranks.
"""

from typing import final

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from torch_utils import distributed

_TOGETHER = 4096  # Features that are doubles at one time.


@final
class Moments:
    """Of weighted features: a feature of weight 2 counts as two."""

    def __init__(self, dim: int) -> None:
        self._weight = torch.zeros((), dtype=torch.float64)
        self._sum = torch.zeros(dim, dtype=torch.float64)
        self._outer = torch.zeros(dim, dim, dtype=torch.float64)

    def add(self, features: Float[Tensor, "n dim"], weights: Float[Tensor, " n"] | None = None) -> None:
        """Counts features in."""
        features = features.detach().to("cpu", torch.float64)
        weights = torch.ones(len(features)) if weights is None else weights
        weighted = features * weights.to("cpu", torch.float64)[:, None]
        self._weight += weights.double().sum()
        self._sum += weighted.sum(dim=0)
        self._outer += weighted.T @ features

    def over_ranks(self) -> "Moments":
        """Of the features of all ranks; every rank must call it."""
        total = self._copy()
        distributed.sum_(total._parts)
        return total

    def without(self, others: "Moments") -> "Moments":
        """Of what is left when features that were counted in are taken out again."""
        rest = self._copy()
        for sums, gone in zip(rest._parts, others._parts, strict=True):
            sums.sub_(gone)
        return rest

    @property
    def mean(self) -> Float64[Tensor, " dim"]:
        return self._sum / self._weight

    @property
    def covariance(self) -> Float64[Tensor, "dim dim"]:
        """Of the population: the sum of squares over the count."""
        return self._outer / self._weight - torch.outer(self.mean, self.mean)

    def _copy(self) -> "Moments":
        copy = Moments(len(self._sum))
        for own, sums in zip(self._parts, copy._parts, strict=True):
            sums.copy_(own)
        return copy

    @property
    def _parts(self) -> list[Tensor]:
        return [self._weight, self._sum, self._outer]


def moments_of(features: Float[Tensor, "n dim"], weights: Float[Tensor, " n"] | None = None) -> Moments:
    """Of features that are all there."""
    moments = Moments(features.shape[1])
    for start in range(0, len(features), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        moments.add(features[part], None if weights is None else weights[part])
    return moments
