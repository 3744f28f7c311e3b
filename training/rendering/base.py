# SPDX-License-Identifier: Apache-2.0
"""The slot of a renderer."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from training.fields.base import AbstractField
from training.rendering.draws import AbstractDraws
from training.types import Codes
from training.warps.base import AbstractWarp


class Scene(NamedTuple):
    """What is rendered: a field with its state, seen through a warp."""

    field: AbstractField
    state: Tensor
    warp: AbstractWarp
    codes: Codes


class Rays(NamedTuple):
    """Unit directions; lengths along them are depths."""

    origins: Float[Tensor, "batch rays 3"]
    directions: Float[Tensor, "batch rays 3"]


class Seen(NamedTuple):
    """What rays meet."""

    features: Float[Tensor, "batch rays channels"]
    depth: Float[Tensor, "batch rays"]  # Mean of what is seen, along the ray.
    opacity: Float[Tensor, "batch rays"]


class AbstractRenderer(ABC):
    """Rays to what they meet."""

    empty: float  # The features of a ray that meets nothing.

    @abstractmethod
    def render(self, scene: Scene, rays: Rays, draws: AbstractDraws, density_noise: float) -> Seen:
        """`draws` places the samples; `density_noise` is the deviation of what is added to raw densities."""
