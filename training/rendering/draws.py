# SPDX-License-Identifier: Apache-2.0
"""Random numbers of a rendering: all in the middle of their cells for pictures, drawn anew for training.

Drawn numbers are keyed by (seed, purpose, image index), so that they do not depend on the batch of an image. Rays are
numbered, so that they do not depend on chunks either.
"""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from torch_utils import rng
from torch_utils.ops.importance_depths import mid_cell

_RAY_BITS = 20


class AbstractDraws(ABC):
    """Numbers for the samples of the rays `start` .. `stop` of every picture."""

    @abstractmethod
    def strata(self, start: int, stop: int, count: int, like: Tensor) -> Float[Tensor, "#batch #rays #count"]:
        """Where in its stratum each first sample lies, in [0, 1)."""

    @abstractmethod
    def importance(self, start: int, stop: int, count: int, like: Tensor) -> Tensor:
        """Ascending numbers in [0, 1) that become the second samples: [count] or [batch, rays, count]."""

    @abstractmethod
    def normal(
        self, purpose: str, start: int, stop: int, count: int, like: Tensor
    ) -> Float[Tensor, "batch rays count"]:
        """Standard normals."""


@final
class MidCell(AbstractDraws):
    """No randomness: the same codes and camera give the same picture."""

    def strata(self, start: int, stop: int, count: int, like: Tensor) -> Float[Tensor, "1 1 1"]:
        return like.new_full((1, 1, 1), 0.5)

    def importance(self, start: int, stop: int, count: int, like: Tensor) -> Float[Tensor, " count"]:
        return mid_cell(count, like.device, like.dtype)

    def normal(
        self, purpose: str, start: int, stop: int, count: int, like: Tensor
    ) -> Float[Tensor, "batch rays count"]:
        raise ValueError("Density noise needs random draws; a deterministic picture has none. Set density_noise to 0.")


@final
class Drawn(AbstractDraws):
    """New numbers for every image, and for every `purpose`, such as the phase of a training step."""

    def __init__(self, seed: int, purpose: str, indices: Int64[Tensor, " batch"]) -> None:
        self.seed = seed
        self.purpose = purpose
        self.indices = indices

    def strata(self, start: int, stop: int, count: int, like: Tensor) -> Float[Tensor, "batch rays count"]:
        keys = self._rays(start, stop)
        return self._per_image(rng.uniform(self.seed, f"{self.purpose}/strata", keys, (count,)), like)

    def importance(self, start: int, stop: int, count: int, like: Tensor) -> Float[Tensor, "batch rays count"]:
        keys = self._rays(start, stop)
        drawn = self._per_image(rng.uniform(self.seed, f"{self.purpose}/importance", keys, (count,)), like)
        return drawn.sort(dim=-1).values

    def normal(
        self, purpose: str, start: int, stop: int, count: int, like: Tensor
    ) -> Float[Tensor, "batch rays count"]:
        keys = self._rays(start, stop)
        return self._per_image(rng.normal(self.seed, f"{self.purpose}/{purpose}", keys, (count,)), like)

    def _rays(self, start: int, stop: int) -> Int64[Tensor, " rays"]:
        """One number per ray of every picture: images are less than 2^43, rays less than 2^20 (1024 x 1024)."""
        if stop > 1 << _RAY_BITS:
            raise ValueError("Random draws number the rays of pictures of up to 1024 x 1024; render a smaller one.")
        return (self.indices[:, None] << _RAY_BITS | torch.arange(start, stop, device=self.indices.device)).flatten()

    def _per_image(self, drawn: Tensor, like: Tensor) -> Tensor:
        return drawn.unflatten(0, (len(self.indices), -1)).to(like.dtype)
