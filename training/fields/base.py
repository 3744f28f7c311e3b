# SPDX-License-Identifier: Apache-2.0
"""The slot of a field: codes become a state once, and the state answers about any number of points.

The state is heavy and belongs to whoever asked for it; a field keeps none. Densities are raw: the renderer turns them
into opacity.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor, nn

from training.networks.noise import AbstractNoise
from training.types import Codes


class FieldSamples(NamedTuple):
    """What a field says of points."""

    density: Float[Tensor, "batch points"]
    features: Float[Tensor, "batch points channels"]


class AbstractField(nn.Module, ABC):
    """Codes to something that answers about points of canonical space."""

    box_size: float  # Side of the cube around the origin outside which nothing is.
    num_channels: int  # Of the features.
    state_shape: tuple[int, ...]  # Of the state of one picture.

    @abstractmethod
    def prepare(self, codes: Codes, noise: AbstractNoise) -> Tensor:
        """The state: all work that does not depend on points. Its first axis is the batch."""

    @abstractmethod
    def query(
        self, state: Tensor, points: Float[Tensor, "batch points 3"], seen: Bool[Tensor, "batch points"] | None = None
    ) -> FieldSamples:
        """Raw density and features at canonical points.

        Points that are not seen are empty and cost nothing: their density is HIDDEN_DENSITY of
        torch_utils/ops/trigrid_decode.py, their features are zero, and they move no gradient.
        """

    @abstractmethod
    def visible(self, points: Float[Tensor, "*batch 3"]) -> Bool[Tensor, "*batch"] | None:
        """Which points a picture shows; None is all of them. Queries that are not told answer for all."""
