# SPDX-License-Identifier: Apache-2.0
"""The slot of a warp, and the warp of a scene that does not move."""

from abc import ABC, abstractmethod
from typing import NamedTuple, final

from jaxtyping import Bool, Float
from torch import Tensor, nn

from training.types import Codes


class Warped(NamedTuple):
    """Where points are in canonical space, and which of them the warp knows about (None: all)."""

    points: Float[Tensor, "batch rays samples 3"]
    known: Bool[Tensor, "batch rays samples"] | None = None


class AbstractWarp(nn.Module, ABC):
    """Observed points, as the structured samples of rays, to canonical points."""

    allows_chunks: bool  # Whether a part of the rays is warped as it would be among all rays.

    @abstractmethod
    def forward(self, points: Float[Tensor, "batch rays samples 3"], codes: Codes) -> Warped: ...


@final
class IdentityWarp(AbstractWarp):
    """Nothing moves."""

    allows_chunks = True

    def forward(self, points: Float[Tensor, "batch rays samples 3"], codes: Codes) -> Warped:
        return Warped(points)
